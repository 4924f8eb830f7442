"""Where a volume appears in its server: a VM's disk has a name for people, since the guest calls it as it likes; in a
container it is mounted at a path, or, where that begins with `/dev/`, a device of that name.
"""

import posixpath
import re
from collections.abc import Collection

from trivet.domain.servers.words import Kind
from trivet.errors import Conflict, Forbidden, Invalid

MOST = 26
"""Disks of one server, as upstream."""
_LETTERS = "bcdefghijklmnopqrstuvwxyz"
_MOUNTED_BELOW = "/mnt/"
_VM_NAME = re.compile(r"/dev/x?[a-z]?d?[a-z]+[0-9]*")
_DEVICE = re.compile(r"/dev/[a-z][a-z0-9_-]{0,31}")
_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,254}")
_NOT_BELOW = ("/dev", "/proc", "/sys")


def place(
    kind: Kind,
    used: Collection[str],
    wanted: str | None,
    *,
    name: str,
    boots: bool = False,
    written_by_many: bool = False,
) -> str:
    """`name`: what a path without a wish ends with."""
    if boots:
        return "/dev/vda"
    if wanted is not None and not wanted.startswith("/"):
        wanted = f"/dev/{wanted}"
    if kind == "container":
        found = _in_container(used, wanted, name, written_by_many=written_by_many)
    else:
        found = _of_vm(used, wanted)
    if found in used or (kind != "container" and found == "/dev/vda"):
        raise Conflict("volume.device_used", f"The supplied device path ({found}) is in use.")
    return found


def _of_vm(used: Collection[str], wanted: str | None) -> str:
    if wanted is None:
        return _next_device(used)
    if _VM_NAME.fullmatch(wanted) is None:
        raise _invalid(wanted, "a disk of a VM is called like /dev/vdb.")
    return wanted


def _in_container(used: Collection[str], wanted: str | None, name: str, *, written_by_many: bool) -> str:
    if wanted is None and written_by_many:
        return _next_device(used)
    wanted = wanted or f"{_MOUNTED_BELOW}{name}"
    if wanted.startswith("/dev/"):
        if _DEVICE.fullmatch(wanted) is None:
            raise _invalid(wanted, "a device of a container is called /dev/NAME, in small letters and digits.")
        return wanted
    below = any(wanted == root or wanted.startswith(f"{root}/") for root in _NOT_BELOW)
    if _PATH.fullmatch(wanted) is None or posixpath.normpath(wanted) != wanted or below:
        raise _invalid(wanted, "a volume is mounted at a plain absolute path outside of /dev, /proc and /sys.")
    if written_by_many:
        raise _invalid(
            wanted,
            "others may write to this volume at the same time, which no file system here bears; attach it as a device "
            "(/dev/NAME), or make it read-only first.",
        )
    return wanted


def _next_device(used: Collection[str]) -> str:
    free = next((name for letter in _LETTERS if (name := f"/dev/vd{letter}") not in used), None)
    if free is None:
        # A root disk on the host has a letter, too.
        raise too_many()
    return free


def too_many() -> Forbidden:
    return Forbidden("volume.too_many", f"The maximum allowed number of volumes attached to a server is {MOST}.")


def _invalid(wanted: str, why: str) -> Invalid:
    return Invalid("volume.device", f"Invalid input for field/attribute device. Value: {wanted[:255]}. Here {why}")
