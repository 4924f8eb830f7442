"""The world of one seed: hosts whose machines outlive every process, processes that come and go, clients that act."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.simulation import wiring
from tests.simulation.hanging import HangingMachines
from tests.simulation.mortals import Life, MortalStore, Reached
from tests.simulation.virtual_time import VirtualClock, VirtualLoop
from trivet.agent.engines import Engines
from trivet.controllers.duties import Duties
from trivet.domain.callers import Caller, expanded
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import Host
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.servers import acts as server_acts
from trivet.domain.servers import changes, departures, guest_words, rescue
from trivet.domain.servers import create as server_create
from trivet.domain.servers.actions import Call
from trivet.domain.servers.create import ServerCreate
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.servers import SERVERS, Server
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineSpec
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.errors import TrivetError
from trivet.hosting.hosts_here import Hosting
from trivet.ids import SeededIds
from trivet.parts import Parts
from trivet.process import offer_duties
from trivet.settings import Settings
from trivet.store.follower import Follower
from trivet.store.sqlite import SqliteStore
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

HOSTS = 3
PROCESSES = 3
VCPUS = 4
_LAST_TRIPS = 12
_LAST_HANG_S = 5.0
_WISHES = 5
PROJECT = "p" * 32
_OPERATOR = Call(Caller(user_id="o", roles=expanded(("admin",)), system=True), "req-operator")
CALL = Call(caller=Caller(user_id="u", roles=expanded(("member",)), project_id=PROJECT), request_id="req-simulated")


class _Sink:
    """Bytes on their way into a blob, from a process that may die meanwhile."""

    def __init__(self, blobs: "_Blobs", key: str) -> None:
        self._blobs = blobs
        self._key = key
        self._written = b""

    async def write(self, chunk: bytes) -> None:
        await self._blobs.life.door()
        self._written += chunk

    async def finish(self) -> None:
        await self._blobs.life.door()
        (self._blobs.folder / self._key).write_bytes(self._written)

    async def abandon(self) -> None:
        """Nothing is to be seen of it."""


class _Blobs:
    """Images are there, and nobody reads their bytes here; disks that move are kept as files."""

    def __init__(self, path: Path, life: Life) -> None:
        self._path = path
        self.folder = path.parent / "blobs"
        self.folder.mkdir(exist_ok=True)
        self.life = life

    def local_path(self, key: str) -> str:
        return str(self._path if key == "tiny" else self.folder / key)

    async def create(self, key: str) -> _Sink:
        return _Sink(self, key)

    async def keys(self, kind: str | None = None) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.name.startswith(f"{kind}.")}

    async def walk(self, kind: str, after: str = "") -> AsyncIterator[tuple[str, list[Any]]]:
        """Nothing."""
        for mark in list[str]():
            yield mark, []

    async def remove(self, key: str) -> None:
        await self.life.door()
        (self.folder / key).unlink(missing_ok=True)

    async def size(self, key: str) -> int:
        return 0


class WatchedMachines(HangingMachines):
    """Notes whether a server ever runs twice."""

    def __init__(self, world: "World", host: str) -> None:
        super().__init__(world.clock, Temper())
        self._world = world
        self._host = host

    async def create(self, spec: MachineSpec) -> None:
        there = (await SimMachines.observe(self, spec.id)).get(spec.id)
        await super().create(spec)
        anew = there is None or there.marks.get("builds") != spec.marks.get("builds")
        if anew and spec.id in self._world.written and spec.disk is not None and spec.disk.path == self._world.path:
            self._world.wrong.append(f"server {spec.id} lost what was on its disk, on {self._host}")

    async def start(self, id: str, marks: dict[str, str]) -> None:
        await super().start(id, marks)
        self._world.written.add(id)
        running = [host for host, machines in self._world.machines.items() if id in await machines.running()]
        if len(running) > 1:
            self._world.wrong.append(f"server {id} runs on {running} at once")

    async def running(self) -> list[str]:
        return sorted(id for id, seen in (await SimMachines.observe(self)).items() if seen.power == "running")


class Process:
    """One equal process, put together by the same code as a real one."""

    def __init__(self, world: "World", number: int) -> None:
        chance = random.Random(f"{world.seed}/{number}")
        self.life = Life(chance, dies_at_commit=world.dies_at_commit)
        self.store = MortalStore(world.path, world.clock, SeededIds(chance.getrandbits(64)), self.life)
        self.parts = Parts(
            settings=Settings(data=str(Path(world.path).parent), sim=True),
            clock=world.clock,
            ids=self.store.ids,
            store=self.store,
            tokens=Tokens(world.clock),
            passwords=Passwords(),
            blobs=_Blobs(Path(world.path), self.life),  # type: ignore[arg-type] # a part of it is enough here
        )
        engines = {
            host: Engines(
                {kind: Reached(machines, self.life, chance) for kind in ("vm", "container")},
                Reached(world.wires[host], self.life, chance),
            )
            for host, machines in world.machines.items()
        }
        network: Any = Reached(world.network, self.life, chance)
        self.hosting = Hosting("of the simulation", engines, network, metadata=False)
        self.follower = Follower(self.store)
        self.duties = Duties(self.store, f"process {number}")
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.store.open()
        await self.follower.start()
        offer_duties(self.parts, self.follower, self.duties, self.hosting, self.parts.settings.own_url)
        self.tasks = [asyncio.create_task(self.follower.run()), asyncio.create_task(self.duties.run())]


class World:
    def __init__(
        self,
        seed: int,
        folder: Path,
        loop: VirtualLoop,
        *,
        dies_at_commit: float = 0.01,
        shared_trouble: bool = False,
    ) -> None:
        self.seed = seed
        self.shared_trouble = shared_trouble
        self.dies_at_commit = dies_at_commit
        self.chance = random.Random(seed)
        self.clock = VirtualClock(loop)
        self.path = str(folder / "trivet.db")
        self.plain = SqliteStore(self.path, self.clock, SeededIds(seed))
        self.network = SimNetwork()
        self.machines: dict[str, WatchedMachines] = {}
        self.wires: dict[str, SimWires] = {}
        self.processes: list[Process] = []
        self.dead: list[Process] = []
        self.wrong: list[str] = []
        self.written: set[str] = set()
        """Servers that have run, so that something is on their disks."""
        self._count = 0

    async def open(self) -> None:
        await self.plain.open()
        await self.plain.migrate()
        now = self.clock.now()
        async with self.plain.write() as tx:
            for number in range(HOSTS):
                host = await hosts.register(
                    tx,
                    Host(
                        id=tx.ids.uuid(), name=f"host-{number}", kinds=("vm", "container"), vcpus=VCPUS,
                        memory_mib=100_000, disk_gib=1000, hypervisor_type="sim", created_at=now, updated_at=now,
                        agent_seen_at=now,
                    ),
                    {"VCPU": 1.0},
                )  # fmt: skip
                self.machines[host.id] = WatchedMachines(self, host.id)
                self.wires[host.id] = SimWires(self.network)
            await tx.insert(FLAVORS, Flavor(id="small", name="small", vcpus=1, ram_mib=64, disk_gib=1, created_at=now))
            await tx.insert(
                IMAGES,
                Image(id="i" * 36, project_id=PROJECT, name="tiny", status="active", visibility="public", size=1,
                      disk_format="raw", container_format="bare", blob_key="tiny", created_at=now, updated_at=now),
            )  # fmt: skip
        for _ in range(PROCESSES):
            await self.spawn()

    async def spawn(self) -> None:
        self._count += 1
        process = Process(self, self._count)
        self.processes.append(process)
        await process.start()

    # -- what happens in it

    async def bad_days(self, seconds: float) -> None:
        """Processes die or fall asleep, machines crash, hosts cannot build or never answer.

        Machines are there that nobody ordered. Somebody starts a new process each time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(self.chance.uniform(1, 8))
            if self.shared_trouble and self.chance.random() < 0.3:
                await self._trouble_everybody(loop.time())
            what = self.chance.random()
            victim = self.chance.choice(self.processes)
            if what < 0.35:
                victim.life.alive = False
            elif what < 0.5:
                victim.life.awake_at = loop.time() + self.chance.uniform(4, 20)
            elif what < 0.65:
                await self._crash_a_machine()
            elif what < 0.7:
                await self._leave_a_stray()
            else:
                self._trouble_an_engine()
            await self._replace_the_dead()

    async def _trouble_everybody(self, now: float) -> None:
        """A silence that all share, far longer than any host may be silent, or a clock that is set; and those who come
        with their wishes in the next seconds."""
        if self.chance.random() < 0.5:
            self.clock.jumped_s = self.chance.uniform(-7200, 7200)
        else:
            silence_s = self.chance.uniform(40, 400)
            for process in self.processes:
                process.life.awake_at = now + silence_s
            await asyncio.sleep(silence_s)
        wanted = ServerCreate(name="s", image_id="i" * 36, flavor_id="small", networks="none")
        for _ in range(_WISHES):
            await asyncio.sleep(self.chance.uniform(0.1, 3))
            with suppress(TrivetError):
                server = await transact(self.plain, lambda tx: self._create(tx, wanted))
                await transact(self.plain, partial(server_acts.delete, call=CALL, id=server.id))

    async def _replace_the_dead(self) -> None:
        for dead in [process for process in self.processes if not process.life.alive]:
            self.processes.remove(dead)
            self.dead.append(dead)
            await self.spawn()

    async def _crash_a_machine(self) -> None:
        machines = self.machines[self.chance.choice(sorted(self.machines))]
        if running := await machines.running():
            machines.crash(self.chance.choice(running))

    async def _leave_a_stray(self) -> None:
        """A machine that no record knows, as an older cloud or a hand may leave it."""
        machines = self.machines[self.chance.choice(sorted(self.machines))]
        id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        with suppress(DriverError):
            await machines.create(MachineSpec(id, "stray", vcpus=1, memory_mib=64, disk=Disk(self.path, "raw")))

    def _trouble_an_engine(self) -> None:
        host = self.machines[self.chance.choice(sorted(self.machines))]
        match self.chance.choice(["hangs", "fails", "fails once"]):
            case "hangs":
                host.hanging ^= {self.chance.choice(["start", "stop", "pause"])}
                host.deaf = self.chance.random() < 0.5
            case "fails":
                host.temper.failing ^= {self.chance.choice(["create", "start", "export_disk"])}
            case _:
                steps = ["create", "start", "stop", "pause", "remove", "export_disk"]
                host.temper.failing_once.add(self.chance.choice(steps))

    async def client(self, number: int, acts: int) -> None:
        """Makes, changes and ends servers through whichever process; what gets no answer is asked again."""
        chance = random.Random(f"{self.seed}/client/{number}")
        for _ in range(acts):
            await asyncio.sleep(chance.uniform(0.1, 3))
            store = chance.choice(self.processes).store
            try:
                async with asyncio.timeout(5):
                    await self._act(store, chance)
            except (TrivetError, TimeoutError):
                continue

    async def _act(self, store: MortalStore, chance: random.Random) -> None:
        if chance.random() < 0.3:
            await wiring.act(store, CALL.caller, chance)
            return
        async with store.read() as tx:
            there = await tx.select(SERVERS, Where().add("deleted_at IS NULL"), order="id")
        if not there or chance.random() < 0.4:
            nics = await wiring.for_a_server(store, chance)
            wanted = ServerCreate(name="s", image_id="i" * 36, flavor_id="small", networks=nics)
            await transact(store, lambda tx: self._create(tx, wanted))
            return
        chosen = chance.choice(there)
        id = chosen.id
        acts: dict[str, Any] = {
            "delete": lambda tx: server_acts.delete(tx, CALL, id),
            "stop": lambda tx: server_acts.stop(tx, CALL, id, None),
            "start": lambda tx: server_acts.start(tx, CALL, id),
            "reboot": lambda tx: server_acts.reboot(tx, CALL, id, hard=chance.random() < 0.5),
            "pause": lambda tx: server_acts.pause(tx, CALL, id),
            "unpause": lambda tx: server_acts.unpause(tx, CALL, id),
            "rescue": lambda tx: rescue.rescue(tx, CALL, id, image_id=None, sealed_password="", from_volume=False),
            "unrescue": lambda tx: rescue.unrescue(tx, CALL, id),
            "dump": lambda tx: guest_words.crash_dump(tx, CALL, id),
            "migrate": lambda tx: departures.migrate(tx, _OPERATOR, id, None, confirms=chance.random() < 0.3),
            "confirm": lambda tx: changes.confirm_resize(tx, CALL, id),
            "revert": lambda tx: changes.revert_resize(tx, CALL, id),
        }
        await transact(store, acts[self._choice(chance, chosen, acts)])

    def _choice(self, chance: random.Random, server: Server, acts: Mapping[str, Any]) -> str:
        """Of one that waits for it, mostly whether it stays."""
        if server.status == "resized" and chance.random() < 0.8:
            return chance.choice(["confirm", "revert"])
        if server.status == "active" and server.task is None and chance.random() < 0.2:
            return "migrate"
        return chance.choice(["delete", "delete", "delete", *acts])

    async def _create(self, tx: Tx, wanted: ServerCreate) -> Server:
        (server,) = await server_create.create(tx, CALL, wanted)
        free = await tx.row("SELECT MAX(free) FROM inventories WHERE class = 'VCPU'")
        # All hosts are looked after by one process at a time: if one is alive, all are.
        if server.host_id is None and free is not None and free[0] > 0:
            self.wrong.append(f"server {server.id} found no valid host, and there was room")
        return server

    async def calm(self, seconds: float) -> None:
        """Nobody dies any more; whatever was begun is brought to its end, and so is what a last bad moment broke.

        No death wipes that moment away, so only who tries again gets over it.
        """
        for process in self.processes:
            process.life.calm(_LAST_TRIPS)
        # Some may have died at a commit of a late client.
        await self._replace_the_dead()
        for process in self.processes:
            process.life.calm(_LAST_TRIPS)
        for machines in self.machines.values():
            machines.temper.failing.clear()
            machines.temper.failing_once.clear()
            machines.hanging, machines.deaf = frozenset(("observe",)), False
            for id in await machines.running():
                machines.crash(id)
        await asyncio.sleep(_LAST_HANG_S)
        for machines in self.machines.values():
            machines.hanging = frozenset()
        await asyncio.sleep(seconds)

    def end(self) -> None:
        for process in [*self.processes, *self.dead]:
            process.life.bury()

    async def close(self) -> None:
        """When nobody runs any more: what the dead had open would be open until memory is tidied up."""
        for process in [*self.processes, *self.dead]:
            await process.store.close()
        await self.plain.close()
