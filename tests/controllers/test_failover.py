"""A host dies: who notices, in which order what is done, who is told, and what is not done."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud
from tests.api.conftest import database
from tests.api.one_service import MINE, THEIRS

from trivet.controllers.health.health import HealthController
from trivet.domain.alarms.alarms import ALARMS, Alarm
from trivet.domain.health import bmcs, failures
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.recovery import members, segments, vmoves
from trivet.domain.servers import state as reports
from trivet.domain.servers.servers import SERVERS
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.power import BmcAt, Power
from trivet.drivers.contracts.probe import Finding, Target
from trivet.store import leases
from trivet.store.leases import Sightings
from trivet.store.where import Where

__all__ = ["database"]


class Eyes:
    """What is seen of hosts by one probe: those that are not named are up."""

    every_s = 0.1
    downs = 3
    source = "icmp"

    def __init__(self, name: str) -> None:
        self.name = name
        self.down: set[str] = set()

    async def look(self, targets: Sequence[Target]) -> Mapping[str, Finding]:
        return {
            target.host_id: Finding("down" if target.name in self.down else "up")
            for target in targets
            if target.name != "host0"
        }


class Plug:
    """The power of hosts, by their BMCs' urls."""

    def __init__(self) -> None:
        self.off: set[str] = set()
        self.cuts: list[str] = []
        self.deaf = False

    async def look(self, at: BmcAt) -> Power:
        return "off" if at.url in self.off else "on"

    async def cut(self, at: BmcAt) -> None:
        if self.deaf:
            raise DriverError("The BMC does not answer.", again=True)
        self.cuts.append(at.url)
        self.off.add(at.url)


