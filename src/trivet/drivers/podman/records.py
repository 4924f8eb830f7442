"""What the driver must remember of each container and podman cannot: marks that change, and why it stopped.

One file per container, replaced in one step. A container without a finished record is half-made.
"""

import shutil
from pathlib import Path

import msgspec

from trivet.drivers import durable
from trivet.drivers.contracts.machine import MachineSpec


class Record(msgspec.Struct, frozen=True):
    spec: MachineSpec
    """As asked for, without `files`: those are in the container, and may be secrets."""
    marks: dict[str, str]
    container_id: str
    """podman's own."""
    stopping: bool = False
    """We were asked to stop it, so its end is no crash."""
    started: bool = False
    """It has run: if podman knows of no run of it, the machine was started again meanwhile."""
    base: int | None = None
    """The host's id of its root. None of one made before there were user namespaces: it is the host's root."""
    restarts: int = 0
    """How often it was started again by its policy, since somebody started it."""
    adjusted: bool = False
    """Its limits are others than podman knows."""
    resizing: bool = False
    """It is being replaced by one of another size or other ids, and a crash may have left both or only the new one."""


class Records:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def folder(self, id: str) -> Path:
        assert id not in {"", ".", ".."}, id
        assert "/" not in id, id
        return self._directory / id

    def make(self, id: str) -> None:
        self.folder(id).mkdir(parents=True, exist_ok=True, mode=0o700)

    def ids(self) -> list[str]:
        """Of all that has a folder, finished or not."""
        return sorted(each.name for each in self._directory.iterdir()) if self._directory.exists() else []

    def read(self, id: str) -> Record | None:
        try:
            return msgspec.json.decode((self.folder(id) / "record.json").read_bytes(), type=Record)
        except FileNotFoundError:
            return None

    def write(self, id: str, record: Record) -> None:
        durable.write(self.folder(id) / "record.json", msgspec.json.encode(record))

    def remove(self, id: str) -> None:
        shutil.rmtree(self.folder(id), ignore_errors=True)
