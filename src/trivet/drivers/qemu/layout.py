"""The folder of one machine: everything that it is, so that it can be found again after any crash.

`spec.json` is written last when a machine is made, so a folder without it is half-made. Sockets are
named through `short`, because the path of a Unix socket may not exceed 107 bytes.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from trivet.drivers import durable
from trivet.drivers.contracts.machine import MachineSpec, RescueDisk

T = TypeVar("T")

_LONGEST_SOCKET = 107
_LONGEST_NAME = len("/00000000-0000-0000-0000-000000000000/serial")


class Record(msgspec.Struct, frozen=True):
    """`spec.json`: the spec without the bytes of its config drive, and what we decided about it."""

    spec: MachineSpec
    slots: dict[str, int]
    """Port id -> PCI slot. Kept, because a suspended guest must find its cards where it left them."""
    rescue: RescueDisk | None = None


class Saved(msgspec.Struct, frozen=True):
    """`saved.json`: the machine that the memory file fits to. There only while a machine is suspended."""

    machine: str
    accelerator: str


class Layout:
    def __init__(self, folder: Path, short: Path) -> None:
        self.folder = folder
        self.spec = folder / "spec.json"
        self.marks = folder / "marks.json"
        self.base = folder / "base"
        """The name of the base image under the root disk; written before the disk is made."""
        self.root = folder / "root.qcow2"
        self.rescue_base = folder / "rescue-base"
        self.rescue = folder / "rescue.qcow2"
        self.rescue_drive = folder / "rescue.iso"
        """In place of the config drive, while it is in rescue."""
        self.config_drive = folder / "config.iso"
        self.firmware_vars = folder / "vars.fd"
        self.console_log = folder / "console.log"
        self.complaints = folder / "qemu.log"
        self.pid = folder / "pid"
        self.memory = folder / "memory"
        self.saved = folder / "saved.json"
        self.qmp = short / "qmp"
        self.eye = short / "eye"
        """A second QMP socket, so that looking never waits for a verb (or for an operator's client)."""
        self.serial = short / "serial"
        self.vnc = short / "vnc"
        self.agent = short / "agent"
        """Of the agent inside the guest, where its image has one."""
        self.frozen = folder / "frozen"
        """There while the guest's file systems may stand still."""

    def record(self) -> Record | None:
        return read(self.spec, Record)

    def read_marks(self) -> dict[str, str]:
        return read(self.marks, dict[str, str]) or {}


def short_directory(directory: Path) -> Path:
    """The directory itself, or the name of a link to it where sockets in it would have too long names."""
    if len(os.fsencode(directory)) + _LONGEST_NAME <= _LONGEST_SOCKET:
        return directory
    room = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    return room / f"trivet-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]}"


def make_short(short: Path, directory: Path) -> None:
    """Before sockets are made: a reboot of the host takes the link away, and so does the last machine."""
    if short == directory:
        return
    try:
        short.symlink_to(directory)
    except FileExistsError:
        # Anybody may have put it there if the room is /tmp.
        if short.lstat().st_uid != os.geteuid() or short.readlink() != directory:
            raise


def drop_short(short: Path, directory: Path) -> None:
    if short != directory:
        short.unlink(missing_ok=True)


def read(path: Path, type: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except FileNotFoundError:
        return None


def write(path: Path, content: object) -> None:
    """All of it or nothing, also when the power goes."""
    durable.write(path, content if isinstance(content, bytes) else msgspec.json.encode(content))
