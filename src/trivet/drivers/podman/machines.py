"""The driver: the verbs of a machine, each of them one or two runs of podman.

What is really there is asked of podman every time; our own files only add what podman cannot keep.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import EmptyDisk, MachineSpec, Nic, Seen, VolumeDisk
from trivet.drivers.contracts.topology import Topology
from trivet.drivers.podman.console import Consoles
from trivet.drivers.podman.definition import (
    NAME_PREFIX,
    create_arguments,
    files_tar,
    name_of,
    stop_arguments,
)
from trivet.drivers.podman.engine import KILLED, Engine, EngineRefused
from trivet.drivers.podman.exits import Exits, has_conmon, is_tidying_up
from trivet.drivers.podman.health import HealthChecks
from trivet.drivers.podman.images import Images
from trivet.drivers.podman.insides import Insides
from trivet.drivers.podman.quota import has_quota
from trivet.drivers.podman.records import Record, Records
from trivet.drivers.podman.restarts import Restarts, wants_restart
from trivet.drivers.podman.shelters import Shelters
from trivet.drivers.podman.sight import LINE, LIVING, Listed, is_broken, own_end, read_line, read_log, seen_as
from trivet.drivers.podman.trouble import told_as
from trivet.drivers.podman.volumes import Volumes

log = logging.getLogger(__name__)

STOPS_WITHIN_S = 60.0
"""podman, after the grace, on a busy host."""
TIDIES_WITHIN_S = 20.0
"""What is left of the run before. Whoever starts a container at once would not wait, and meet it."""
ENDING = frozenset(("SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT"))
"""Signals that are meant to end a program."""
NEXT = ".next"
"""Ends the name of a container that will take another one's place."""


