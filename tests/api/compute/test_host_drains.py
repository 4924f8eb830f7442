"""A host is drained: all that can leaves it by itself, what cannot is told with the reason."""

from typing import Any

import pytest
from tests.api.compute.moving_cloud import MovingCloud, moving
from tests.api.one_service import ask

from trivet.api.health.service import SERVICE as HEALTH
from trivet.api.kit.app import App
from trivet.controllers.servers.drains import Drains
from trivet.store import leases

__all__ = ["moving"]


class Operator:
    """Who drains, and the controller that does it."""

    def __init__(self, cloud: MovingCloud) -> None:
        self._cloud = cloud
        self._app = App(cloud.parts, [HEALTH])
        self._drains = Drains(cloud.store)

    async def call(self, method: str, host: str, role: str = "admin") -> Any:
        headers = {"x-auth-token": self._cloud.token(role)}
        return await ask(self._app, method, f"/v1/hosts/{host}/drain", headers=headers)

    async def drained(self, host: str, rounds: int = 20) -> dict[str, Any]:
        """How far it comes."""
        async with self._cloud.store.write() as tx:
            lease = await leases.take(tx, "servers", "test", 3600.0, self._cloud.parts.sightings)
        assert lease is not None
        for _ in range(rounds):
            await self._drains.step(lease)
            await self._cloud.settle()
        found: dict[str, Any] = (await self.call("GET", host)).ok()["drain"]
        return found


@pytest.fixture
def operator(moving: MovingCloud) -> Operator:
    return Operator(moving)


async def on(moving: MovingCloud, host: str, **words: Any) -> str:
    return await moving.made(availability_zone=f"nova:{host}", token=moving.token("admin"), **words)


async def test_a_host_is_emptied_and_closed(moving: MovingCloud, operator: Operator) -> None:
    ids = [await on(moving, "host0", imageRef=moving.container_image if n % 2 else moving.vm_image) for n in range(6)]
    for id in ids:
        moving.machines["host0"].write(id, id.encode())
    (await moving.act(ids[0], "os-stop")).ok()
    await moving.settle()
    assert (await operator.call("PUT", "host0")).status == 202
    first = await operator.drained("host0", rounds=0)
    assert (first["state"], first["servers_left"]) == ("draining", 6)
    last = await operator.drained("host0")
    assert (last["state"], last["servers_left"], last["staying"]) == ("drained", 0, [])
    assert await moving.machines["host0"].observe() == {}
    for id in ids:
        host = await moving.host_of(id)
        assert await moving.where(id) == {host: "stopped" if id == ids[0] else "running"}
        assert moving.machines[host].read(id) == id.encode()
        assert (await moving.show(id))["status"] == ("SHUTOFF" if id == ids[0] else "ACTIVE")
    assert {one["status"] for one in await moving.migrations()} == {"confirmed"}
    fresh = await moving.made()
    assert await moving.host_of(fresh) != "host0"


async def test_only_a_few_leave_at_once(moving: MovingCloud, operator: Operator) -> None:
    for _ in range(6):
        await on(moving, "host0")
    (await operator.call("PUT", "host0")).ok()
    async with moving.store.write() as tx:
        lease = await leases.take(tx, "servers", "test", 3600.0, moving.parts.sightings)
    assert lease is not None
    for _ in range(3):
        await operator._drains.step(lease)
    assert len(await moving.migrations()) == 4


async def test_what_cannot_leave_is_told_with_the_reason(moving: MovingCloud, operator: Operator) -> None:
    paused, waiting = await on(moving, "host0"), await on(moving, "host0")
    (await moving.act(paused, "pause")).ok()
    await moving.flavor("more", vcpus=2)
    (await moving.act(waiting, "resize", {"flavorRef": "more"})).ok()
    await moving.settle()
    (await operator.call("PUT", "host0")).ok()
    found = await operator.drained("host0")
    assert (found["state"], found["servers_left"]) == ("draining", 2)
    why = {one["id"]: one["why"] for one in found["staying"]}
    assert "paused" in why[paused]
    assert "confirmed" in why[waiting]
    (await moving.act(paused, "unpause")).ok()
    (await moving.act(waiting, "confirmResize")).ok()
    await moving.settle()
    assert (await operator.drained("host0"))["state"] == "drained"


async def test_a_guest_is_not_stopped_again_and_again_for_nothing(moving: MovingCloud, operator: Operator) -> None:
    id = await on(moving, "host0")
    moving.machines["host0"].temper.failing = {"export_disk"}
    (await operator.call("PUT", "host0")).ok()
    found = await operator.drained("host0")
    assert len(await moving.migrations()) == 1
    assert "Its move failed" in found["staying"][0]["why"]
    assert await moving.where(id) == {"host0": "running"}
    moving.machines["host0"].temper.failing = set()
    (await operator.call("PUT", "host0")).ok()
    assert (await operator.drained("host0"))["state"] == "drained"


async def test_without_room_elsewhere_nothing_is_stopped(moving: MovingCloud, operator: Operator) -> None:
    id = await on(moving, "host0")
    for host in ("host1", "host2"):
        (await operator.call("PUT", host)).ok()
    (await operator.call("PUT", "host0")).ok()
    found = await operator.drained("host0")
    assert "No valid host was found" in found["staying"][0]["why"]
    assert await moving.where(id) == {"host0": "running"}
    assert await moving.migrations() == []


async def test_a_drain_is_ended_and_only_operators_drain(moving: MovingCloud, operator: Operator) -> None:
    await on(moving, "host0")
    assert (await operator.call("PUT", "host0", "member")).status == 403
    assert (await operator.call("GET", "host0")).status == 404
    assert (await operator.call("PUT", "nowhere")).status == 404
    (await operator.call("PUT", "host0")).ok()
    assert (await operator.call("DELETE", "host0")).status == 204
    assert (await operator.call("DELETE", "host0")).status == 404
    await moving.settle()
    assert await moving.migrations() == []
