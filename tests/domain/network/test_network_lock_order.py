"""Whatever clients do to networks at once, one thing or several in one request, nobody waits in a circle (PostgreSQL).

Two projects share networks and name them in any order; a circle would cost each who stands in it a second.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.api.network.network_cloud import Client, Cloud
from tests.domain.counting import Counting
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.ids import SystemIds

pytestmark = pytest.mark.postgres

ROUNDS = 200
AT_ONCE = 8

Act = Callable[[Client], Awaitable[None]]


@pytest.fixture
async def cloud(postgres_cluster: PostgresCluster) -> AsyncIterator[Cloud]:
    store = Counting(postgres_cluster.new_database(), SystemClock(), SystemIds(), connections=AT_ONCE)
    async with Cloud(store) as made:
        yield made


async def storm(cloud: Cloud, chance: random.Random, clients: list[Client], *acts: Act) -> None:
    rounds = iter(range(ROUNDS))

    async def worker() -> None:
        for _ in rounds:
            await chance.choice(acts)(chance.choice(clients))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert isinstance(cloud.store, Counting)
    assert cloud.store.circles == 0


async def post(client: Client, plural: str, *wishes: dict[str, Any]) -> list[dict[str, Any]]:
    """What was made of them: all or, where something stood in the way, nothing."""
    answer = await client.call("POST", f"/v2.0/{plural.replace('_', '-')}", {plural: list(wishes)})
    assert answer.status in (201, 400, 404, 409), answer.raw
    return list(answer.body[plural]) if answer.status == 201 else []


async def tried(client: Client, method: str, path: str, body: object = None) -> None:
    answer = await client.call(method, f"/v2.0/{path}", body)
    assert answer.status in (200, 201, 204, 400, 404, 409), answer.raw


async def drop_one(client: Client, chance: random.Random, plural: str, ids: list[tuple[Client, str]]) -> None:
    if ids:
        owner, id = ids.pop(chance.randrange(len(ids)))
        await tried(owner, "DELETE", f"{plural}/{id}")


async def test_ports_on_several_shared_networks_never_wait_in_a_circle(cloud: Cloud, chance: random.Random) -> None:
    admin, clients = cloud.admin, [cloud.mine, cloud.theirs]
    subnets: dict[str, list[dict[str, Any]]] = {}
    for n in range(3):
        network_id, _ = await admin.network(f"10.{n}.0.0/28", shared=True)
        for cidr in (f"10.{n}.1.0/26", f"fd00:{n}::/64", f"10.{n}.2.0/24"):
            version = 6 if ":" in cidr else 4
            await admin.make("subnet", network_id=network_id, cidr=cidr, ip_version=version)
        subnets[network_id] = [s for s in (await admin.get("subnets"))["subnets"] if s["network_id"] == network_id]
    live: list[tuple[Client, str]] = []

    def wish() -> dict[str, Any]:
        network_id = chance.choice(list(subnets))
        kind = chance.choice(("any", "any", "some", "addressed"))
        wanted: dict[str, Any] = {"network_id": network_id}
        if kind == "some":
            some = chance.sample(subnets[network_id], 2)
            wanted["fixed_ips"] = [{"subnet_id": subnet["id"]} for subnet in some]
        elif kind == "addressed":
            some = chance.sample(subnets[network_id], 2)
            addresses = [subnet["cidr"].partition("/")[0][:-1] + str(chance.randint(2, 9)) for subnet in some]
            wanted["fixed_ips"] = [{"ip_address": address} for address in addresses] + [{"subnet_id": some[0]["id"]}]
        return wanted

    async def make(client: Client) -> None:
        wishes = [wish() for _ in range(chance.choice((1, 1, 2, 3)))]
        operator = cloud.client("0" * 32, "admin")
        if chance.random() < 0.2:
            owners = ["1" * 32, "2" * 32]
            wishes, client = [wish() | {"project_id": chance.choice(owners)} for _ in range(2)], operator
        elif any("ip_address" in ip for one in wishes for ip in one.get("fixed_ips", ())):
            client = operator
        live.extend((client, port["id"]) for port in await post(client, "ports", *wishes))

    async def drop(client: Client) -> None:
        await drop_one(client, chance, "ports", live)

    await storm(cloud, chance, clients, make, make, drop)


async def test_networks_and_subnets_never_wait_in_a_circle(cloud: Cloud, chance: random.Random) -> None:
    admin, clients = cloud.admin, [cloud.mine, cloud.theirs]
    pools = [
        (await admin.make("subnetpool", name=f"p{n}", prefixes=[f"10.{n}.0.0/16"], shared=True))["id"] for n in range(2)
    ]
    networks: list[tuple[Client, str]] = []
    subnets: list[tuple[Client, str]] = []
    owner_of = {"1" * 32: clients[0], "2" * 32: clients[1]}

    async def make_networks(client: Client) -> None:
        wishes: list[dict[str, Any]] = [{"name": "a"} for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.3:
            client = admin
            vlan = {"provider:network_type": "vlan", "provider:physical_network": "public"}
            for number in chance.sample(range(1, 6), 2):
                given = {} if number == 3 else {"provider:segmentation_id": number}
                wishes.append(vlan | given | {"project_id": chance.choice(list(owner_of))})
            chance.shuffle(wishes)
        networks.extend((client, made["id"]) for made in await post(client, "networks", *wishes))

    async def make_subnets(client: Client) -> None:
        mine = [id for owner, id in networks if owner is client]
        wishes = []
        for network_id in chance.sample(mine, min(len(mine), chance.randint(1, 3))):
            wished: dict[str, Any] = {"network_id": network_id, "ip_version": 4}
            from_pool = {"subnetpool_id": chance.choice(pools), "prefixlen": 28}
            wishes.append(
                wished | (from_pool if chance.random() < 0.5 else {"cidr": f"10.9.{chance.randrange(9)}.0/24"})
            )
        if wishes:
            subnets.extend((client, made["id"]) for made in await post(client, "subnets", *wishes))

    async def change(client: Client) -> None:
        if subnets:
            owner, id = chance.choice(subnets)
            await tried(owner, "PUT", f"subnets/{id}", {"subnet": {"name": str(chance.random())}})

    async def drop(client: Client) -> None:
        await drop_one(client, chance, *chance.choice((("networks", networks), ("subnets", subnets))))

    await storm(cloud, chance, clients, make_networks, make_subnets, make_subnets, change, drop)


async def test_security_groups_and_their_rules_never_wait_in_a_circle(cloud: Cloud, chance: random.Random) -> None:
    clients = [cloud.mine]
    client = cloud.mine
    groups = [(await client.make("security_group", name=f"g{n}"))["id"] for n in range(5)]
    rules: list[tuple[Client, str]] = []

    async def make_groups(client: Client) -> None:
        made = await post(client, "security_groups", *({"name": str(n)} for n in range(chance.randint(1, 2))))
        groups.extend(group["id"] for group in made)

    async def make_rules(client: Client) -> None:
        wishes = []
        for group_id in chance.sample(groups, min(len(groups), chance.randint(1, 3))):
            low = chance.randint(1, 60000)
            wishes.append(
                {
                    "security_group_id": group_id, "direction": "ingress", "protocol": "tcp", "port_range_min": low,
                    "port_range_max": low, "remote_group_id": chance.choice(groups),
                }
            )  # fmt: skip
        if wishes:
            rules.extend((client, made["id"]) for made in await post(client, "security_group_rules", *wishes))

    async def drop_rule(client: Client) -> None:
        await drop_one(client, chance, "security-group-rules", rules)

    async def drop_group(client: Client) -> None:
        if len(groups) > 3:
            await tried(client, "DELETE", f"security-groups/{groups.pop(chance.randrange(len(groups)))}")

    await storm(cloud, chance, clients, make_groups, make_rules, make_rules, drop_rule, drop_group)


async def test_routers_and_floating_ips_never_wait_in_a_circle(cloud: Cloud, chance: random.Random) -> None:
    clients = [cloud.mine, cloud.theirs]
    outside, _ = await cloud.admin.network("203.0.113.0/24", router__external=True)
    ports: dict[int, list[str]] = {}
    routers: dict[int, list[str]] = {}
    subnets: dict[int, list[str]] = {}
    floating: list[tuple[Client, str]] = []
    for client in clients:
        gateway = {"network_id": outside}
        router = await client.make("router", name="a", external_gateway_info=gateway)
        routers[id(client)] = [router["id"]]
        made = [await client.network(f"10.{n}.0.0/24") for n in range(3)]
        subnets[id(client)] = [subnet_id for _, subnet_id in made]
        for subnet_id in subnets[id(client)]:
            await tried(client, "PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet_id})
        ports[id(client)] = [(await client.make("port", network_id=network_id))["id"] for network_id, _ in made]

    async def interface(client: Client) -> None:
        act = chance.choice(("add_router_interface", "remove_router_interface"))
        router_id, subnet_id = chance.choice(routers[id(client)]), chance.choice(subnets[id(client)])
        await tried(client, "PUT", f"routers/{router_id}/{act}", {"subnet_id": subnet_id})

    async def gateway_(client: Client) -> None:
        info = chance.choice(({"network_id": outside}, None))
        router_id = chance.choice(routers[id(client)])
        await tried(client, "PUT", f"routers/{router_id}", {"router": {"external_gateway_info": info}})

    async def make_router(client: Client) -> None:
        wishes = [{"external_gateway_info": {"network_id": outside}} for _ in range(2)]
        routers[id(client)].extend(made["id"] for made in await post(client, "routers", *wishes))

    async def drop_router(client: Client) -> None:
        if len(routers[id(client)]) > 1:
            await tried(client, "DELETE", f"routers/{routers[id(client)].pop()}")

    async def make(client: Client) -> None:
        wishes = [{"floating_network_id": outside} for _ in range(chance.randint(1, 2))]
        if chance.random() < 0.5:
            wishes[0]["port_id"] = chance.choice(ports[id(client)])
        floating.extend((client, made["id"]) for made in await post(client, "floatingips", *wishes))

    async def move(client: Client) -> None:
        if floating:
            owner, id_ = chance.choice(floating)
            target = chance.choice((None, *ports[id(owner)]))
            await tried(owner, "PUT", f"floatingips/{id_}", {"floatingip": {"port_id": target}})

    async def drop(client: Client) -> None:
        await drop_one(client, chance, "floatingips", floating)

    await storm(cloud, chance, clients, interface, gateway_, make_router, drop_router, make, move, drop)
