"""The driver: the verbs of a machine, each of them one or two runs of podman.

What is really there is asked of podman every time; our own files only add what podman cannot keep.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, Nic, Seen
from trivet.drivers.podman.console import Consoles
from trivet.drivers.podman.definition import (
    NAME_PREFIX,
    create_arguments,
    files_tar,
    name_of,
    stop_arguments,
)
from trivet.drivers.podman.engine import Engine, EngineRefused
from trivet.drivers.podman.exits import Exits
from trivet.drivers.podman.images import Images
from trivet.drivers.podman.records import Record, Records
from trivet.drivers.podman.restarts import Restarts, wants_restart
from trivet.drivers.podman.sight import Listed, own_end, read_log, seen_as
from trivet.drivers.podman.trouble import told_as

log = logging.getLogger(__name__)

KILLED = 137
NEXT = ".next"
"""Ends the name of a container that will take another one's place."""


class PodmanMachines:
    """MachineDriver, Pausing, NicHotplug, Snapshotting, Resizing and SerialConsole for containers."""

    def __init__(self, directory: Path) -> None:
        directory = directory.absolute()
        self._engine = Engine(directory)
        self._images = Images(self._engine)
        self._records = Records(directory / "machines")
        self._consoles = Consoles(self._engine, directory / "tty", self._container_id)
        self._exits = Exits()
        self._restarts = Restarts(self._start_again)

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        if only is not None and not self._records.folder(only).exists():
            return {}  # its folder is made first and removed last
        with told_as("The container engine does not answer."):
            listed = await self._list()
        seen = {}
        for id in {*self._records.ids(), *listed}:
            if only not in (None, id):
                continue
            record = self._records.read(id)
            seen[id] = seen_as(id, record, listed.get(id))
        return seen

    async def create(self, spec: MachineSpec) -> None:
        if spec.disk.format != "oci":
            raise DriverError(f"A container needs an OCI image, and this one is {spec.disk.format}.", again=False)
        if self._records.read(spec.id) is not None:
            await self._settled(spec.id)
            if await self._state(spec.id) is not None:
                return
        files = files_tar(spec)
        with told_as("The container could not be made."):
            await self._discard(name_of(spec.id))
            self._records.make(spec.id)
            async with self._images.from_archive(spec.disk.path) as image_id:
                words = create_arguments(spec, image_id, self._records.folder(spec.id))
                container_id = (await self._engine.run(*words)).strip()
            await self._engine.run("cp", "-", f"{name_of(spec.id)}:/", stdin=files)
        without_files = msgspec.structs.replace(spec, files={})
        self._records.write(spec.id, Record(without_files, spec.marks, container_id))

    async def start(self, id: str, marks: dict[str, str]) -> None:
        record = await self._settled(id)
        self._restarts.forget(id)
        # First, so that a container which fails at once is not taken for one that we stopped.
        self._records.write(id, msgspec.structs.replace(record, stopping=False))
        with told_as("The container could not be started."):
            if await self._state(id) == "paused":
                await self._engine.run("unpause", name_of(id))
            await self._engine.run("start", name_of(id))
        # Last, so that new marks are never seen on a container that has yet to be started.
        self._records.write(id, msgspec.structs.replace(record, stopping=False, marks=marks))
        self._follow_new(id)

    async def stop(self, id: str, grace_s: float) -> bool:
        record = self._records.read(id)
        if record is None:
            return True
        self._restarts.forget(id)
        self._records.write(id, msgspec.structs.replace(record, stopping=True))
        with told_as("The container could not be stopped."):
            state = await self._state(id)
            if state not in {"running", "paused", "stopping"}:
                return True
            if state == "paused":
                await self._engine.run("unpause", name_of(id))
            await self._engine.run(*stop_arguments(id, grace_s))
            return await self._inspect(id, "{{.State.ExitCode}}") != str(KILLED)

    async def remove(self, id: str) -> None:
        await self._consoles.close(id)
        self._exits.forget(id)
        self._restarts.forget(id)
        with told_as("The container could not be removed."):
            await self._discard(name_of(id))
            record = self._records.read(id)
            if record is not None:
                await self._engine.forget(record.container_id)
            if record is None or record.resizing:
                await self._discard(name_of(id) + NEXT)
        self._records.remove(id)

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        return await asyncio.to_thread(read_log, self._records.folder(id) / "console.log", limit_bytes)

    async def watch(self) -> AsyncIterator[str]:
        """Also what makes a policy of restarting work, for as long as it is read."""
        try:
            for id in self._records.ids():
                self._follow(id)
            await self._restart(*self._records.ids())
            while True:
                id = await self._exits.next()
                yield id
                await self._restart(id)
        finally:
            self._restarts.close()

    async def pause(self, id: str) -> None:
        with told_as("The container could not be paused."):
            if await self._state(id) != "paused":
                await self._engine.run("pause", name_of(id))

    async def unpause(self, id: str) -> None:
        with told_as("The container could not be continued."):
            if await self._state(id) == "paused":
                await self._engine.run("unpause", name_of(id))

    async def attach_nic(self, id: str, nic: Nic) -> None:
        """The wire driver moved the link into the container's namespace, where it is at once the container's."""
        record = await self._settled(id)
        if record.spec.netns is None:
            raise DriverError("The container was made without a network and cannot get one.", again=False)
        others = tuple(each for each in record.spec.nics if each.port_id != nic.port_id)
        self._keep_spec(record, nics=(*others, nic))

    async def detach_nic(self, id: str, port_id: str) -> None:
        """The wire driver takes the link out; only our note of it is left to strike."""
        record = await self._settled(id)
        self._keep_spec(record, nics=tuple(each for each in record.spec.nics if each.port_id != port_id))

    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        await self._settled(id)
        part = Path(f"{path}.part")
        await asyncio.to_thread(part.unlink, missing_ok=True)
        try:
            with told_as("The container's content could not be saved."):
                async with self._images.of_container(name_of(id)) as image_id:
                    await self._images.save(image_id, str(part))
            await asyncio.to_thread(part.replace, path)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return "oci"

    async def resize(self, id: str, vcpus: int, memory_mib: int, disk_gib: int) -> None:
        """podman forgets changed limits when a container restarts, so it is made again around its content."""
        record = await self._settled(id)
        if (record.spec.vcpus, record.spec.memory_mib) != (vcpus, memory_mib):
            changed = msgspec.structs.replace(record.spec, vcpus=vcpus, memory_mib=memory_mib)
            with told_as("The container could not be resized."):
                async with self._images.of_container(name_of(id)) as image_id:
                    self._records.write(id, msgspec.structs.replace(record, resizing=True))
                    words = create_arguments(changed, image_id, self._records.folder(id))
                    words[words.index(f"--name={name_of(id)}")] += NEXT
                    container_id = (await self._engine.run(*words)).strip()
                    await self._discard(name_of(id))
                await self._engine.run("rename", name_of(id) + NEXT, name_of(id))
            record = msgspec.structs.replace(record, spec=changed, container_id=container_id)
        disk = msgspec.structs.replace(record.spec.disk, size_gib=disk_gib)
        spec = msgspec.structs.replace(record.spec, disk=disk)
        self._records.write(id, msgspec.structs.replace(record, spec=spec))

    def serial_path(self, id: str) -> str:
        return self._consoles.path(id)

    async def _list(self) -> dict[str, Listed]:
        lines = msgspec.json.decode(await self._engine.run("ps", "--all", "--format=json"), type=list[Listed])
        return {
            name.removeprefix(NAME_PREFIX): line
            for line in lines
            for name in line.names
            if name.startswith(NAME_PREFIX) and not name.endswith(NEXT)
        }

    async def _settled(self, id: str) -> Record:
        """Its record, after finishing a resize that a crash interrupted."""
        record = self._records.read(id)
        if record is None:
            raise DriverError("The container is not here.", again=True)
        if record.resizing:
            with told_as("The container could not be resized."):
                if await self._state(id) is None:
                    await self._engine.run("rename", name_of(id) + NEXT, name_of(id))
                else:
                    await self._discard(name_of(id) + NEXT)
                container_id = await self._inspect(id, "{{.Id}}") or ""
            record = msgspec.structs.replace(record, resizing=False, container_id=container_id)
            self._records.write(id, record)
        return record

    async def _restart(self, *ids: str) -> None:
        """Those among them whose policy says so."""
        records = {id: record for id in ids if (record := self._records.read(id)) and record.spec.restart != "no"}
        if not records:
            return
        try:
            listed = await self._list()
        except EngineRefused as e:
            log.warning("Who is to be started again cannot be seen: %s", e)
            return
        for id, record in records.items():
            exit_code = own_end(record, listed[id]) if id in listed else None
            if exit_code is not None and wants_restart(record.spec, exit_code):
                self._restarts.ended(id)

    async def _start_again(self, id: str) -> None:
        record = self._records.read(id)
        if record is None or record.stopping:
            return
        with told_as("The container could not be started again."):
            await self._engine.run("start", name_of(id))
        self._follow_new(id)

    def _keep_spec(self, record: Record, *, nics: tuple[Nic, ...]) -> None:
        spec = msgspec.structs.replace(record.spec, nics=nics)
        self._records.write(spec.id, msgspec.structs.replace(record, spec=spec))

    async def _discard(self, name: str) -> None:
        await self._engine.run("rm", "--force", "--ignore", "--time=0", "--volumes", name)

    async def _state(self, id: str) -> str | None:
        """podman's word for it; None if there is no such container."""
        return await self._inspect(id, "{{.State.Status}}")

    async def _inspect(self, id: str, template: str) -> str | None:
        try:
            return (await self._engine.run("container", "inspect", f"--format={template}", name_of(id))).strip()
        except EngineRefused as e:
            if "no such container" in str(e):
                return None
            raise

    def _container_id(self, id: str) -> str | None:
        record = self._records.read(id)
        return record.container_id if record else None

    def _follow(self, id: str) -> bool:
        return self._exits.follow(id, self._records.folder(id) / "conmon.pid")

    def _follow_new(self, id: str) -> None:
        """One that fails at once may be gone before podman has said that it started: an end like any other."""
        if not self._follow(id):
            self._exits.tell(id)
