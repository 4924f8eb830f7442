"""What a simulated container answers: it runs nothing, and says so; files that are copied in can be copied out."""

import io
import tarfile
from collections.abc import Callable

from trivet.drivers.contracts.container import (
    ARCHIVE_MAX,
    Archive,
    Executed,
    Log,
    Processes,
    ReadLog,
    Stats,
)
from trivet.drivers.contracts.errors import DriverError

_MEMORY = 1 << 20


class SimInsides:
    """The insides of all containers of one simulated host. `exits` ends one by a signal; `power` says how it is."""

    def __init__(self, power: Callable[[str], str], exits: Callable[[str], None], log: Callable[[str], bytes]) -> None:
        self._power = power
        self._exits = exits
        self._log = log
        self._files: dict[str, dict[str, tuple[tarfile.TarInfo, bytes]]] = {}

    def forget(self, id: str) -> None:
        self._files.pop(id, None)

    async def execute(self, id: str, command: tuple[str, ...]) -> Executed:
        self._need_running(id)
        if command[0] == "echo":
            return Executed(" ".join(command[1:]).encode() + b"\n", 0)
        return Executed(f"Nothing runs in a simulation: {command[0]}\n".encode(), 127)

    async def log(self, id: str, wanted: ReadLog) -> Log:
        lines = self._log(id).splitlines(keepends=True) if wanted.stdout else []
        return Log(b"".join(lines if wanted.tail is None else lines[max(len(lines) - wanted.tail, 0) :]))

    async def stats(self, id: str) -> Stats:
        self._need_running(id)
        return Stats(0.0, _MEMORY, _MEMORY, 0, 0, 0, 0)

    async def processes(self, id: str, columns: tuple[str, ...]) -> Processes:
        self._need_running(id)
        said = {"PID": "1", "CMD": "simulated", "COMMAND": "simulated", "UID": "root"}
        return Processes(columns, (tuple(said.get(column, "0") for column in columns),))

    async def kill(self, id: str, signal: str) -> None:
        self._need_running(id)
        if signal in ("SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT"):
            self._exits(id)

    async def copy_in(self, id: str, path: str, archive: bytes) -> None:
        self._power(id)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    if file is not None:
                        name = f"{path.rstrip('/')}/{member.name}"
                        self._files.setdefault(id, {})[name] = member, file.read(ARCHIVE_MAX)
        except tarfile.TarError as error:
            raise DriverError("It is no tar archive.", again=False) from error

    async def copy_out(self, id: str, path: str) -> Archive:
        self._power(id)
        found = self._files.get(id, {}).get(path)
        if found is None:
            raise DriverError(f"There is no {path} in the container.", again=False)
        member, content = found
        written = io.BytesIO()
        member.name = path.rpartition("/")[2]
        with tarfile.open(fileobj=written, mode="w") as tar:
            tar.addfile(member, io.BytesIO(content))
        return Archive(written.getvalue(), member.name, member.size, member.mode, float(member.mtime))

    def _need_running(self, id: str) -> None:
        if self._power(id) != "running":
            raise DriverError("The container does not run.", again=False)
