"""The driver: the verbs of a machine, each told by what is in its folder and by its process.

Nothing is remembered here but locks and pidfds; another process of ours that opens the same directory
knows as much. Verbs on one machine take turns; looking (`observe`) never waits for them.
"""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import (
    DevicePlace,
    EmptyDisk,
    MachineSpec,
    Nic,
    RescueDisk,
    Seen,
    VolumeDisk,
    shape_of,
    volumes_of,
)
from trivet.drivers.contracts.topology import Topology
from trivet.drivers.qemu import (
    consoles,
    disks,
    empty_disks,
    guest_agent,
    images,
    memory,
    passthrough,
    power,
    processes,
    volumes,
)
from trivet.drivers.qemu.accelerator import accelerator
from trivet.drivers.qemu.arguments import FIRMWARE_VARS, Ground, arguments, has_uefi, machine_type, slots_for
from trivet.drivers.qemu.bases import Bases
from trivet.drivers.qemu.cards import plug, unplug
from trivet.drivers.qemu.complaints import refusal
from trivet.drivers.qemu.layout import Layout, Record, Saved, drop_short, make_short, read, short_directory, write
from trivet.drivers.qemu.options import Options
from trivet.drivers.qemu.pinning import go_on
from trivet.drivers.qemu.places import places_of
from trivet.drivers.qemu.records import changeable, need, need_stopped
from trivet.drivers.qemu.turns import Absent, Turns

_DEFAULTS = Options()
_AT_ONCE = 16
"""Machines looked at together."""


