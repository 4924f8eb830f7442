"""Containers: what can be asked of one besides what every machine does, and how it is answered.

A question is plain data, so that it reaches an engine on any host; each has one verb here that answers it. What it
runs is said here, too.
"""

from typing import Annotated, Literal, Protocol, runtime_checkable

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.patience import LOOK_S, PLAIN_S, within

OUTPUT_MAX = 1 << 20
"""Bytes of what a command or a log says."""
ARCHIVE_MAX = 4 << 20
"""Bytes of an archive that is copied in or out in one call."""
EXECUTED_S = 30.0
"""How long a command may take whose output somebody waits for."""
ROWS_MAX = 4096


class HealthCheck(msgspec.Struct, frozen=True):
    """What is run in a container now and then to see whether it is well: it is if that ends with 0."""

    command: str
    """For the container's own shell."""
    every_s: int = 30
    within_s: int = 30
    failures: int = 3
    """So many in a row, and it is not well."""


Restart = Literal["no", "on-failure", "always"]


class Program(msgspec.Struct, frozen=True):
    """What a container runs, where somebody said it; the image says the rest."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str] = {}
    workdir: str | None = None
    restart: Restart = "no"
    restarts_most: int = 0
    """0: however often it fails."""
    stdin: bool = False
    """What it reads stays open for whoever attaches to it."""
    tty: bool = False
    health: HealthCheck | None = None


class Execute(msgspec.Struct, frozen=True, tag="execute"):
    """A program in the running container, to its end."""

    command: tuple[str, ...]


class ReadLog(msgspec.Struct, frozen=True, tag="log"):
    stdout: bool = True
    stderr: bool = True
    timestamps: bool = False
    tail: int | None = None
    """Lines, the newest; None: all that are kept."""
    since: float | None = None


class ReadStats(msgspec.Struct, frozen=True, tag="stats"):
    pass


class ReadProcesses(msgspec.Struct, frozen=True, tag="processes"):
    columns: tuple[str, ...]
    """Of COLUMNS."""


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    signal: str
    """As SIGKILL."""


class CopyOut(msgspec.Struct, frozen=True, tag="copy_out"):
    path: str


class CopyIn(msgspec.Struct, frozen=True, tag="copy_in"):
    path: str
    """The folder that the archive is unpacked in."""
    archive: bytes


class OpenSession(msgspec.Struct, frozen=True, tag="open_session"):
    """A program on a terminal of its own, which begins when somebody connects to it."""

    session: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    command: tuple[str, ...]


class ResizeTerminal(msgspec.Struct, frozen=True, tag="resize_terminal"):
    session: str | None
    """None: the container's own."""
    rows: int
    columns: int


Question = Execute | ReadLog | ReadStats | ReadProcesses | Kill | CopyOut | CopyIn | OpenSession | ResizeTerminal

COLUMNS = (
    "UID",
    "PID",
    "PPID",
    "C",
    "STIME",
    "TTY",
    "TIME",
    "CMD",
    "RSS",
    "VSZ",
    "STAT",
    "NI",
    "PRI",
    "%MEM",
    "COMMAND",
)
"""What can be told of a process."""


class Executed(msgspec.Struct, frozen=True):
    output: bytes
    exit_code: int


class Log(msgspec.Struct, frozen=True):
    text: bytes


class Stats(msgspec.Struct, frozen=True):
    cpu_percent: float
    memory_bytes: int
    memory_most_bytes: int
    read_bytes: int
    written_bytes: int
    received_bytes: int
    sent_bytes: int


class Processes(msgspec.Struct, frozen=True):
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Archive(msgspec.Struct, frozen=True):
    archive: bytes
    name: str
    size: int
    mode: int
    mtime: float
    link_target: str = ""


class Done(msgspec.Struct, frozen=True):
    pass


Answer = Executed | Log | Stats | Processes | Archive | Done


@runtime_checkable
class Containers(Protocol):
    """Only of a container that is here; DriverError says what is in the way."""

    @within(PLAIN_S, about="id", looks=True)
    async def execute(self, id: str, command: tuple[str, ...]) -> Executed: ...

    @within(LOOK_S, about="id", looks=True)
    async def log(self, id: str, wanted: ReadLog) -> Log: ...

    @within(LOOK_S, about="id", looks=True)
    async def stats(self, id: str) -> Stats: ...

    @within(LOOK_S, about="id", looks=True)
    async def processes(self, id: str, columns: tuple[str, ...]) -> Processes: ...

    @within(PLAIN_S, about="id")
    async def kill(self, id: str, signal: str) -> None: ...

    @within(PLAIN_S, about="id", looks=True)
    async def copy_out(self, id: str, path: str) -> Archive: ...

    @within(PLAIN_S, about="id", looks=True)
    async def copy_in(self, id: str, path: str, archive: bytes) -> None: ...

    @within(LOOK_S, about="id", looks=True)
    async def open_session(self, id: str, session: str, command: tuple[str, ...]) -> None:
        """It ends by itself if nobody connects for a while."""
        ...

    @within(LOOK_S, about="id", looks=True)
    async def resize_terminal(self, id: str, session: str | None, rows: int, columns: int) -> None: ...

    def session_path(self, id: str, session: str | None) -> str:
        """A Unix stream socket that carries the session's terminal, or with None what the container's own program
        reads and writes."""
        ...


@runtime_checkable
class LiveResizing(Protocol):
    @within(PLAIN_S, about="id")
    async def adjust(self, id: str, vcpus: int, memory_mib: int, cpus: float) -> None:
        """Other limits, without a stop if it runs."""
        ...


async def answer(driver: object, id: str, question: Question) -> bytes:
    """By the one verb of the driver that it is for, as text that the asker can read."""
    if not isinstance(driver, Containers):
        raise DriverError("this host's engine cannot be asked that", again=False)
    return msgspec.json.encode(await _answer(driver, id, question))


async def _answer(driver: Containers, id: str, question: Question) -> Answer:
    match question:
        case Execute(command=command):
            return await driver.execute(id, command)
        case ReadLog():
            return await driver.log(id, question)
        case ReadStats():
            return await driver.stats(id)
        case ReadProcesses(columns=columns):
            return await driver.processes(id, columns)
        case CopyOut(path=path):
            return await driver.copy_out(id, path)
        case Kill(signal=signal):
            await driver.kill(id, signal)
        case CopyIn(path=path, archive=archive):
            await driver.copy_in(id, path, archive)
        case OpenSession(session=session, command=command):
            await driver.open_session(id, session, command)
        case ResizeTerminal(session=session, rows=rows, columns=columns):
            await driver.resize_terminal(id, session, rows, columns)
    return Done()
