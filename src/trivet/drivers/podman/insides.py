"""The insides of containers: commands run in them, what they wrote, what runs in them, files in and out.

Whatever is run is bounded in time and output and killed whole; what it runs in is the container, with its limits.
"""

import asyncio
import io
import logging
import os
import signal
import sys
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.container import (
    ARCHIVE_MAX,
    EXECUTED_S,
    OUTPUT_MAX,
    Archive,
    Executed,
    Log,
    Processes,
    ReadLog,
    Stats,
)
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman import copying, proc
from trivet.drivers.podman.definition import name_of
from trivet.drivers.podman.engine import Engine, EngineRefused
from trivet.drivers.podman.log_lines import read_lines
from trivet.drivers.podman.records import Record, Records
from trivet.drivers.podman.trouble import told_as
from trivet.drivers.programs import Bounds, Ended, Exceeded

_logger = logging.getLogger(__name__)
_COPYING = str(Path(copying.__file__))
_COPY_BOUNDS = Bounds(seconds=60, output_bytes=ARCHIVE_MAX + (64 << 10), memory_bytes=512 << 20, gentle=True)
_PODMAN_BOUNDS = _COPY_BOUNDS._replace(memory_bytes=None)
"""A program in Go reserves more addresses than it ever uses."""
_CPU_LOOK_S = 0.5
_NOT_FOUND, _NOT_RUNNABLE = 127, 126
_WHY_COPY = {
    copying.ABSENT: "There is no such file or folder in the container.",
    copying.NO_FOLDER: "There is no such folder in the container.",
    copying.NO_ARCHIVE: "It is no plain tar archive.",
    copying.TOO_LARGE: f"It holds more than {ARCHIVE_MAX} bytes, which is more than one copy may.",
}

Pid = Callable[[str], Awaitable[int | None]]


class Insides:
    def __init__(self, engine: Engine, records: Records, pid: Pid) -> None:
        self._engine = engine
        self._records = records
        self._pid = pid

    async def execute(self, id: str, command: tuple[str, ...], within_s: float = EXECUTED_S) -> Executed:
        record = self._need(id)
        pid_file = self._engine.scratch(f"exec-{os.urandom(8).hex()}")
        words = ("runc", "exec", f"--pid-file={pid_file}", record.container_id, *command)
        try:
            ended = await self._engine.bounded(words, Bounds(seconds=within_s, output_bytes=OUTPUT_MAX))
        except Exceeded as over:
            raise DriverError(over.why.replace("runc", "The command"), again=False) from over
        finally:
            await asyncio.to_thread(_end_left, pid_file, await self._pid(id))
        return _executed(ended)

    async def log(self, id: str, wanted: ReadLog) -> Log:
        path = self._records.folder(id) / "console.log"
        return Log(await asyncio.to_thread(read_lines, path, wanted, OUTPUT_MAX))

    async def stats(self, id: str) -> Stats:
        record, pid = await self._running(id)
        before = await asyncio.to_thread(proc.look, pid)
        await asyncio.sleep(_CPU_LOOK_S)
        after = await asyncio.to_thread(proc.look, pid)
        received, sent = await asyncio.to_thread(proc.network, pid)
        return Stats(
            cpu_percent=max(after.cpu_s - before.cpu_s, 0.0) / max(after.at - before.at, 0.001) * 100,
            memory_bytes=after.memory_bytes,
            memory_most_bytes=record.spec.memory_mib << 20,
            read_bytes=after.read_bytes,
            written_bytes=after.written_bytes,
            received_bytes=received,
            sent_bytes=sent,
        )

    async def processes(self, id: str, columns: tuple[str, ...]) -> Processes:
        record, pid = await self._running(id)
        return await asyncio.to_thread(proc.table, pid, record.base or 0, columns)

    async def copy_out(self, id: str, path: str) -> Archive:
        self._need(id)
        pid = await self._pid(id)
        try:
            if pid is not None:
                ended = await programs.run(_words("out", pid, path), bounds=_COPY_BOUNDS)
            else:
                words = self._engine.words("cp", f"{name_of(id)}:{path}", "-")
                ended = await self._engine.bounded(words, _PODMAN_BOUNDS)
        except Exceeded as over:
            raise DriverError(_WHY_COPY[copying.TOO_LARGE], again=False) from over
        _check_copied(ended)
        return _archive(ended.out)

    async def copy_in(self, id: str, path: str, archive: bytes) -> None:
        self._need(id)
        if len(archive) > ARCHIVE_MAX:
            raise DriverError(_WHY_COPY[copying.TOO_LARGE], again=False)
        pid = await self._pid(id)
        try:
            if pid is not None:
                ended = await programs.run(_words("in", pid, path), bounds=_COPY_BOUNDS, given=archive)
            else:
                await asyncio.to_thread(_check_archive, archive)
                words = self._engine.words("cp", "-", f"{name_of(id)}:{path}")
                ended = await self._engine.bounded(words, _PODMAN_BOUNDS, archive)
        except Exceeded as over:
            raise DriverError("Unpacking the archive took too much.", again=False) from over
        _check_copied(ended)

    async def kill(self, id: str, signal: str) -> None:
        with told_as("The container could not be sent a signal."):
            try:
                await self._engine.run("kill", f"--signal={signal}", name_of(id))
            except EngineRefused as refusal:
                if "can only kill running containers" in str(refusal):
                    raise DriverError("The container does not run.", again=False) from refusal
                raise

    def _need(self, id: str) -> Record:
        record = self._records.read(id)
        if record is None:
            raise DriverError("The container is not here.", again=False)
        return record

    async def _running(self, id: str) -> tuple[Record, int]:
        record = self._need(id)
        pid = await self._pid(id)
        if pid is None:
            raise DriverError("The container does not run.", again=False)
        return record, pid