class QemuMachines:
    """A MachineDriver with every ability that there is."""

    def __init__(self, directory: Path, options: Options = _DEFAULTS) -> None:
        self._directory = directory.absolute()
        self._options = options
        self._bases = Bases(self._directory)
        self._short = short_directory(self._directory)
        self._turns = Turns()
        self._ground_turn = asyncio.Lock()
        self._ground: Ground | None = None
        self._thawing: dict[str, asyncio.Task[None]] = {}
        self._exits = processes.Exits()

    # -- what every kind has

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        with _trouble("The host's virtual machines cannot be read."):
            gate = asyncio.Semaphore(_AT_ONCE)
            seen = await asyncio.gather(*(self._look(id, gate) for id in self._ids() if only in (None, id)))
        return {one.id: one for one in seen if one is not None}

    async def create(self, spec: MachineSpec) -> None:
        if not _is_id(spec.id):
            raise DriverError("A virtual machine's id is a UUID.", again=False)
        machine_type(spec)
        with _trouble("The virtual machine could not be made."):
            self._layout(spec.id).folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._turn(spec.id, "The virtual machine could not be made.") as layout:
            if layout.spec.exists():
                return
            await processes.kill(layout)
            if spec.disk is not None:
                await self._bases.make_root(spec.disk, layout.base, layout.root)
            await empty_disks.make(layout.folder, spec.empty, spec.filled)
            spec = msgspec.structs.replace(spec, filled={})
            if spec.config_drive is not None:
                write(layout.config_drive, spec.config_drive)
                # The record needs only to know that there is one.
                spec = msgspec.structs.replace(spec, config_drive=b"")
            if has_uefi(spec):
                shutil.copyfile(FIRMWARE_VARS, layout.firmware_vars)
            write(layout.marks, spec.marks)
            write(layout.spec, Record(spec, slots_for(spec, {})))

    async def start(self, id: str, marks: dict[str, str]) -> None:
        async with self._turn(id, "The virtual machine could not start.") as layout:
            if await power.of(layout) == "crashed" or not processes.alive(layout):
                await processes.kill(layout)
                await self._launch(layout)
            # Before the guest runs: a guest that runs under old marks would be started once more.
            write(layout.marks, marks)
            await go_on(layout, self._options.shared_cpus)
            self._exits.follow(id, layout)

    async def stop(self, id: str, grace_s: float) -> bool:
        try:
            async with self._turn(id, "The virtual machine could not be stopped.") as layout:
                went = not memory.is_saved(layout)
                if processes.alive(layout):
                    self._exits.follow(id, layout)
                    went = grace_s > 0 and await power.ask_to_stop(layout, grace_s)
                await processes.kill(layout)
                memory.forget(layout)
                return went
        except Absent:
            return True

    async def remove(self, id: str) -> None:
        with suppress(Absent):
            async with self._turn(id, "The virtual machine could not be removed.") as layout:
                await processes.kill(layout)
                # From here on it is half-made, whatever happens.
                layout.spec.unlink(missing_ok=True)
                bases = {path.read_text() for path in (layout.base, layout.rescue_base) if path.exists()}
                await asyncio.to_thread(shutil.rmtree, layout.folder)
                for base in bases:
                    await self._bases.drop(base)
                if not self._ids():
                    drop_short(self._short, self._directory)

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        with _trouble("The console log cannot be read."):
            return consoles.tail(self._layout(id).console_log, limit_bytes)

    async def watch(self) -> AsyncIterator[str]:
        while True:
            yield await self._exits.next()

    # -- what only some kinds have

    async def pause(self, id: str) -> None:
        async with (
            self._running(id, "The virtual machine could not be paused.") as layout,
            power.talk_to(layout) as qemu,
        ):
            await qemu.ask("stop")

    async def unpause(self, id: str) -> None:
        async with self._running(id, "The virtual machine could not be unpaused.") as layout:
            await go_on(layout, self._options.shared_cpus)

    async def suspend(self, id: str) -> None:
        async with self._turn(id, "The virtual machine could not be suspended.") as layout:
            if memory.is_saved(layout):
                await processes.kill(layout)
                return
            if not processes.alive(layout):
                raise DriverError("The virtual machine does not run, so it cannot be suspended.", again=False)
            await memory.save(layout, (await self._ground_now()).accelerator)

    async def resume(self, id: str) -> None:
        async with self._turn(id, "The virtual machine could not be resumed.") as layout:
            if not processes.alive(layout):
                if not memory.is_saved(layout):
                    raise DriverError("The virtual machine is not suspended.", again=False)
                await self._launch(layout)
            await go_on(layout, self._options.shared_cpus)
            self._exits.follow(id, layout)

    async def attach_nic(self, id: str, nic: Nic) -> None:
        async with self._turn(id, "The network card could not be attached.") as layout:
            record = need(layout)
            if nic.port_id in record.slots:
                return
            spec = msgspec.structs.replace(record.spec, nics=(*record.spec.nics, nic))
            slots = slots_for(spec, record.slots)
            if processes.alive(layout):
                await plug(layout, spec, nic, slots[nic.port_id], await self._ground_now())
            write(layout.spec, msgspec.structs.replace(record, spec=spec, slots=slots))

    async def detach_nic(self, id: str, port_id: str) -> None:
        async with self._turn(id, "The network card could not be detached.") as layout:
            record = need(layout)
            slot = record.slots.get(port_id)
            if slot is None:
                return
            if processes.alive(layout):
                await unplug(layout, slot)
            left = tuple(nic for nic in record.spec.nics if nic.port_id != port_id)
            spec = msgspec.structs.replace(record.spec, nics=left)
            write(layout.spec, msgspec.structs.replace(record, spec=spec, slots=slots_for(spec, record.slots)))

    async def attach_volume(self, id: str, volume: VolumeDisk) -> None:
        async with self._turn(id, "The volume could not be attached.") as layout:
            record = changeable(layout)
            if any(volume.id == there.id for there in record.spec.volumes):
                return
            spec = msgspec.structs.replace(record.spec, volumes=(*record.spec.volumes, volume))
            slots = slots_for(spec, record.slots)
            if processes.alive(layout):
                await volumes.plug(layout, spec, volume, slots[volume.id])
            write(layout.spec, msgspec.structs.replace(record, spec=spec, slots=slots))

    async def detach_volume(self, id: str, attachment_id: str) -> None:
        async with self._turn(id, "The volume could not be detached.") as layout:
            record = need(layout)
            if attachment_id not in record.slots:
                return
            changeable(layout)
            if processes.alive(layout):
                await volumes.unplug(layout, record.slots[attachment_id])
            left = tuple(volume for volume in record.spec.volumes if volume.id != attachment_id)
            spec = msgspec.structs.replace(record.spec, volumes=left)
            write(layout.spec, msgspec.structs.replace(record, spec=spec, slots=slots_for(spec, record.slots)))

    async def resize_volume(self, id: str, attachment_id: str, size_gib: int) -> None:
        async with self._turn(id, "The guest could not be told that the volume has grown.") as layout:
            record = need(layout)
            slot = record.slots.get(attachment_id)
            if processes.alive(layout):
                await volumes.grow(layout, "root" if slot is None else f"vol{slot}", size_gib)
            grown = tuple(
                msgspec.structs.replace(volume, size_gib=size_gib) if volume.id == attachment_id else volume
                for volume in record.spec.volumes
            )
            spec = msgspec.structs.replace(record.spec, volumes=grown)
            write(layout.spec, msgspec.structs.replace(record, spec=spec))

    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        target = Path(path)
        async with self._turn(id, "The snapshot could not be made.") as layout:
            if need(layout).spec.disk is None:
                raise DriverError("The snapshot could not be made. The machine runs from a volume.", again=False)
            target.unlink(missing_ok=True)
            try:
                if processes.alive(layout):
                    await disks.copy_running(layout, target, need(layout).spec.properties)
                else:
                    await images.flatten(layout.root, target)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return "qcow2"

    async def export_disk(self, id: str, name: str, path: str) -> Literal["qcow2", "oci"]:
        async with self._turn(id, "The disk could not be copied.") as layout:
            await disks.copy_out(layout, need_stopped(layout, "copied").spec, name, Path(path))
        return "qcow2"

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
        async with self._turn(id, "The virtual machine could not be resized.") as layout:
            record = need_stopped(layout, "resized")
            disk = record.spec.disk
            if disk is not None:
                await images.grow(layout.root, disk_gib)
                disk = msgspec.structs.replace(disk, size_gib=disk_gib)
            await empty_disks.change(layout.folder, record.spec.empty, empty)
            size = {"vcpus": vcpus, "memory_mib": memory_mib, "disk": disk, "empty": empty, "topology": topology}
            spec = msgspec.structs.replace(record.spec, **size)
            slots = slots_for(spec, record.slots)
            write(layout.spec, msgspec.structs.replace(record, spec=spec, slots=slots))

    async def rescue(self, id: str, rescue: RescueDisk, config_drive: bytes | None) -> None:
        async with self._turn(id, "The virtual machine could not be rescued.") as layout:
            record = need_stopped(layout, "rescued")
            await self._bases.make_root(rescue.disk, layout.rescue_base, layout.rescue)
            if config_drive is not None:
                write(layout.rescue_drive, config_drive)
            write(layout.spec, msgspec.structs.replace(record, rescue=rescue))

    async def unrescue(self, id: str) -> None:
        async with self._turn(id, "The rescue could not be ended.") as layout:
            write(layout.spec, msgspec.structs.replace(need_stopped(layout, "made as it was"), rescue=None))
            base = layout.rescue_base.read_text() if layout.rescue_base.exists() else None
            for path in (layout.rescue, layout.rescue_drive, layout.rescue_base):
                path.unlink(missing_ok=True)
            if base is not None:
                await self._bases.drop(base)

    async def inject_nmi(self, id: str, marks: dict[str, str]) -> None:
        async with self._running(id, "The guest could not be interrupted.") as layout:
            async with power.talk_to(layout) as qemu:
                await qemu.ask("inject-nmi")
            write(layout.marks, layout.read_marks() | marks)

    async def set_password(self, id: str, user: str, password: str, marks: dict[str, str]) -> None:
        async with self._running(id, "The password could not be set.") as layout:
            await guest_agent.set_password(layout, user, password)
            write(layout.marks, layout.read_marks() | marks)

    def places(self, id: str, spec: MachineSpec | None = None) -> dict[str, DevicePlace]:
        record = self._layout(id).record() if _is_id(id) else None
        if record is not None:
            return places_of(record.spec, record.slots)
        return places_of(spec, slots_for(spec, {})) if spec is not None else {}

    def serial_path(self, id: str) -> str:
        return str(self._layout(id).serial)

    def vnc_path(self, id: str) -> str:
        return str(self._layout(id).vnc)

    # -- parts of verbs

    async def _look(self, id: str, gate: asyncio.Semaphore) -> Seen | None:
        layout = self._layout(id)
        record = layout.record()
        if record is None:
            return Seen(id=id, power="stopped", marks={})
        consoles.trim(layout.console_log)
        if layout.frozen.exists():
            self._go_on_soon(id)
        async with gate:
            seen = await power.of(layout)
        if seen in ("running", "paused"):
            self._exits.follow(id, layout)
        # What hangs on it and how large it is are told as they are, not as somebody wrote at its last start.
        nics = ",".join(nic.port_id for nic in record.spec.nics)
        now = {"nics": nics, "volumes": volumes_of(record.spec), "shape": shape_of(record.spec)}
        now["rescue"] = record.rescue.mark if record.rescue is not None else ""
        return Seen(id=id, power=seen, marks=layout.read_marks() | now)

    def _go_on_soon(self, id: str) -> None:
        """A guest whose file systems stand still, when whoever may be copying it has done."""
        if id not in self._thawing:
            task = self._thawing[id] = asyncio.create_task(self._go_on(id), name=f"thaw {id}")
            task.add_done_callback(lambda _: self._thawing.pop(id))

    async def _go_on(self, id: str) -> None:
        with suppress(DriverError):
            async with self._turn(id, "The guest could not go on.") as layout:
                if layout.frozen.exists() and processes.alive(layout):
                    await guest_agent.thaw(layout)
                else:
                    layout.frozen.unlink(missing_ok=True)

    async def _launch(self, layout: Layout) -> None:
        """A process whose guest stands still: new, or as it was suspended."""
        record = need(layout)
        passthrough.check(record.spec)
        make_short(self._short, self._directory)
        saved = read(layout.saved, Saved)
        words = arguments(record, layout, await self._ground_now(), saved)
        if saved is not None:
            await memory.load(layout, words)
        else:
            await processes.launch(layout, words)

    def _ids(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [path.name for path in self._directory.iterdir() if _is_id(path.name)]
        return []

    async def _ground_now(self) -> Ground:
        async with self._ground_turn:
            if self._ground is None:
                chosen = self._options.accelerator
                found = await accelerator(self._directory) if chosen == "auto" else chosen
                self._ground = Ground(accelerator=found, host_checksum=self._options.host_checksum)
            return self._ground

    def _layout(self, id: str) -> Layout:
        return Layout(self._directory / id, self._short / id)

    @asynccontextmanager
    async def _turn(self, id: str, what_failed: str) -> AsyncIterator[Layout]:
        if not _is_id(id):
            raise Absent
        with _trouble(what_failed):
            layout = self._layout(id)
            async with self._turns.of(layout.folder):
                yield layout

    @asynccontextmanager
    async def _running(self, id: str, what_failed: str) -> AsyncIterator[Layout]:
        async with self._turn(id, what_failed) as layout:
            if not processes.alive(layout):
                raise DriverError(f"{what_failed} It does not run.", again=False)
            yield layout


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


@contextmanager
def _trouble(what_failed: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as e:
        raise DriverError(f"{what_failed} It took too long.", again=True) from e
    except (OSError, msgspec.DecodeError) as e:
        raise refusal(what_failed, str(e)) from e
