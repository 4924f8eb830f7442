"""A story as it happens in a cloud: its world in rows, its facts by the ways on which they come, and our controller."""

from collections.abc import Callable, Iterable
from typing import Self

from tests.api.one_service import caller_of, store_on
from tests.causes.stories import Fact, Story
from tests.causes.worlds import World
from trivet.clock import SystemClock
from trivet.controllers.causes import CauseController
from trivet.domain.causes import components, fault_reports, links, neighbourhood, root_causes, starting
from trivet.domain.causes.inference import Case
from trivet.domain.causes.links import Wanted as WantedLink
from trivet.domain.causes.words import Symptom
from trivet.domain.health import probes
from trivet.domain.health.probes import Said
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.servers.servers import SERVERS, FlavorOf, Server
from trivet.domain.volumes.attachments import ATTACHMENTS, Attachment
from trivet.domain.volumes.backends import BACKENDS, Backend
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import OverQuota
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store import leases
from trivet.store.follower import Follower
from trivet.store.leases import Sightings
from trivet.store.store import Store
from trivet.store.tx import Tx

_FLAVOR = FlavorOf(id="f", name="f", vcpus=1, ram_mib=1, disk_gib=1)


class Told(SystemClock):
    """The time of the story."""

    at = 0.0

    def now(self) -> float:
        return 1_000_000.0 + self.at


class StoryCloud:
    def __init__(self, world: World, database: str = "") -> None:
        self.clock = Told()
        self.store: Store = store_on(database, self.clock)
        self._world = world
        self._hosts: dict[str, str] = {}
        self._projects = {machine.id: machine.project for machine in world.machines}

    async def __aenter__(self) -> Self:
        await self.store.open()
        await self.store.migrate()
        async with self.store.write() as tx:
            await self._build(tx)
            lease = await leases.take(tx, "causes", "me", 1e9, Sightings(self.clock, 1e9))
        assert lease is not None
        parts = Parts(Settings(), self.clock, self.store.ids, self.store, None, None, None)  # type: ignore[arg-type] # not used
        self.causes = CauseController(parts, lease)
        self.follower = Follower(self.store)
        await self.follower.start()
        self.follower.listen("causes", self.causes.on_events, self.causes.on_resync)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.store.close()

    # -- the world in rows

    async def _build(self, tx: Tx) -> None:
        for name in self._world.hosts:
            self._hosts[name] = tx.ids.uuid()
            host = Host(
                id=self._hosts[name], name=name, kinds=("vm",), vcpus=64, memory_mib=1 << 20, disk_gib=1 << 12,
                hypervisor_type="sim", created_at=0.0, updated_at=0.0,
            )  # fmt: skip
            await tx.insert(HOSTS, host)
        for name, on in self._world.backends.items():
            backend = Backend(
                id=name, host_id=self._hosts[on] if on is not None else None, driver="sim", total_gib=1, free_gib=1,
                seen_at=0.0, created_at=0.0, updated_at=0.0,
            )  # fmt: skip
            await tx.insert(BACKENDS, backend)
        for component in sorted({above for above, _, _ in self._world.links}):
            stands = [WantedLink(stands_on=on, redundant=redundant) for on, redundant in self._world.on(component)]
            await links.declare(tx, component, tuple(stands))
        for network in sorted({network for machine in self._world.machines for network in machine.networks}):
            await tx.insert(NETWORKS, Network(id=network, project_id=network, created_at=0.0, updated_at=0.0))
        for number in range(len(self._world.machines)):
            await self._machine(tx, number)

    async def _machine(self, tx: Tx, number: int) -> None:
        machine = self._world.machines[number]
        server = Server(
            id=machine.id, project_id=machine.project, user_id="u", name=machine.id, kind="vm", flavor=_FLAVOR,
            hostname="h", host_id=self._hosts[machine.host], created_at=0.0, updated_at=0.0, status="active",
        )  # fmt: skip
        await tx.insert(SERVERS, server)
        for place, network in enumerate(machine.networks):
            port = Port(
                id=f"{machine.id}-{place}", project_id=machine.project, network_id=network, mac_address=f"{number}",
                device_id=machine.id, host_id=server.host_id, created_at=0.0, updated_at=0.0,
            )  # fmt: skip
            await tx.insert(PORTS, port)
        for backend in machine.backends:
            id = f"{machine.id}-{backend}"
            volume = Volume(
                id=id, project_id=machine.project, user_id="u", size_gib=1, zone="nova", backend_id=backend,
                created_at=0.0, updated_at=0.0, status="in-use",
            )  # fmt: skip
            await tx.insert(VOLUMES, volume)
            attachment = Attachment(
                id=id, project_id=machine.project, volume_id=id, server_id=machine.id, created_at=0.0, updated_at=0.0,
            )  # fmt: skip
            await tx.insert(ATTACHMENTS, attachment)

    # -- what happens

    async def happen(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.clock.at = fact.at
            async with self.store.write() as tx:
                await self._say(tx, fact)

    async def _say(self, tx: Tx, fact: Fact) -> None:
        if fact.what == "probe":
            host, name = fact.where.split()
            said = Said(name=name, source="story", value=fact.says)  # type: ignore[arg-type] # as stories spell it
            await probes.say(tx, self._hosts[host], said)
        elif fact.what == "monitor":
            await components.say(tx, fact.where, fact.says, "")  # type: ignore[arg-type] # the same
        else:
            caller = caller_of(self._projects[fact.where], user_id=fact.user)
            symptom: Symptom = fact.says  # type: ignore[assignment] # the same
            wanted = fault_reports.Wanted(object_type="server", object_id=fact.where, symptom=symptom)
            try:
                await fault_reports.report(tx, caller, wanted)
            except OverQuota:
                return

    async def conclude(self) -> set[str]:
        """Components that are open causes, once the controller has nothing left to do."""
        while await self.follower.step():
            pass
        while await self.causes.step():
            pass
        async with self.store.read() as tx:
            return {cause.component for cause in await root_causes.open_all(tx, 10_000)}

    async def case(self) -> Case:
        """All that is known at this moment, as inference is given it."""
        async with self.store.read() as tx:
            return (await neighbourhood.around(tx, await starting.all_open(tx))).case


async def play(story: Story, step_s: float, heard: Callable[[float, set[str]], None]) -> StoryCloud:
    """The whole story, looked at in steps; the cloud is handed back as it is when the last fact was heard."""
    cloud = await StoryCloud(story.world).__aenter__()
    facts, at = list(story.facts), 0.0
    while facts:
        at = max(at + step_s, facts[0].at)
        now = [fact for fact in facts if fact.at <= at]
        facts = facts[len(now) :]
        await cloud.happen(now)
        heard(at, await cloud.conclude())
    return cloud
