"""Disks between hosts: each host hands over and takes what is its own to hand over and to take, and nothing else."""

import hashlib
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud
from tests.api.host_link.test_agent_access import Agent, agent_of, cloud, host_of, refused

from trivet.domain.servers import moved_disks

__all__ = ["cloud"]

DISK = b"QFI\xfb" + b"what the guest wrote" * 100


class Move:
    """A server between two hosts, and a third one that has nothing to do with it."""

    def __init__(self, cloud: Cloud, id: str, source: Agent, target: Agent, stranger: Agent) -> None:
        self.cloud = cloud
        self.id = id
        self.source, self.target, self.stranger = source, target, stranger

    @property
    def path(self) -> str:
        return f"/servers/{self.id}/disks/root"

    async def order_of(self, agent: Agent) -> Any:
        return next((order for order in await agent.orders() if order["server_id"] == self.id), None)

    async def say(self, agent: Agent, power: str | None, **more: Any) -> None:
        order = await self.order_of(agent)
        said = {"server_id": self.id, "host_id": agent.host_id, "revision": order["revision"], "power": power}
        said |= {"boots": order["boots"], "builds": order["builds"], "shape": "1/512/1"} | more
        (await agent.call("POST", "/reports", [said])).ok()

    async def hand_over(self, agent: Agent, content: bytes = DISK, format: str = "qcow2") -> Any:
        return await agent.call("PUT", f"{self.path}?format={format}", content)


async def begun(cloud: Cloud) -> Move:
    id = await cloud.made()
    source = await host_of(cloud, id)
    target, stranger = [f"host{n}" for n in range(3) if f"host{n}" != source]
    agents = [await agent_of(cloud, host, holder) for host, holder in ((source, "a"), (target, "b"), (stranger, "c"))]
    (await cloud.act(id, "migrate", {"host": target}, token=cloud.token("admin"))).ok()
    return Move(cloud, id, *agents)


async def test_a_disk_goes_from_the_one_host_to_the_other(cloud: Cloud) -> None:
    move = await begun(cloud)
    order = await move.order_of(move.source)
    assert (order["want"], order["leaves"], order["gives"]) == ("stopped", True, ["root"])
    assert await move.order_of(move.target) is None, "there is nothing to do yet"
    assert (await move.hand_over(move.source)).status == 204
    assert (await move.order_of(move.source))["gives"] == []
    await move.say(move.source, "stopped")
    kept, coming = await move.order_of(move.source), await move.order_of(move.target)
    assert (kept["keeps"], kept["want"], kept["wires"]) == (True, "stopped", [])
    (disk,) = coming["brings"]
    assert (disk["name"], disk["sha512"]) == ("root", hashlib.sha512(DISK).hexdigest())
    assert coming["want"] == "running"
    taken = await move.target.call("GET", f"{move.path}?key={disk['blob_key']}")
    assert (taken.status, taken.raw) == (200, DISK)
    assert taken.headers["x-trivet-sha512"] == disk["sha512"]


async def test_until_the_source_has_stopped_it_nobody_else_has_it(cloud: Cloud) -> None:
    move = await begun(cloud)
    assert (await move.hand_over(move.source)).status == 204
    await move.say(move.source, "running")
    assert await move.order_of(move.target) is None


async def test_without_its_disk_nobody_else_has_it(cloud: Cloud) -> None:
    move = await begun(cloud)
    await move.say(move.source, "stopped")
    assert await move.order_of(move.target) is None


async def test_other_hosts_hand_over_and_take_nothing(cloud: Cloud) -> None:
    move = await begun(cloud)
    for other in (move.target, move.stranger):
        refused(await move.hand_over(other), 403, "agent.elsewhere")
    assert (await move.hand_over(move.source)).status == 204
    await move.say(move.source, "stopped")
    key = (await move.order_of(move.target))["brings"][0]["blob_key"]
    for other in (move.source, move.stranger):
        refused(await other.call("GET", f"{move.path}?key={key}"), 403, "agent.elsewhere")
    refused(await move.target.call("GET", f"{move.path}?key=move.1.other"), 404, "move.absent")
    refused(await move.hand_over(move.target), 409, "move.over")


@pytest.mark.parametrize(
    ("name", "format", "code"),
    [("ephemeral0", "qcow2", "move.over"), ("..", "qcow2", "move.over"), ("root", "raw", "move.format")],
)
async def test_only_what_it_has_is_taken(cloud: Cloud, name: str, format: str, code: str) -> None:
    move = await begun(cloud)
    answer = await move.source.call("PUT", f"/servers/{move.id}/disks/{name}?format={format}", DISK)
    assert answer.body["error"]["code"] == code
    assert await cloud.parts.blobs.keys(moved_disks.KIND) == set()


async def test_a_disk_that_is_larger_than_its_flavor_fills_no_store(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = await begun(cloud)
    monkeypatch.setattr(moved_disks, "_GIB", 8)
    refused(await move.hand_over(move.source), 400, "move.too_large")
    assert await cloud.parts.blobs.keys(moved_disks.KIND) == set()


async def test_a_host_that_keeps_a_disk_says_nothing_about_the_server(cloud: Cloud) -> None:
    """It may lie, or be late: what it says decides nothing but that it has let go."""
    move = await begun(cloud)
    assert (await move.hand_over(move.source)).status == 204
    await move.say(move.source, "stopped")
    for power in ("running", "stopped", None):
        await move.say(move.source, power, error="broken" if power else None)
    assert (await cloud.show(move.id))["status"] == "RESIZE"
    assert (await move.order_of(move.target))["want"] == "running"
    refused(await move.source.call("GET", f"/servers/{move.id}/files"), 403, "agent.elsewhere")
