"""What podman and our record say of a container, together: its power, how it ended, what it wrote."""

from pathlib import Path

import msgspec

from trivet.drivers.contracts.machine import Power, Seen, shape_of
from trivet.drivers.podman.records import Record
from trivet.drivers.podman.restarts import wants_restart

LINE = "{{.Names}}|{{.ListContainer.State}}|{{.ExitCode}}|{{.Pid}}"
"""What is asked of `podman ps`, and not all that it knows: a tenant's labels and command may be megabytes."""


LIVING = frozenset(("running", "stopping", "paused"))
"""As podman says it."""


class Listed(msgspec.Struct, frozen=True):
    """A line of `podman ps`."""

    name: str
    state: str
    exit_code: int
    pid: int
    tended: bool = True
    """Its conmon lives, which takes its output and sees its end."""


def read_line(line: str) -> Listed:
    name, state, exit_code, pid = line.split("|")
    return Listed(name, state, int(exit_code), int(pid))


def is_broken(line: Listed) -> bool:
    """The engine lost it: nobody sees its end, and no verb of podman's works on it."""
    return line.state in LIVING and (not line.tended or not Path(f"/proc/{line.pid}").exists())


def seen_as(id: str, record: Record | None, line: Listed | None) -> Seen:
    if record is None or line is None:
        return Seen(id=id, power="stopped", marks=_marks(record) if record else {})
    return Seen(id=id, power=_power(record, line), marks=_marks(record), exit_code=own_end(record, line))


def _marks(record: Record) -> dict[str, str]:
    """With the ports and the size it has by now, which may be others than at its start."""
    return record.marks | {
        "nics": ",".join(nic.port_id for nic in record.spec.nics),
        "shape": shape_of(record.spec),
    }


def _power(record: Record, line: Listed) -> Power:
    if is_broken(line):
        return "crashed"
    if line.state == "paused":
        return "paused"
    if line.state in {"running", "stopping"}:
        return "running"
    exit_code = own_end(record, line)
    if exit_code is None:
        lost = record.started and not record.stopping and line.state in {"created", "configured"}
        return "crashed" if lost else "stopped"
    if wants_restart(record.spec, exit_code, record.restarts):
        # Between two runs, but it goes on, as a Pod does; the exit code beside it tells the difference.
        return "running"
    return "crashed" if exit_code != 0 else "stopped"


def own_end(record: Record, line: Listed) -> int | None:
    """The exit code of a container that ended without our asking."""
    return line.exit_code if line.state in {"exited", "stopped"} and not record.stopping else None


def read_log(path: Path, limit_bytes: int) -> bytes:
    """conmon writes "time stream F|P text" a line; P marks a line that goes on in the next."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return b""
    text = bytearray()
    for line in lines:
        _, _, rest = line.partition(b" ")
        _, _, rest = rest.partition(b" ")
        flag, _, words = rest.partition(b" ")
        text += words.rstrip(b"\n") if flag == b"P" else words
    return bytes(text[-limit_bytes:]) if limit_bytes > 0 else b""
