"""A budget of statements for requests that clients make all the time: on PostgreSQL each one is a round trip.

Who adds a statement to one of these either finds another to save, or raises the budget and says why.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import pytest
from tests.programs import PATIENCE_S

from trivet.store.sqlite import SqliteTx
from trivet.store.tables import Value
from trivet.testing import SimCloud

BUDGETS = {
    "issue a token": 1,
    "validate a token": 0,
    "create a server": 25,
    "show a server": 4,  # one for its volumes, which come from everywhere and change without it
    "list servers in detail": 4,
    "delete a server": 8,  # one for its volumes; 7 once it is built: what is going on is ended as cut short
    "create a network": 7,
    "create a port": 11,
    "list ports": 1,
    "create an image": 7,
    "list images": 1,
    "look for candidates": 2,
}
"""BEGIN and COMMIT are counted, the log's readers and controllers are not."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to the database on behalf of requests."""
    said: list[str] = []
    execute = SqliteTx._execute

    def counted(tx: SqliteTx, sql: str, values: Sequence[Value]) -> Any:
        task = asyncio.current_task()
        # Every request has a task without a name of its own; our own loops have names or come from them.
        if task is not None and "Exchange.run" in repr(task.get_coro()):
            said.append(sql)
        return execute(tx, sql, values)

    monkeypatch.setattr(SqliteTx, "_execute", counted)
    return said


@pytest.fixture
def cloud(statements: list[str]) -> Iterator[SimCloud]:
    with SimCloud() as made:
        yield made


class Client:
    def __init__(self, cloud: SimCloud, http: aiohttp.ClientSession, said: list[str]) -> None:
        self._cloud = cloud
        self._http = http
        self._said = said
        self.headers = {"OpenStack-API-Version": "compute 2.79, placement 1.28"}
        self.cost: dict[str, int] = {}

    async def call(self, method: str, path: str, body: object = None, *, name: str = "") -> Any:
        self._said.clear()
        async with self._http.request(method, self._cloud.url + path, json=body, headers=self.headers) as reply:
            text = await reply.read()
            assert reply.status < 300, text
            if name:
                self.cost[name] = len(self._said)
            if "X-Subject-Token" in reply.headers:
                self.headers["X-Auth-Token"] = self.headers["X-Subject-Token"] = reply.headers["X-Subject-Token"]
            return await reply.json() if text and "json" in reply.headers.get("Content-Type", "") else None

    async def gone(self, path: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.call("GET", path))["servers"]:
                await asyncio.sleep(0.02)


async def _use(client: Client, cloud: SimCloud) -> None:
    user = {"name": "admin", "password": cloud.password, "domain": {"name": "Default"}}
    scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    for _ in range(2):  # the first fills the memory
        await client.call("POST", "/identity/v3/auth/tokens", auth, name="issue a token")
    await client.call("GET", "/identity/v3/auth/tokens", name="validate a token")
    image = {"name": "a", "disk_format": "raw", "container_format": "bare"}
    image_id = (await client.call("POST", "/image/v2/images", image, name="create an image"))["id"]
    await client.call("PUT", f"/image/v2/images/{image_id}/file")
    await client.call("GET", "/image/v2/images", name="list images")
    flavor = {"flavor": {"name": "a", "ram": 64, "vcpus": 1, "disk": 1}}
    flavor_id = (await client.call("POST", "/compute/v2.1/flavors", flavor))["flavor"]["id"]
    server = {"name": "a", "imageRef": image_id, "flavorRef": flavor_id, "networks": "none"}
    made = await client.call("POST", "/compute/v2.1/servers", {"server": server}, name="create a server")
    path = f"/compute/v2.1/servers/{made['server']['id']}"
    await client.call("GET", path, name="show a server")
    await client.call("GET", "/compute/v2.1/servers/detail", name="list servers in detail")
    await client.call("DELETE", path, name="delete a server")
    await client.gone("/compute/v2.1/servers")  # and its host is as it will be for the candidates below
    for _ in range(2):  # the first makes the project's default security group
        network = {"network": {"name": "a"}}
        network_id = (await client.call("POST", "/network/v2.0/networks", network, name="create a network"))["network"]
    subnet = {"network_id": network_id["id"], "ip_version": 4, "cidr": "10.77.0.0/16"}
    await client.call("POST", "/network/v2.0/subnets", {"subnet": subnet})
    await client.call("POST", "/network/v2.0/ports", {"port": {"network_id": network_id["id"]}}, name="create a port")
    await client.call("GET", "/network/v2.0/ports", name="list ports")
    for _ in range(2):  # the first remembers the providers
        await client.call("GET", "/placement/allocation_candidates?resources=VCPU:1", name="look for candidates")


async def test_a_hot_request_keeps_within_its_budget_of_statements(cloud: SimCloud, statements: list[str]) -> None:
    async with aiohttp.ClientSession() as http:
        client = Client(cloud, http, statements)
        await _use(client, cloud)
    assert {name: cost for name, cost in client.cost.items() if cost > BUDGETS[name]} == {}
    assert client.cost.keys() == BUDGETS.keys()
    assert client.cost["create a server"] > 10, "statements are counted at all"
