"""A host credential opens the work of one host, and of no other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.api.compute.server_cloud import Cloud
from tests.api.one_service import Answer, ask

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.host_link.service import SERVICE as AGENT
from trivet.api.kit.app import App
from trivet.drivers.files import FileBlobs

FACTS: dict[str, Any] = {
    "kinds": ["vm", "container"],
    "vcpus": 4,
    "memory_mib": 65536,
    "disk_gib": 1000,
    "hypervisor_type": "sim",
}
CAPACITY: dict[str, int] = {name: FACTS[name] for name in ("vcpus", "memory_mib", "disk_gib")}


class Agent:
    """As far as the API can tell."""

    def __init__(self, cloud: Cloud, secret: str, holder: str) -> None:
        self.cloud = cloud
        self.secret = secret
        self.holder = holder
        self.session = ""
        self.host_id = ""

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        said = {
            "x-trivet-host-secret": self.secret,
            "x-trivet-session": self.session,
            "x-auth-token": self.cloud.token("admin"),
        }
        return await ask(self.cloud.app, method, f"/v1/agent{path}", body, headers=said)

    async def register(self) -> Answer:
        answer = await self.call("POST", "/register", FACTS | {"holder": self.holder})
        if answer.status == 200:
            self.session, self.host_id = answer.body["session"], answer.body["host_id"]
        return answer

    async def orders(self, servers: list[str] | None = None) -> Any:
        return (await self.call("POST", "/orders", {"servers": servers})).ok("orders")


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]["code"]) == (status, code)


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud() as made:
        made.parts.blobs = FileBlobs(tmp_path / "blobs")
        made.app = App(made.parts, [COMPUTE, AGENT])
        yield made


async def agent_of(cloud: Cloud, host: str, holder: str = "aa") -> Agent:
    made = await Agent(cloud, "", holder).call("POST", "/credentials", {"host": host, "capacity": CAPACITY})
    agent = Agent(cloud, made.ok()["secret"], holder)
    (await agent.register()).ok()
    return agent


async def host_of(cloud: Cloud, id: str) -> str:
    ((name,),) = await cloud.rows("SELECT h.name FROM servers s JOIN hosts h ON h.id = s.host_id WHERE s.id = ?", id)
    return str(name)


async def mine_and_anothers(cloud: Cloud) -> tuple[str, Agent, Agent]:
    """A server, its host's agent, and the agent of another host."""
    id = (await cloud.create()).ok()["server"]["id"]
    name = await host_of(cloud, id)
    other = next(f"host{n}" for n in range(3) if f"host{n}" != name)
    return id, await agent_of(cloud, name), await agent_of(cloud, other, "bb")


async def test_the_secret_is_kept_only_as_a_digest_and_works_until_it_is_revoked(cloud: Cloud) -> None:
    operator = Agent(cloud, "", "aa")
    made = (await operator.call("POST", "/credentials", {"host": "host0"})).ok()
    kept = str(await cloud.rows("SELECT * FROM host_credentials"))
    assert made["secret"] not in kept and made["secret"].partition(".")[2] not in kept
    assert "secret" not in (await operator.call("GET", "/credentials")).ok()["credentials"][0]
    agent = Agent(cloud, made["secret"], "aa")
    (await agent.register()).ok()
    assert (await operator.call("DELETE", f"/credentials/{made['id']}")).status == 204
    for method, path in (("POST", "/register"), ("POST", "/orders"), ("GET", "/changes"), ("POST", "/heartbeat")):
        refused(await agent.call(method, path, {}), 401, "host_credential.unknown")


@pytest.mark.parametrize("wrong", ["", ".", "nobody.nothing", "{id}.", "{id}.wrong", "{id}", "{secret}x"])
async def test_a_secret_that_is_a_little_wrong_is_wrong(cloud: Cloud, wrong: str) -> None:
    made = (await Agent(cloud, "", "aa").call("POST", "/credentials", {"host": "host0"})).ok()
    agent = Agent(cloud, wrong.format(**made), "aa")
    refused(await agent.call("POST", "/register", FACTS | {"holder": "aa"}), 401, "host_credential.unknown")


async def test_a_credential_is_made_by_the_operator_alone(cloud: Cloud) -> None:
    assert AGENT.routes()
    open_routes = {(route.method, route.path) for route in AGENT.routes() if route.may != "host"}
    assert open_routes == {
        ("POST", "/credentials"),
        ("GET", "/credentials"),
        ("DELETE", "/credentials/{credential_id}"),
        ("GET", "/capacities"),
        ("PUT", "/capacities/{host}"),
    }
    assert {route.may for route in AGENT.routes()} == {"host", "admin"}


async def test_every_route_of_agents_refuses_who_shows_no_credential(cloud: Cloud) -> None:
    nobody = Agent(cloud, "", "aa")
    for route in AGENT.routes():
        if route.may == "host":
            path = route.path.format_map(dict.fromkeys(("server_id", "image_id", "read_id", "name"), "x"))
            query = "?format=raw&key=x&network_id=x&ip=x"
            refused(await nobody.call(route.method, path + query, {}), 401, "host_credential.unknown")


async def test_an_agent_reads_only_the_orders_of_its_own_host(cloud: Cloud) -> None:
    id, own, other = await mine_and_anothers(cloud)
    assert [order["server_id"] for order in await own.orders()] == [id]
    assert await other.orders() == []
    assert await other.orders([id]) == []


