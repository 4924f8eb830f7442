"""Addresses as a tenant sees them: who gets which, and what happens when there are no more."""

import asyncio
from typing import Any

from tests.api.network.network_cloud import Client, Cloud
from tests.api.one_service import MINE
from tests.store.conftest import HandClock, NewStore, clock, new_store

from trivet.domain.network import addresses
from trivet.domain.network.addresses import FixedIp
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.network.ports.wishes import PortCreate
from trivet.store.store import Store, transact
from trivet.store.tx import Tx
from trivet.store.where import Where

__all__ = ["HandClock", "clock", "new_store"]


def ips(port: dict[str, Any]) -> list[str]:
    return [fixed["ip_address"] for fixed in port["fixed_ips"]]


async def small(client: Client) -> tuple[str, str]:
    """Two addresses: .2 and .3."""
    network = await client.make("network")
    subnet = await client.make(
        "subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4,
        allocation_pools=[{"start": "10.0.0.2", "end": "10.0.0.3"}],
    )  # fmt: skip
    return network["id"], subnet["id"]


async def test_ports_get_the_addresses_of_the_pool_in_order_and_never_the_gateway(here: Cloud) -> None:
    network, _ = await here.mine.network("10.0.0.0/29")
    found = [ips(await here.mine.make("port", network_id=network))[0] for _ in range(5)]
    assert found == ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]


async def test_a_full_pool_is_a_conflict_and_what_comes_back_is_given_again(here: Cloud) -> None:
    network, _ = await small(here.mine)
    first = await here.mine.make("port", network_id=network)
    await here.mine.make("port", network_id=network)
    full = await here.mine.call("POST", "/v2.0/ports", {"port": {"network_id": network}})
    full.refused(409, "IpAddressGenerationFailure")
    await here.mine.drop(f"ports/{first['id']}")
    assert ips(await here.mine.make("port", network_id=network)) == ["10.0.0.2"]


async def test_an_address_that_was_asked_for_by_name_is_stepped_over(here: Cloud) -> None:
    network, subnet = await small(here.mine)
    named = await here.mine.make("port", network_id=network, fixed_ips=[{"ip_address": "10.0.0.2"}])
    assert named["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.2"}]
    assert ips(await here.mine.make("port", network_id=network)) == ["10.0.0.3"]
    again = await here.mine.call(
        "POST", "/v2.0/ports", {"port": {"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.2"}]}}
    )
    again.refused(409, "IpAddressAlreadyAllocated")


async def test_an_address_outside_every_subnet_is_refused(here: Cloud) -> None:
    network, _ = await here.mine.network()
    body = {"port": {"network_id": network, "fixed_ips": [{"ip_address": "192.0.2.1"}]}}
    (await here.mine.call("POST", "/v2.0/ports", body)).refused(400, "InvalidIpForNetwork")


async def test_a_slaac_subnet_gives_the_address_that_the_guest_will_make_from_its_mac(here: Cloud) -> None:
    network = await here.mine.make("network")
    await here.mine.make(
        "subnet", network_id=network["id"], cidr="2001:db8::/64", ip_version=6,
        ipv6_ra_mode="slaac", ipv6_address_mode="slaac",
    )  # fmt: skip
    port = await here.mine.make("port", network_id=network["id"], mac_address="fa:16:3e:00:00:01")
    assert ips(port) == ["2001:db8::f816:3eff:fe00:1"]


async def test_a_port_gets_one_address_of_each_family(here: Cloud) -> None:
    network, _ = await here.mine.network("10.0.0.0/24")
    await here.mine.make("subnet", network_id=network, cidr="10.1.0.0/24", ip_version=4)
    await here.mine.make("subnet", network_id=network, cidr="2001:db8::/64", ip_version=6)
    assert ips(await here.mine.make("port", network_id=network)) == ["10.0.0.2", "2001:db8::2"]


