"""The folder of one volume: its bytes, who may reach them, and the daemon that lets them.

`disk.raw`, or `disk.luks` of one that is encrypted, gets its name last when a volume is made, so a folder without it
is half-made. The name tells, and not the bytes: those of a volume that is not encrypted are its owner's.
"""

import uuid
from pathlib import Path

from trivet.drivers.contracts.volume import Serving
from trivet.drivers.qemu.layout import read, write

GIB = 1 << 30


class Layout:
    def __init__(self, folder: Path, short: Path) -> None:
        self.folder = folder
        self.raw = folder / "disk.raw"
        self.luks = folder / "disk.luks"
        self.part = folder / "disk.part"
        self.serving = folder / "serving.json"
        self.lock = folder / "lock"
        """Held by the daemon itself for as long as it lives: two of them on one file would ruin it."""
        self.pid = folder / "pid"
        self.complaints = folder / "daemon.log"
        self.qmp = short / "qmp"
        self.nbd = short / "nbd"

    @property
    def disk(self) -> Path:
        return self.luks if self.luks.exists() else self.raw

    @property
    def encrypted(self) -> bool:
        return self.luks.exists()

    def read_serving(self) -> Serving:
        return read(self.serving, Serving) or Serving()

    def write_serving(self, wanted: Serving) -> None:
        if wanted != self.read_serving():
            write(self.serving, wanted)


def is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
