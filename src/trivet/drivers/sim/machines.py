"""Machines that exist only as a few words in memory, and misbehave on request."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

import msgspec

from trivet.clock import Clock
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import (
    Disk,
    EmptyDisk,
    MachineSpec,
    Nic,
    Power,
    RescueDisk,
    Seen,
    VolumeDisk,
    shape,
    volumes_of,
)
from trivet.drivers.contracts.topology import Topology
from trivet.drivers.sim.consoles import SimConsoles
from trivet.drivers.sim.containers import SimInsides

_LOG_BYTES = 64 * 1024
_MAGIC = b"disk of a simulated machine\n"

Step = Literal[
    "create", "start", "stop", "remove", "pause", "unpause", "suspend", "resume", "attach_nic", "detach_nic",
    "resize", "snapshot", "export_disk", "inject_nmi", "rescue", "unrescue", "set_password",
    "attach_volume", "detach_volume", "resize_volume",
    "volume_create", "volume_remove", "volume_serve", "volume_grow", "volume_snapshot", "volume_revert",
    "volume_refill", "volume_copy_out",
    "volume_next_piece", "volume_begin_pieces", "volume_put_piece", "volume_end_pieces",
]  # fmt: skip
STEPS: tuple[str, ...] = get_args(Step)


class _Steps(set[str]):
    """A misspelt step would be one that never fails, and the test around it would prove nothing."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__()
        self.update(names)

    def add(self, name: str) -> None:
        if name not in STEPS:
            near = get_close_matches(name, STEPS, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"There is no step {name!r}; steps are {', '.join(STEPS)}.{hint}")
        super().add(name)

    def update(self, *many: Iterable[str]) -> None:
        for names in many:
            for name in [names] if isinstance(names, str) else names:
                self.add(name)


class Temper:
    """How the simulated engines behave; may be changed at any time."""

    __slots__ = ("_delay_s", "_failing", "_failing_once")

    def __init__(self, delay_s: float = 0.0, failing: Iterable[str] = (), failing_once: Iterable[str] = ()) -> None:
        self.delay_s = delay_s
        self.failing = _Steps(failing)
        self.failing_once = _Steps(failing_once)

    @property
    def delay_s(self) -> float:
        """What each step takes."""
        return self._delay_s

    @delay_s.setter
    def delay_s(self, seconds: float) -> None:
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"delay_s is a number of seconds, 0 or more, not {seconds!r}.")
        self._delay_s = seconds

    @property
    def failing(self) -> set[str]:
        """Steps that fail for good: create, start, stop..."""
        return self._failing

    @failing.setter
    def failing(self, steps: set[str]) -> None:
        self._failing = _Steps(steps)

    @property
    def failing_once(self) -> set[str]:
        """Steps that fail the next time, and may be tried again."""
        return self._failing_once

    @failing_once.setter
    def failing_once(self, steps: set[str]) -> None:
        self._failing_once = _Steps(steps)

    async def behave(self, step: Step, clock: Clock) -> None:
        if self.delay_s:
            await clock.sleep(self.delay_s)
        if step in self.failing:
            raise DriverError(f"The simulated engine was told to fail at {step}.", again=False)
        if step in self.failing_once:
            self.failing_once.discard(step)
            raise DriverError(f"The simulated engine was told to fail at {step} once.", again=True)


class _Machine(msgspec.Struct):
    hostname: str
    power: Power
    marks: dict[str, str]
    log: bytes = b""
    content: bytes = b""
    """Of its root disk."""
    format: Literal["qcow2", "oci"] = "qcow2"
    """As which its disk leaves."""
    exit_code: int | None = None


def _boot(machine: _Machine, marks: dict[str, str]) -> tuple[str, ...]:
    return (
        f"Simulated machine {machine.hostname}",
        f"Shape {marks.get('shape', '?')}",
        f"Cards {marks.get('nics') or 'none'}",
        "No guest runs here",
        f"Simulated boot {marks.get('boots', '?')} of {machine.hostname} done",
    )