class Scene:
    """Three hosts, of which the first has the cloud; a probe on each network, and BMCs of the others."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.management, self.tenant, self.plug = Eyes("management"), Eyes("tenant"), Plug()
        self.health: HealthController

    async def begin(self) -> None:
        async with self.cloud.store.write() as tx:
            lease = await leases.take(tx, "health", "me", 60.0, Sightings(self.cloud.clock, 60.0))
            assert lease is not None
            for host in await tx.select(HOSTS):
                await bmcs.keep(tx, self.cloud.parts.secrets, host, BmcAt(f"http://{host.name}", "a", "b"))
        self.health = HealthController(
            self.cloud.parts, (self.management, self.tenant), self.plug, lease, "http://here"
        )
        await self.health.read_hosts()
        await self.look()

    async def look(self, times: int = 3) -> None:
        for _ in range(times):
            for probe in (self.management, self.tenant):
                await self.health.look(probe)
        await self.health.read_hosts()
        await self.health.step()

    async def go_on(self) -> None:
        await self.health._failover.step()
        await self.health._failover.settle()
        await self.settle()
        await self.health._failover.step()

    async def settle(self) -> None:
        """What is wanted is so, on hosts that live."""
        async with self.cloud.store.write() as tx:
            for server in await tx.select(SERVERS, Where().add("deleted_at IS NULL AND host_id IS NOT NULL")):
                host = await tx.need(HOSTS, server.host_id or "", "host")
                if not host.dead:
                    await reports.settle(tx, self.cloud._report(server))

    def silence(self, *names: str) -> None:
        self.management.down |= set(names)
        self.tenant.down |= set(names)

    async def host(self, name: str) -> Host:
        async with self.cloud.store.read() as tx:
            return await hosts.by_name(tx, name)

    async def failure(self, name: str) -> failures.HostFailure | None:
        async with self.cloud.store.read() as tx:
            found = await failures.of_host(tx, (await hosts.by_name(tx, name)).id, 1)
            return found[0] if found else None

    async def alarms(self, **said: Any) -> list[Alarm]:
        async with self.cloud.store.read() as tx:
            found = await tx.select(ALARMS, order="raised_at, id")
            return [alarm for alarm in found if all(getattr(alarm, key) == value for key, value in said.items())]

    async def verbs(self) -> list[str]:
        sql = "SELECT verb FROM events WHERE noun = 'host_failures' AND verb NOT IN ('created', 'updated') ORDER BY seq"
        return [str(row[0]) for row in await self.cloud.rows(sql)]


@pytest.fixture
async def scene(database: str) -> AsyncIterator[Scene]:
    async with Cloud(database) as cloud:
        scene = Scene(cloud)
        await scene.begin()
        yield scene


async def on(scene: Scene, host: str, **said: Any) -> str:
    admin = scene.cloud.token("admin")
    answer = await scene.cloud.create(availability_zone=f"nova:{host}", token=admin, **said)
    id = str(answer.ok()["server"]["id"])
    await scene.cloud.settle()
    return id


async def where(scene: Scene, id: str) -> tuple[str, str]:
    shown = await scene.cloud.show(id, token=scene.cloud.token("admin"))
    return shown["OS-EXT-SRV-ATTR:host"], shown["status"]


async def test_a_dead_host_is_fenced_and_then_its_servers_run_elsewhere(scene: Scene) -> None:
    id = await on(scene, "host1", metadata={"HA_Enabled": "True"})
    scene.silence("host1")
    await scene.look()
    assert (await scene.host("host1")).dead
    (told,) = await scene.alarms(object_type="host")
    (of_mine,) = await scene.alarms(object_type="server")
    assert (told.severity, of_mine.project_id, of_mine.root_id) == ("CRITICAL", MINE, told.id)
    assert scene.plug.cuts == []
    await scene.go_on()
    assert scene.plug.cuts == ["http://host1"]
    assert (await where(scene, id))[0] in ("host0", "host2")
    assert (await where(scene, id))[1] == "ACTIVE"
    assert await scene.verbs() == ["suspected", "confirmed", "fenced", "recovered"]
    (of_mine,) = await scene.alarms(object_type="server")
    assert of_mine.cleared_at is not None


async def test_a_silent_agent_is_no_dead_host(scene: Scene) -> None:
    id = await on(scene, "host1", metadata={"HA_Enabled": "True"})
    async with scene.cloud.store.write() as tx:
        await tx.run("UPDATE hosts SET silent = 1 WHERE name = 'host1'")
    await scene.look()
    await scene.go_on()
    assert scene.plug.cuts == []
    assert await where(scene, id) == ("host1", "ACTIVE")
    (told,) = await scene.alarms()
    assert told.probable_cause == "Agent failure"
    answer = await scene.cloud.act(id, "evacuate", {}, token=scene.cloud.token("admin"))
    assert "answers" in answer.refused(400)


async def test_a_host_that_is_cut_off_for_management_only_is_left_alone(scene: Scene) -> None:
    scene.management.down = {"host1"}
    await scene.look()
    await scene.go_on()
    assert (scene.plug.cuts, [told.probable_cause for told in await scene.alarms()]) == (
        [],
        ["Management network failure"],
    )


async def test_nobody_is_fenced_when_the_majority_looks_dead(scene: Scene) -> None:
    scene.silence("host1", "host2")
    await scene.look()
    await scene.go_on()
    assert scene.plug.cuts == []
    held = await scene.alarms(probable_cause="Fail-over is held up")
    assert len(held) == 2
    assert "cut off" in held[0].detail
    scene.management.down = scene.tenant.down = set()
    await scene.look()
    assert [told.cleared_at is not None for told in await scene.alarms()] == [True] * 4
    assert scene.plug.cuts == []


async def test_what_cannot_be_fenced_is_not_started_elsewhere(scene: Scene) -> None:
    id = await on(scene, "host1", metadata={"HA_Enabled": "True"})
    scene.plug.deaf = True
    scene.silence("host1")
    await scene.look()
    await scene.go_on()
    assert await where(scene, id) == ("host1", "ACTIVE")
    (held,) = await scene.alarms(probable_cause="Fail-over is held up")
    assert "does not answer" in held.detail


async def test_a_server_whose_disk_is_lost_stays_in_error_unless_its_owner_lets_it_be_made_anew(scene: Scene) -> None:
    kept = await on(scene, "host1")
    off = await on(scene, "host1", metadata={"HA_Enabled": "false"})
    scene.silence("host1")
    await scene.look()
    await scene.go_on()
    assert await where(scene, kept) == ("host1", "ERROR")
    assert await where(scene, off) == ("host1", "ACTIVE")
    shown = await scene.cloud.show(kept)
    assert "trivet:recovery=rebuild" in shown["fault"]["message"]


async def test_a_host_that_comes_back_ends_its_failure_and_its_alarms(scene: Scene) -> None:
    kept = await on(scene, "host1")
    scene.silence("host1")
    await scene.look()
    await scene.go_on()
    scene.management.down = scene.tenant.down = set()
    async with scene.cloud.store.write() as tx:
        await hosts.heard(tx, (await hosts.by_name(tx, "host1")).id, scene.cloud.clock.now())
    await scene.look()
    await scene.go_on()
    assert await where(scene, kept) == ("host1", "ACTIVE")
    assert await scene.alarms(cleared_at=None) == []
    found = await scene.failure("host1")
    assert found is not None
    assert found.ended_at is not None


async def test_a_spare_host_takes_in_what_the_dead_one_had(scene: Scene) -> None:
    id = await on(scene, "host1", metadata={"HA_Enabled": "True"})
    async with scene.cloud.store.write() as tx:
        segment = await segments.create(
            tx, name="s", description=None, service_type="COMPUTE", recovery_method="reserved_host", enabled=True
        )
        for name, reserved in (("host1", False), ("host2", True)):
            await members.create(
                tx, segment, name=name, type="COMPUTE", control_attributes="x", reserved=reserved, on_maintenance=False
            )
        await hosts.switch(tx, await hosts.by_name(tx, "host2"), enabled=False, reason="spare")
    scene.silence("host1")
    await scene.look()
    await scene.go_on()
    assert await where(scene, id) == ("host2", "ACTIVE")
    async with scene.cloud.store.read() as tx:
        (move,) = await tx.select(vmoves.HA_VMOVES)
        spare = await members.of_name(tx, "host2")
    assert (move.source_host, move.dest_host, move.status) == ("host1", "host2", "succeeded")
    assert spare is not None
    assert not spare.reserved


async def test_only_the_owner_and_the_operator_are_told(scene: Scene) -> None:
    scene.silence("host1")
    await on(scene, "host1")
    await scene.look()
    assert {alarm.project_id for alarm in await scene.alarms(object_type="server")} == {MINE}
    assert await scene.alarms(project_id=THEIRS) == []