async def test_changing_addresses_gives_the_old_ones_back(here: Cloud) -> None:
    network, subnet = await small(here.mine)
    port = await here.mine.make("port", network_id=network)
    moved = await here.mine.change("port", port["id"], fixed_ips=[{"subnet_id": subnet, "ip_address": "10.0.0.9"}])
    assert ips(moved) == ["10.0.0.9"]
    taken = {ips(await here.mine.make("port", network_id=network))[0] for _ in range(2)}
    assert taken == {"10.0.0.2", "10.0.0.3"}


async def test_a_subnet_with_addresses_in_use_stays(here: Cloud) -> None:
    network, subnet = await here.mine.network()
    port = await here.mine.make("port", network_id=network)
    (await here.mine.call("DELETE", f"/v2.0/subnets/{subnet}")).refused(409, "SubnetInUse")
    (await here.mine.call("DELETE", f"/v2.0/networks/{network}")).refused(409, "NetworkInUse")
    await here.mine.drop(f"ports/{port['id']}")
    await here.mine.drop(f"subnets/{subnet}")


async def test_overlapping_subnets_of_one_network_are_refused_and_of_two_networks_are_not(here: Cloud) -> None:
    network, _ = await here.mine.network("10.0.0.0/24")
    body = {"subnet": {"network_id": network, "cidr": "10.0.0.128/25", "ip_version": 4}}
    (await here.mine.call("POST", "/v2.0/subnets", body)).refused(400, "InvalidInput")
    await here.theirs.network("10.0.0.0/24")


async def test_a_gateway_inside_a_pool_is_a_conflict(here: Cloud) -> None:
    network = await here.mine.make("network")
    body = {
        "subnet": {
            "network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "10.0.0.5",
            "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}],
        }
    }  # fmt: skip
    (await here.mine.call("POST", "/v2.0/subnets", body)).refused(409, "GatewayConflictWithAllocationPools")


async def test_a_pool_cuts_blocks_that_do_not_meet_and_says_when_it_is_used_up(here: Cloud) -> None:
    pool = await here.mine.make(
        "subnetpool", name="p", prefixes=["10.8.0.0/24"], default_prefixlen=26, min_prefixlen=26
    )
    cut = []
    for _ in range(4):
        network = await here.mine.make("network")
        subnet = await here.mine.make("subnet", network_id=network["id"], ip_version=4, subnetpool_id=pool["id"])
        cut.append(subnet["cidr"])
    assert cut == ["10.8.0.0/26", "10.8.0.64/26", "10.8.0.128/26", "10.8.0.192/26"]
    network = await here.mine.make("network")
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]}}
    (await here.mine.call("POST", "/v2.0/subnets", body)).refused(409, "SubnetAllocationError")


async def test_many_at_once_from_two_processes_fill_a_pool_exactly(new_store: NewStore) -> None:
    """None fails for a race, and no address is given twice; one more than fits is refused."""
    one, two = new_store(), new_store()
    async with Cloud(one) as here:
        await two.open()
        client = here.mine
        network = await client.make("network")
        await client.make(
            "subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4,
            allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.49"}],
        )  # fmt: skip
        other = Cloud(two)

        async def take(n: int) -> Any:
            taker = client if n % 2 else other.mine
            return await taker.call("POST", "/v2.0/ports", {"port": {"network_id": network["id"]}})

        answers = await asyncio.gather(*(take(n) for n in range(41)))
        given = [ips(answer.body["port"])[0] for answer in answers if answer.status == 201]
        assert sorted(given) == sorted(f"10.0.0.{n}" for n in range(10, 50))
        (refused,) = [answer for answer in answers if answer.status != 201]
        refused.refused(409, "IpAddressGenerationFailure")
        await two.close()


async def test_taking_and_giving_back_at_once_never_loses_an_address(new_store: NewStore) -> None:
    """Each taker waits for room by trying again; afterwards the pool is as full as it was empty."""
    store = new_store()
    async with Cloud(store) as here:
        network, _ = await small(here.mine)

        async def churn() -> None:
            done = 0
            while done < 5:
                made = await here.mine.call("POST", "/v2.0/ports", {"port": {"network_id": network}})
                if made.status == 201:
                    await here.mine.drop(f"ports/{made.body['port']['id']}")
                    done += 1
                else:
                    made.refused(409, "IpAddressGenerationFailure")
                    await asyncio.sleep(0)

        await asyncio.gather(*(churn() for _ in range(6)))
        assert {ips(await here.mine.make("port", network_id=network))[0] for _ in range(2)} == {"10.0.0.2", "10.0.0.3"}


