"""The console log: QEMU appends what the serial port says, we keep it from growing for ever."""

from contextlib import suppress
from pathlib import Path

LONGEST = 4 << 20
KEPT = 1 << 20
"""More than any client asks for, so that trimming is rare."""


def tail(log: Path, limit_bytes: int) -> bytes:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit_bytes))
            return file.read(limit_bytes)
    except FileNotFoundError:
        return b""


def trim(log: Path) -> None:
    """In place, as QEMU has the file open; it appends, so its next words come after what was kept."""
    with suppress(FileNotFoundError):
        if log.stat().st_size <= LONGEST:
            return
        kept = tail(log, KEPT)
        with log.open("r+b") as file:
            file.truncate(0)
        with log.open("ab") as file:
            file.write(kept)
