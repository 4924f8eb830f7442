"""Growth: how much room the engine's folder takes, looked at again and again while an image unpacks into it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

_ENTRY_BYTES = 4096
"""What a file costs, however empty it is."""
_SHORTEST_S = 0.25
_SHARE = 4
"""Of the time that a look takes: so much is waited until the next one."""
_CHANGING = ("store/overlay", "run/tmp")


class Growth:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._settled: set[str] | None = None
        self.pause_s = _SHORTEST_S

    def look(self) -> int:
        """In bytes: of what was not there at the first look, which itself says 0."""
        began = time.monotonic()
        tops = [entry for place in _CHANGING for entry in _entries(self._directory / place)]
        if self._settled is None:
            self._settled = {entry.path for entry in tops}
        found = sum(_weight(entry) for entry in tops if entry.path not in self._settled)
        self.pause_s = max(_SHORTEST_S, _SHARE * (time.monotonic() - began))
        return found


def _weight(entry: os.DirEntry[str]) -> int:
    try:
        weight = _ENTRY_BYTES + entry.stat(follow_symlinks=False).st_blocks * 512
        if entry.is_dir(follow_symlinks=False):
            weight += sum(map(_weight, _entries(Path(entry.path))))
    except FileNotFoundError:
        return 0  # moved while we looked
    return weight


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