class PodmanMachines:
    """MachineDriver, Pausing, NicHotplug, VolumeHotplug, Snapshotting, Resizing, LiveResizing, SerialConsole and
    Containers."""

    def __init__(self, directory: Path, shared_cpus: frozenset[int] = frozenset()) -> None:
        directory = directory.absolute()
        self._shared_cpus = shared_cpus
        self._engine = Engine(directory)
        self._images = Images(self._engine)
        self._directory = directory
        self._records = Records(directory / "machines")
        self._shelters = Shelters(self._records.folder)
        self._volumes = Volumes(directory / "volumes", self._shelters)
        self._consoles = Consoles(self._engine, directory / "tty", self._container_id)
        self._exits = Exits()
        self._restarts = Restarts(self._start_again)
        self._insides = insides = Insides(self._engine, self._records, self._pid)
        self._health = HealthChecks(self._records, insides.execute, self._exits.tell)
        self.execute, self.log, self.stats = insides.execute, insides.log, insides.stats
        self.processes = insides.processes
        self.copy_in, self.copy_out = insides.copy_in, insides.copy_out
        self.open_session, self.session_path = self._consoles.open_session, self._consoles.session

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        if only is not None and not self._records.folder(only).exists():
            return {}  # its folder is made first and removed last
        with told_as("The container engine does not answer."):
            listed = await self._list()
            if any(is_broken(line) for line in listed.values()):
                # Or it ended as we looked. The last to leave is its conmon, after podman wrote that down.
                listed = await self._list()
        seen = {}
        for id in {*self._records.ids(), *listed}:
            if only not in (None, id):
                continue
            record = self._records.read(id)
            seen[id] = self._health.with_mark(self._with_volumes(seen_as(id, record, listed.get(id)), record))
        return seen

    def _with_volumes(self, seen: Seen, record: Record | None) -> Seen:
        if record is None:
            return seen
        volumes = self._volumes.mark(record.spec, running=seen.power in ("running", "paused"))
        return msgspec.structs.replace(seen, marks=seen.marks | {"volumes": volumes})

    async def create(self, spec: MachineSpec) -> None:
        disk = spec.disk
        if disk is None:
            raise DriverError("A container starts from an image; a volume can be mounted into it.", again=False)
        if disk.format != "oci":
            raise DriverError(f"A container needs an OCI image, and this one is {disk.format}.", again=False)
        if self._records.read(spec.id) is not None:
            await self._settled(spec.id)
            if await self._state(spec.id) is not None:
                return
        files = files_tar(spec)
        with told_as("The container could not be made."):
            await self._discard(name_of(spec.id))
            self._records.make(spec.id)
            async with self._images.from_archive(disk.path, disk.size_gib) as image_id:
                base = await self._shelters.base(spec.id)
                words = self._arguments(spec, image_id, base)
                container_id = (await self._engine.run(*words)).strip()
            await self._engine.run("cp", "-", f"{name_of(spec.id)}:/", stdin=files)
        without_files = msgspec.structs.replace(spec, files={})
        self._records.write(spec.id, Record(without_files, spec.marks, container_id, base=base))

    async def shelter(self, id: str, netns: str) -> bool:
        with told_as("The container's network could not be prepared."):
            record = self._records.read(id)
            if record is not None and await self._state(id) in LIVING:
                return False  # whatever it has, it keeps until it is started again
            self._records.make(id)
            return await self._shelters.make(id, netns)

    async def start(self, id: str, marks: dict[str, str]) -> None:
        record = await self._settled(id)
        self._restarts.forget(id)
        # First, so that a container which fails at once is not taken for one that we stopped.
        self._records.write(id, msgspec.structs.replace(record, stopping=False))
        with told_as("The container could not be started."):
            state = await self._mended(record)
            if state == "paused":
                await self._engine.run("unpause", name_of(id))
            if state not in LIVING and record.base != await self._shelters.base(id):
                record = await self._remake(record, record.spec)
            await self._run(record)
        # Last, so that new marks are never seen on a container that has yet to be started.
        self._records.write(id, msgspec.structs.replace(record, stopping=False, started=True, marks=marks, restarts=0))
        self._health.forget(id)
        self._follow_new(id)

    async def stop(self, id: str, grace_s: float) -> bool:
        record = self._records.read(id)
        if record is None:
            return True
        self._restarts.forget(id)
        self._records.write(id, msgspec.structs.replace(record, stopping=True))
        with told_as("The container could not be stopped."):
            state = await self._state(id)
            if state not in LIVING:
                await self._volumes.rest(record.spec)
                return True
            state = await self._mended(record)
            if state == "paused":
                await self._engine.run("unpause", name_of(id))
            if state in LIVING:
                await self._stop(record, grace_s)
            await self._volumes.rest(record.spec)
            return await self._inspect(id, "{{.State.ExitCode}}") != str(KILLED)

    async def remove(self, id: str) -> None:
        await self._consoles.close(id)
        self._exits.forget(id)
        self._restarts.forget(id)
        self._health.forget(id)
        with told_as("The container could not be removed."):
            record = self._records.read(id)
            if record is not None:
                await self._mended(record)
            await self._discard(name_of(id))
            if record is not None:
                await self._engine.forget(record.container_id)
            if record is None or record.resizing:
                await self._discard(name_of(id) + NEXT)
            await self._volumes.forget(id)
            await self._shelters.unmake(id)
        self._records.remove(id)

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        return await asyncio.to_thread(read_log, self._records.folder(id) / "console.log", limit_bytes)

    async def watch(self) -> AsyncIterator[str]:
        """Also what makes a policy of restarting work, for as long as it is read."""
        self._health.begin()
        try:
            for id in self._records.ids():
                self._follow(id)
            await self._restart(*self._records.ids())
            while True:
                id = await self._exits.next()
                yield id
                await self._restart(id)
        finally:
            self._health.close()
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
        self._keep_spec(record, nics=(*others, nic), volumes=record.spec.volumes)

    async def detach_nic(self, id: str, port_id: str) -> None:
        """The wire driver takes the link out; only our note of it is left to strike."""
        record = await self._settled(id)
        left = tuple(each for each in record.spec.nics if each.port_id != port_id)
        self._keep_spec(record, nics=left, volumes=record.spec.volumes)

    async def attach_volume(self, id: str, volume: VolumeDisk) -> None:
        record = await self._settled(id)
        others = [each for each in record.spec.volumes if each.id != volume.id]
        # First, so that whatever comes of it is found, and taken away again if it is not wanted any more.
        record = self._keep_spec(record, nics=record.spec.nics, volumes=(*others, volume))
        try:
            with told_as("The volume could not be attached."):
                await self._volumes.plug(record.spec, volume, await self._pid(id))
        except DriverError as e:
            if not e.again:
                await self.detach_volume(id, volume.id)
            raise

    async def detach_volume(self, id: str, attachment_id: str) -> None:
        record = await self._settled(id)
        found = [each for each in record.spec.volumes if each.id == attachment_id]
        with told_as("The volume could not be detached."):
            await self._volumes.unplug(attachment_id, found[0].at if found else "", await self._pid(id))
        left = tuple(each for each in record.spec.volumes if each.id != attachment_id)
        self._keep_spec(record, nics=record.spec.nics, volumes=left)

    async def resize_volume(self, id: str, attachment_id: str, size_gib: int) -> None:
        record = await self._settled(id)
        grown = [
            msgspec.structs.replace(each, size_gib=size_gib) if each.id == attachment_id else each
            for each in record.spec.volumes
        ]
        with told_as("The container could not be told that its volume has grown."):
            for volume in grown:
                if volume.id == attachment_id:
                    await self._volumes.grow(record.spec, volume, await self._pid(id))
        self._keep_spec(record, nics=record.spec.nics, volumes=tuple(grown))

    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        record = await self._settled(id)
        part = Path(f"{path}.part")
        await asyncio.to_thread(part.unlink, missing_ok=True)
        with told_as("The container's content could not be saved."):
            await self._images.save(name_of(id), part, record.base)
        await asyncio.to_thread(part.replace, path)
        return "oci"

    async def export_disk(self, id: str, name: str, path: str) -> Literal["qcow2", "oci"]:
        """All that it has is its layer; volumes are elsewhere."""
        await self.snapshot(id, path)
        return "oci"

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
        """podman forgets changed limits when a container restarts, so it is made again around its content."""
        record = await self._settled(id)
        assert record.spec.disk is not None
        disk = msgspec.structs.replace(record.spec.disk, size_gib=disk_gib)
        size = {"vcpus": vcpus, "memory_mib": memory_mib, "disk": disk, "topology": topology}
        changed = msgspec.structs.replace(record.spec, **size)
        has = (record.spec.vcpus, record.spec.memory_mib, record.spec.topology)
        same = has == (vcpus, memory_mib, topology)
        if same and (disk == record.spec.disk or not has_quota(self._directory)):
            self._records.write(id, msgspec.structs.replace(record, spec=changed))
            return
        with told_as("The container could not be resized."):
            await self._remake(record, changed)

    async def adjust(self, id: str, vcpus: int, memory_mib: int, cpus: float) -> None:
        """podman would forget them at the next start; we do not."""
        record = await self._settled(id)
        spec = msgspec.structs.replace(record.spec, vcpus=vcpus, memory_mib=memory_mib, cpus=cpus)
        changed = msgspec.structs.replace(record, spec=spec, adjusted=True)
        with told_as("The container could not be given other limits."):
            if await self._state(id) in LIVING:
                await self._limit(changed)
        self._records.write(id, changed)

    async def _limit(self, record: Record) -> None:
        spec = record.spec
        memory = spec.memory_mib << 20
        await self._engine.limit(record.container_id, memory_bytes=memory, cpus=spec.cpus or float(spec.vcpus))

    async def kill(self, id: str, signal: str) -> None:
        """Whoever is ended by it is not started again: as if it had been stopped."""
        record = await self._settled(id)
        self._restarts.forget(id)
        if signal in ENDING:
            self._records.write(id, msgspec.structs.replace(record, stopping=True))
        await self._insides.kill(id, signal)

    async def resize_terminal(self, id: str, session: str | None, rows: int, columns: int) -> None:
        self._consoles.resize(id, session, rows, columns)

    def serial_path(self, id: str) -> str:
        return self._consoles.path(id)

    async def _list(self) -> dict[str, Listed]:
        lines = map(read_line, (await self._engine.run("ps", "--all", f"--format={LINE}")).splitlines())
        return {
            id: msgspec.structs.replace(line, tended=has_conmon(self._conmon(id)))
            for line in lines
            if line.name.startswith(NAME_PREFIX) and not line.name.endswith(NEXT)
            for id in (line.name.removeprefix(NAME_PREFIX),)
        }

    async def _mended(self, record: Record) -> str | None:
        """Its state by podman's word, after taking out of podman's way what it has lost the hold of."""
        id = record.spec.id
        state = await self._state(id)
        if state in LIVING and not has_conmon(self._conmon(id)):
            # Or it ended as we looked, and podman knows by now.
            state = await self._state(id)
            if state in LIVING:
                log.warning("Container %s has lost its conmon and is ended by force.", id)
                state = await self._end(record)
        return state

    async def _end(self, record: Record) -> str | None:
        id = record.spec.id
        await self._engine.end(record.container_id)
        await self._engine.run("container", "cleanup", name_of(id))
        return await self._state(id)

    async def _stop(self, record: Record, grace_s: float) -> None:
        """An engine that cannot is done without."""
        try:
            async with asyncio.timeout(grace_s + STOPS_WITHIN_S):
                await self._engine.run(*stop_arguments(record.spec.id, grace_s))
        except (EngineRefused, TimeoutError) as e:
            log.warning("Container %s did not stop and is ended by force: %s", record.spec.id, e)
            await self._end(record)

    async def _run(self, record: Record) -> None:
        id = record.spec.id
        async with self._shelters.joined(id, record.spec.netns) as hooks:
            if (record.spec.volumes or record.adjusted) and (state := await self._state(id)) not in LIVING:
                # The container waits with everything made, so that its first program finds them.
                if state != "initialized":
                    await self._tidied(record)
                    await self._engine.run(f"--hooks-dir={hooks}", "init", name_of(id))
                for volume in record.spec.volumes:
                    await self._volumes.plug(record.spec, volume, await self._pid(id))
                if record.adjusted:
                    await self._limit(record)
            await self._engine.run(f"--hooks-dir={hooks}", "start", name_of(id))

    async def _tidied(self, record: Record) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIDIES_WITHIN_S):
                while is_tidying_up(self._conmon(record.spec.id), record.container_id):
                    await asyncio.sleep(0.05)

    async def _remake(self, record: Record, spec: MachineSpec) -> Record:
        """Around its content, with other limits or other ids on the host."""
        id = spec.id
        saved = self._records.folder(id) / "content.tar"
        base = await self._shelters.base(id)
        try:
            await self._images.save(name_of(id), saved, record.base)
            async with self._images.from_archive(str(saved)) as image_id:
                self._records.write(id, msgspec.structs.replace(record, resizing=True))
                words = self._arguments(spec, image_id, base)
                words[words.index(f"--name={name_of(id)}")] += NEXT
                container_id = (await self._engine.run(*words)).strip()
                await self._discard(name_of(id))
            await self._engine.run("rename", name_of(id) + NEXT, name_of(id))
        finally:
            saved.unlink(missing_ok=True)
        made = msgspec.structs.replace(record, spec=spec, container_id=container_id, base=base, adjusted=False)
        self._records.write(id, made)
        return made

    def _arguments(self, spec: MachineSpec, image_id: str, base: int) -> list[str]:
        folder, quota = self._records.folder(spec.id), has_quota(self._directory)
        return create_arguments(spec, image_id, folder, base, quota=quota, shared=self._shared_cpus)

    def _conmon(self, id: str) -> Path:
        return self._records.folder(id) / "conmon.pid"

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
                # "[0:base:size]", or nothing of one made before there were user namespaces.
                uids = (await self._inspect(id, "{{with .HostConfig.IDMappings}}{{.UIDMap}}{{end}}") or "").split(":")
            base = int(uids[1]) if len(uids) == 3 else None
            record = msgspec.structs.replace(record, resizing=False, container_id=container_id, base=base)
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
            if exit_code is not None and wants_restart(record.spec, exit_code, record.restarts):
                self._restarts.ended(id)

    async def _start_again(self, id: str) -> None:
        record = self._records.read(id)
        if record is None or record.stopping:
            return
        self._records.write(id, msgspec.structs.replace(record, restarts=record.restarts + 1))
        with told_as("The container could not be started again."):
            await self._run(record)
        self._follow_new(id)

    def _keep_spec(self, record: Record, *, nics: tuple[Nic, ...], volumes: tuple[VolumeDisk, ...]) -> Record:
        spec = msgspec.structs.replace(record.spec, nics=nics, volumes=volumes)
        record = msgspec.structs.replace(record, spec=spec)
        self._records.write(spec.id, record)
        return record

    async def _discard(self, name: str) -> None:
        for pause_s in (0.2, 1.0, 5.0, None):
            try:
                await self._engine.run("rm", "--force", "--ignore", "--time=0", "--volumes", name)
                return
            except EngineRefused as e:
                # Who tidies up after the run before this one may still have its hands on the folder.
                if pause_s is None or "resource busy" not in str(e):
                    raise
                await asyncio.sleep(pause_s)

    async def _state(self, id: str) -> str | None:
        """podman's word for it; None if there is no such container."""
        return await self._inspect(id, "{{.State.Status}}")

    async def _pid(self, id: str) -> int | None:
        """Of its first process, if it runs or waits to."""
        return int(await self._inspect(id, "{{.State.Pid}}") or 0) or None

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
        return self._exits.follow(id, self._conmon(id))

    def _follow_new(self, id: str) -> None:
        """One that fails at once may be gone before podman has said that it started: an end like any other."""
        if not self._follow(id):
            self._exits.tell(id)