def _executed(ended: Ended) -> Executed:
    said = ended.err
    if b"OCI runtime" in said or b"exec failed" in said:
        if b"executable file not found" in said or b"no such file or directory" in said:
            return Executed(b"The program is not there.\n", _NOT_FOUND)
        if b"permission denied" in said:
            return Executed(b"The program may not be run.\n", _NOT_RUNNABLE)
    if b"container not running" in said or b"cannot exec in a stopped" in said or b"does not exist" in said[:200]:
        raise DriverError("The container does not run.", again=False)
    return Executed((ended.out + said)[:OUTPUT_MAX], ended.code)


def _end_left(pid_file: Path, inside: int | None) -> None:
    """A command whose runc was killed goes on in the container: it is ended, if it is still what we started there."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        pid = int(pid_file.read_text())
        fd = os.pidfd_open(pid)
        try:
            if inside is not None and proc.namespace(pid) == proc.namespace(inside):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
    pid_file.unlink(missing_ok=True)


def _words(way: str, pid: int, path: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", _COPYING, way, str(pid), path)


def _check_copied(ended: Ended) -> None:
    if ended.code == 0:
        return
    said = ended.err.decode(errors="replace")
    if "could not be found" in said or "no such file" in said.lower():
        raise DriverError(_WHY_COPY[copying.ABSENT], again=False)
    if "destination must be a directory" in said:
        raise DriverError(_WHY_COPY[copying.NO_FOLDER], again=False)
    if ended.code == copying.REFUSED and len(said) <= 200:
        raise DriverError(f"The copy was cut short: {said}.", again=False)
    _logger.warning("Files could not be copied (%d): %s", ended.code, said[:1000])
    raise DriverError(_WHY_COPY.get(ended.code, "The files could not be copied."), again=False)


def _check_archive(archive: bytes) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for _ in tar:
                pass
    except (tarfile.TarError, ValueError) as error:
        raise DriverError(_WHY_COPY[copying.NO_ARCHIVE], again=False) from error


def _archive(content: bytes) -> Archive:
    """With what is known of its first entry, which is what was asked for."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            first = tar.next()
    except (tarfile.TarError, ValueError) as error:
        raise DriverError("The files could not be copied.", again=False) from error
    if first is None:
        raise DriverError(_WHY_COPY[copying.ABSENT], again=False)
    name = first.name.rstrip("/").rpartition("/")[2]
    return Archive(content, name, first.size, first.mode, float(first.mtime), first.linkname)
