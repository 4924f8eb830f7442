"""What the kernel says of a container's processes: those that share the namespace of its first one.

Read from /proc and by no program whose arguments a tenant chose, so nothing of the host shows.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trivet.drivers.contracts.container import ROWS_MAX, Processes

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST = 1024


class Look(NamedTuple):
    at: float
    cpu_s: float
    memory_bytes: int
    read_bytes: int
    written_bytes: int


class _Process(NamedTuple):
    """Numbers as /proc/PID/stat has them."""

    pid: int
    inner: int
    uid: int
    state: str
    parent: int
    terminal: int
    ticks: int
    priority: int
    nice: int
    began: int
    virtual: int
    resident: int
    name: str
    command: str


def namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def _ids(first: int) -> Iterator[int]:
    wanted = namespace(first)
    for entry in os.scandir("/proc"):
        if wanted is not None and entry.name.isdigit() and namespace(int(entry.name)) == wanted:
            yield int(entry.name)


def _read(pid: int) -> _Process | None:
    folder = Path(f"/proc/{pid}")
    try:
        name, _, rest = folder.joinpath("stat").read_text(errors="replace").partition("(")[2].rpartition(")")
        fields = rest.split()
        status = dict(line.partition(":")[::2] for line in folder.joinpath("status").read_text().splitlines())
        words = folder.joinpath("cmdline").read_bytes()[:_LONGEST].rstrip(b"\0").replace(b"\0", b" ")
    except (OSError, ValueError):
        return None
    return _Process(
        pid=pid,
        inner=int(status["NSpid"].split()[-1]),
        uid=int(status["Uid"].split()[0]),
        state=fields[0],
        parent=int(fields[1]),
        terminal=int(fields[4]),
        ticks=int(fields[11]) + int(fields[12]),
        priority=int(fields[15]),
        nice=int(fields[16]),
        began=int(fields[19]),
        virtual=int(fields[20]),
        resident=int(fields[21]) * _PAGE,
        name=name,
        command=words.decode(errors="replace"),
    )


def _all(first: int) -> list[_Process]:
    found = [process for pid in _ids(first) if (process := _read(pid)) is not None]
    return sorted(found, key=lambda process: process.inner)[:ROWS_MAX]


def look(first: int) -> Look:
    found = _all(first)
    read = written = 0
    for process in found:
        for line in _lines(f"/proc/{process.pid}/io"):
            name, _, number = line.partition(":")
            read += int(number) if name == "read_bytes" else 0
            written += int(number) if name == "write_bytes" else 0
    cpu_s = sum(process.ticks for process in found) / _TICKS
    return Look(time.monotonic(), cpu_s, sum(process.resident for process in found), read, written)


def network(first: int) -> tuple[int, int]:
    """Bytes received and sent, by all of its links but the one to itself."""
    received = sent = 0
    for line in _lines(f"/proc/{first}/net/dev"):
        name, colon, numbers = line.partition(":")
        if colon and name.strip() != "lo":
            fields = numbers.split()
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def table(first: int, base: int, columns: tuple[str, ...]) -> Processes:
    """`base`: the host's number of the container's root."""
    found = _all(first)
    inner = {process.pid: process.inner for process in found}
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    rows = []
    for process in found:
        minutes, seconds = divmod(process.ticks // _TICKS, 60)
        hours, minutes = divmod(minutes, 60)
        said = {
            "UID": str(process.uid - base),
            "PID": str(process.inner),
            "PPID": str(inner.get(process.parent, 0)),
            "C": "0",
            "STIME": time.strftime("%H:%M", time.gmtime(booted + process.began / _TICKS)),
            "TTY": f"pts/{process.terminal & 0xFF}" if process.terminal else "?",
            "TIME": f"{hours:02}:{minutes:02}:{seconds:02}",
            "CMD": process.command or f"[{process.name}]",
            "COMMAND": process.command or f"[{process.name}]",
            "RSS": str(process.resident >> 10),
            "VSZ": str(process.virtual >> 10),
            "STAT": process.state,
            "NI": str(process.nice),
            "PRI": str(process.priority),
            "%MEM": f"{process.resident / memory * 100:.1f}",
        }
        rows.append(tuple(said[column] for column in columns))
    return Processes(columns, tuple(rows))