async def test_an_agent_touches_nothing_of_another_host(cloud: Cloud) -> None:
    id, own, other = await mine_and_anothers(cloud)
    order = (await own.orders())[0]
    report = {"server_id": id, "host_id": own.host_id, "revision": order["revision"], "error": "broken by a stranger"}
    refused(await other.call("POST", "/reports", [report]), 403, "agent.elsewhere")
    # Saying that it is one's own does not make it so.
    assert (await other.call("POST", "/reports", [report | {"host_id": other.host_id}])).ok() == {}
    assert (await cloud.show(id))["status"] == "BUILD"
    refused(await other.call("GET", f"/servers/{id}/files"), 403, "agent.elsewhere")
    image = order["image"]
    refused(await other.call("GET", f"/images/{image['id']}/file?key={image['blob_key']}"), 403, "agent.elsewhere")
    refused(await other.call("PUT", f"/images/{image['id']}/file?format=raw", b"x"), 403, "agent.elsewhere")
    refused(await own.call("PUT", f"/images/{image['id']}/file?format=raw", b"x"), 403, "agent.elsewhere")
    wire = order["wires"][0]
    query = f"?network_id={wire['network_id']}&ip={wire['addresses'][0].partition('/')[0]}"
    assert (await other.call("GET", f"/metadata{query}")).ok() == {}
    assert "openstack/latest/meta_data.json" in (await own.call("GET", f"/metadata{query}")).ok()
    said = {"network_id": wire["network_id"], "ip": wire["addresses"][0].partition("/")[0], "password": "sealed"}
    assert (await other.call("POST", "/metadata/password", said)).ok() == {"kept": False}
    assert (await own.call("POST", "/metadata/password", said)).ok() == {"kept": True}


async def test_the_session_of_another_host_is_no_session_here(cloud: Cloud) -> None:
    _, own, other = await mine_and_anothers(cloud)
    own.session = other.session
    refused(await own.call("POST", "/orders", {}), 409, "lease.lost")
    refused(await own.call("POST", "/heartbeat"), 409, "lease.lost")


async def test_two_agents_of_one_host_do_not_fight(cloud: Cloud) -> None:
    first = await agent_of(cloud, "host0")
    second = Agent(cloud, first.secret, "bb")
    refused(await second.register(), 409, "agent.held")
    assert (await first.call("POST", "/leave")).status == 204
    (await second.register()).ok()
    refused(await first.call("POST", "/reports", []), 409, "lease.lost")
    assert (await second.call("POST", "/heartbeat")).status == 204


async def test_what_an_agent_sent_before_it_died_does_not_count_after_its_restart(cloud: Cloud) -> None:
    agent = await agent_of(cloud, "host0")
    before = agent.session
    (await agent.register()).ok()
    agent.session, now = before, agent.session
    refused(await agent.call("POST", "/reports", []), 409, "lease.lost")
    agent.session = now
    assert (await agent.call("POST", "/reports", [])).ok() == {}


async def test_a_session_goes_to_another_agent_when_its_own_is_silent_and_not_before(cloud: Cloud) -> None:
    """The other one asks and asks; what nobody takes stays with whom it was."""
    first = await agent_of(cloud, "host0")
    second = Agent(cloud, first.secret, "bb")
    for _ in range(4):
        refused(await second.register(), 409, "agent.held")
        cloud.clock.passed_s += 15
        cloud.clock.added_s -= 3600
        assert (await first.call("POST", "/heartbeat")).status == 204
    for _ in range(2):
        refused(await second.register(), 409, "agent.held")
        cloud.clock.passed_s += 15
    (await second.register()).ok()
    refused(await first.call("POST", "/heartbeat"), 409, "lease.lost")


async def test_changes_name_what_concerns_the_host_and_nothing_else(cloud: Cloud) -> None:
    agents = {f"host{n}": await agent_of(cloud, f"host{n}", f"a{n}") for n in range(3)}
    start = {name: (await agent.call("GET", "/changes")).ok()["position"] for name, agent in agents.items()}
    ids = [(await cloud.create(name=f"s{n}")).ok()["server"]["id"] for n in range(3)]
    placed = [await host_of(cloud, id) for id in ids]
    for name in set(placed):
        heard = (await agents[name].call("GET", f"/changes?after={start[name]}")).ok()
        assert set(heard["servers"]) == {id for id, where in zip(ids, placed, strict=True) if where == name}
        assert heard["position"] > start[name]
        assert not heard["resync"]


async def test_who_was_away_for_too_long_or_comes_from_the_future_looks_at_everything(cloud: Cloud) -> None:
    agent = await agent_of(cloud, "host0")
    head = (await agent.call("GET", "/changes")).ok()["position"]
    ahead = (await agent.call("GET", f"/changes?after={head + 1000}")).ok()
    assert ahead["resync"] and ahead["position"] == head
    await cloud.create()
    async with cloud.store.write() as tx:
        from trivet.store import log  # noqa: PLC0415 - only here the log is trimmed

        await log.drop_before(tx, cloud.clock.now() + 1)
    assert (await agent.call("GET", "/changes?after=0")).ok()["resync"]
    refused(await agent.call("GET", "/changes?after=-1"), 400, "query.invalid")