def _content_of(disk: Disk | None) -> bytes:
    """What another simulated machine wrote; images are not looked into."""
    path = Path(disk.path) if disk is not None else None
    found = path.read_bytes() if path is not None and path.is_file() else b""
    return found.removeprefix(_MAGIC) if found.startswith(_MAGIC) else b""


class SimMachines:
    """The machines of one simulated host; every kind is alike."""

    def __init__(self, clock: Clock, temper: Temper) -> None:
        self._clock = clock
        self.temper = temper
        self._machines: dict[str, _Machine] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._consoles = SimConsoles()
        insides = SimInsides(lambda id: self._need(id).power, self._killed, lambda id: self._need(id).log)
        self._insides = insides
        self.execute, self.log, self.stats = insides.execute, insides.log, insides.stats
        self.processes, self.kill = insides.processes, insides.kill
        self.copy_in, self.copy_out = insides.copy_in, insides.copy_out

    # -- MachineDriver

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        if only is not None:
            machine = self._machines.get(only)
            return {only: self._seen(only, machine)} if machine else {}
        return {id: self._seen(id, machine) for id, machine in self._machines.items()}

    def _seen(self, id: str, machine: _Machine) -> Seen:
        return Seen(id=id, power=machine.power, marks=machine.marks, exit_code=machine.exit_code)

    async def create(self, spec: MachineSpec) -> None:
        await self._behave("create")
        there = self._machines.get(spec.id)
        if there is not None and there.marks.get("builds") == spec.marks.get("builds"):
            return
        self._machines[spec.id] = _Machine(
            hostname=spec.hostname, power="stopped", marks=spec.marks | {"volumes": volumes_of(spec)},
            content=_content_of(spec.disk),
            format="oci" if spec.disk is not None and spec.disk.format == "oci" else "qcow2",
        )  # fmt: skip

    async def start(self, id: str, marks: dict[str, str]) -> None:
        await self._behave("start")
        machine = self._need(id)
        machine.power, machine.exit_code = "running", None
        machine.marks = marks | {name: machine.marks.get(name, "") for name in ("volumes", "rescue")}
        said = "".join(f"[    0.00000{n}] {line}\n" for n, line in enumerate(_boot(machine, marks)))
        machine.log = (machine.log + said.encode())[-_LOG_BYTES:]

    async def stop(self, id: str, grace_s: float) -> bool:
        await self._behave("stop")
        self._need(id).power = "stopped"
        return grace_s > 0

    async def remove(self, id: str) -> None:
        await self._behave("remove")
        self._machines.pop(id, None)
        self._insides.forget(id)
        self._consoles.forget(id)

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        return self._need(id).log[-limit_bytes:]

    async def watch(self) -> AsyncIterator[str]:
        while True:
            yield await self._changed.get()

    # -- optional abilities

    async def pause(self, id: str) -> None:
        await self._behave("pause")
        self._need(id).power = "paused"

    async def unpause(self, id: str) -> None:
        await self._behave("unpause")
        self._need(id).power = "running"

    async def suspend(self, id: str) -> None:
        await self._behave("suspend")
        self._need(id).power = "suspended"

    async def resume(self, id: str) -> None:
        await self._behave("resume")
        self._need(id).power = "running"

    async def attach_nic(self, id: str, nic: Nic) -> None:
        await self._behave("attach_nic")
        machine = self._need(id)
        machine.marks["nics"] = ",".join([*filter(None, machine.marks.get("nics", "").split(",")), nic.port_id])

    async def detach_nic(self, id: str, port_id: str) -> None:
        await self._behave("detach_nic")
        machine = self._need(id)
        machine.marks["nics"] = ",".join(nic for nic in machine.marks.get("nics", "").split(",") if nic != port_id)

    async def attach_volume(self, id: str, volume: VolumeDisk) -> None:
        await self._behave("attach_volume")
        self._keep_volumes(self._need(id), self._volumes(id) | {volume.id: str(volume.size_gib)})

    async def detach_volume(self, id: str, attachment_id: str) -> None:
        await self._behave("detach_volume")
        left = {attachment: size for attachment, size in self._volumes(id).items() if attachment != attachment_id}
        self._keep_volumes(self._need(id), left)

    async def resize_volume(self, id: str, attachment_id: str, size_gib: int) -> None:
        await self._behave("resize_volume")
        self._keep_volumes(self._need(id), self._volumes(id) | {attachment_id: str(size_gib)})

    def _volumes(self, id: str) -> dict[str, str]:
        said = self._need(id).marks.get("volumes", "")
        return dict(pair.split("=") for pair in said.split(",") if pair)

    def _keep_volumes(self, machine: _Machine, volumes: dict[str, str]) -> None:
        machine.marks["volumes"] = ",".join(f"{id}={size}" for id, size in volumes.items())

    async def resize(
        self,
        id: str,
        vcpus: int,
        memory_mib: int,
        disk_gib: int,
        empty: tuple[EmptyDisk, ...] = (),
        *,
        topology: Topology | None = None,
    ) -> None:
        await self._behave("resize")
        inside = topology.name if topology is not None else ""
        self._need(id).marks["shape"] = shape(vcpus, memory_mib, disk_gib, empty, inside=inside)

    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        await self._behave("snapshot")
        self._need(id)
        Path(path).write_bytes(b"\0" * 65536)
        return "raw"

    async def export_disk(self, id: str, name: str, path: str) -> Literal["qcow2", "oci"]:
        await self._behave("export_disk")
        machine = self._need(id)
        if machine.power != "stopped":
            raise DriverError("A machine that runs cannot be copied out.", again=False)
        Path(path).write_bytes(_MAGIC + machine.content)
        return machine.format

    async def rescue(self, id: str, rescue: RescueDisk, config_drive: bytes | None) -> None:
        await self._behave("rescue")
        self._need(id).marks["rescue"] = rescue.mark

    async def unrescue(self, id: str) -> None:
        await self._behave("unrescue")
        self._need(id).marks["rescue"] = ""

    async def set_password(self, id: str, user: str, password: str, marks: dict[str, str]) -> None:
        await self._behave("set_password")
        self._need(id).marks |= marks

    async def inject_nmi(self, id: str, marks: dict[str, str]) -> None:
        await self._behave("inject_nmi")
        machine = self._need(id)
        machine.marks |= marks
        machine.log += b"[    9.999999] NMI received\n"

    def serial_path(self, id: str) -> str:
        return self._consoles.path(id, self._need(id).hostname)

    # -- containers, besides what their insides answer

    async def adjust(self, id: str, vcpus: int, memory_mib: int, cpus: float) -> None:
        await self._behave("resize")
        machine = self._need(id)
        _, _, disk_gib, *_ = machine.marks.get("shape", "0/0/0").split("/")
        machine.marks["shape"] = shape(vcpus, memory_mib, int(disk_gib), cpus=cpus)

    async def open_session(self, id: str, session: str, command: tuple[str, ...]) -> None:
        self._need(id)

    async def resize_terminal(self, id: str, session: str | None, rows: int, columns: int) -> None:
        self._need(id)

    def session_path(self, id: str, session: str | None) -> str:
        return self._consoles.path(id, self._need(id).hostname)

    def _killed(self, id: str) -> None:
        self._need(id).exit_code = 137
        self.crash(id)

    # -- for tests and rehearsals

    def adopt(self, id: str, hostname: str, power: Power, marks: dict[str, str]) -> None:
        """A machine that was there before this process began."""
        self._machines[id] = _Machine(hostname=hostname, power=power, marks=marks)

    def write(self, id: str, content: bytes) -> None:
        """Its guest writes to its root disk."""
        self._need(id).content = content

    def read(self, id: str) -> bytes:
        return self._need(id).content

    def has(self, id: str) -> bool:
        return id in self._machines

    def crash(self, id: str) -> None:
        """It dies by itself."""
        self._need(id).power = "crashed"
        self._changed.put_nowait(id)

    def power_off(self, id: str) -> None:
        """Its guest shuts it down."""
        self._need(id).power = "stopped"
        self._changed.put_nowait(id)

    def _need(self, id: str) -> _Machine:
        machine = self._machines.get(id)
        if machine is None:
            raise DriverError(f"There is no machine {id} on this host.", again=False)
        return machine

    async def _behave(self, step: Step) -> None:
        await self.temper.behave(step, self._clock)