async def test_a_pool_that_never_ends_does_not_remember_all_that_came_back(new_store: NewStore) -> None:
    """Nor does it give out again at once what just came back."""
    store, given = new_store(), list[str]()
    async with Cloud(store) as here:
        network, subnet = await here.mine.network("2001:db8::/64")
        pools = (addresses.Pool("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff"),)
        async with store.write() as tx:
            for _ in range(2500):
                ip = await addresses.claim_any(tx, subnet, network, "p", pools)
                assert ip is not None
                given.append(ip)
                await addresses.free(tx, "p", [FixedIp(subnet, ip)])
            rows = await tx.rows("SELECT ip FROM freed_addresses WHERE subnet_id = ?", subnet)
        assert len(rows) < 1100
        assert all(ip not in given[max(0, n - 1000) : n] for n, ip in enumerate(given))


async def test_where_all_that_came_back_is_somebodys_by_name_there_are_new_ones(new_store: NewStore) -> None:
    store = new_store()
    async with Cloud(store) as here:
        network, subnet = await here.mine.network("2001:db8::/64")
        pools = (addresses.Pool("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff"),)
        async with store.write() as tx:
            names = [f"2001:db8::1:{n:x}" for n in range(1200)]
            await addresses.free(tx, "p", [FixedIp(subnet, ip) for ip in names])
            for ip in names:
                assert await addresses.claim(tx, subnet, network, "p", ip)
            assert await addresses.claim_any(tx, subnet, network, "q", pools) == "2001:db8::2"


async def test_a_port_of_a_server_goes_with_it_and_one_that_was_brought_stays(here: Cloud) -> None:
    network_id, _ = await here.mine.network()
    brought = await here.mine.make("port", network_id=network_id)

    async def serve(tx: Tx) -> None:
        caller = here.parts.tokens.caller(here.mine._token)
        given = await ports.visible(tx, caller, brought["id"])
        await ports.bind(tx, given, server_id="s1", host_id=None, zone="nova")
        own = await ports.create(tx, caller, PortCreate(network_id=network_id), for_server=True)
        await ports.bind(tx, own, server_id="s1", host_id=None, zone="nova")
        assert [port.device_owner for port in await ports.of_server(tx, "s1", MINE)] == ["compute:nova"] * 2
        assert set(await ports.of_servers(tx, {"s1": MINE, "s2": MINE})) == {"s1"}
        assert [net.id for net in await networks.for_servers(tx, caller)] == [network_id]

    await transact(here.store, serve)
    await transact(here.store, lambda tx: ports.release(tx, "s1", MINE))
    (left,) = (await here.mine.get("ports"))["ports"]
    assert (left["id"], left["device_id"], left["device_owner"]) == (brought["id"], "", "")


async def rows(store: Store) -> list[str]:
    async with store.read() as tx:
        found = await tx.select(PORTS, Where())
        assert {port.network_id for port in found} <= {network.id for network in await tx.select(NETWORKS)}
        return [port.id for port in found]


async def test_a_network_cannot_go_while_a_port_is_made_on_it(new_store: NewStore) -> None:
    """One of the two says no; what is left is whole."""
    one, two = new_store(), new_store()
    async with Cloud(one) as here:
        await two.open()
        other = Cloud(two)
        for _ in range(5):
            network, _ = await here.mine.network()
            made, gone = await asyncio.gather(
                here.mine.call("POST", "/v2.0/ports", {"port": {"network_id": network}}),
                other.mine.call("DELETE", f"/v2.0/networks/{network}"),
            )
            assert {made.status, gone.status} <= {201, 204, 404, 409}
            assert (made.status == 201) != (gone.status == 204)
            await rows(one)
        await two.close()
