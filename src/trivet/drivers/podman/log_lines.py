"""What a container wrote, line by line: from which of its outputs, and when, as conmon keeps it.

conmon writes "time stream F|P text" a line; P marks a line that goes on in the next.
"""

from datetime import datetime
from pathlib import Path

from trivet.drivers.contracts.container import ReadLog


def read_lines(path: Path, wanted: ReadLog, most: int) -> bytes:
    """The newest that fit."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return b""
    found: list[bytes] = []
    begun = False
    for line in lines:
        time, _, rest = line.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        flag, _, text = rest.partition(b" ")
        if not _is_wanted(wanted, stream, time):
            continue
        if begun:
            found[-1] += text
        else:
            found.append((time + b" " if wanted.timestamps else b"") + text)
        begun = flag == b"P"
    if wanted.tail is not None:
        found = found[max(len(found) - wanted.tail, 0) :]
    return b"".join(line.rstrip(b"\r") + b"\n" for line in found)[-most:]


def _is_wanted(wanted: ReadLog, stream: bytes, time: bytes) -> bool:
    if not (wanted.stderr if stream == b"stderr" else wanted.stdout):
        return False
    return wanted.since is None or _seconds(time) >= wanted.since


def _seconds(time: bytes) -> float:
    """Python reads six digits behind the point, and conmon writes nine."""
    text = time.decode(errors="replace")
    try:
        return datetime.fromisoformat(text[:26] + text[29:] if "." in text else text).timestamp()
    except ValueError:
        return 0.0
