"""Disks on the host besides the root disk: ephemeral ones, which are empty at first, and one to swap to.

How much of each there may be is said by the flavor; a caller may have it in several disks, or less of it. They go with
the machine: nothing of them is in an image, and a rebuild makes them anew.
"""

import msgspec

from trivet.domain.servers.servers import FlavorOf, Server
from trivet.domain.servers.words import ROOT_DISK
from trivet.drivers.contracts.machine import EMPTY_FORMATS, EmptyDisk, EmptyFormat
from trivet.errors import Invalid

_GIB_MIB = 1024
_DEFAULT: EmptyFormat = "ext4"
_LETTERS = "bcdefghijklmnopqrstuvwxyz"


class LocalWanted(msgspec.Struct, frozen=True, kw_only=True):
    format: str | None = None
    """None: the usual one."""
    size: int | None = None
    """GiB, or MiB to swap to; None: all that the flavor has."""
    tag: str | None = None


def plan(wanted: tuple[LocalWanted, ...], flavor: FlavorOf) -> tuple[EmptyDisk, ...]:
    swap = [one for one in wanted if one.format == "swap"]
    ephemeral = [one for one in wanted if one.format != "swap"]
    if len(swap) > 1:
        raise _invalid("More than one swap drive requested.")
    if ephemeral:
        sizes = [one.size if one.size is not None else flavor.ephemeral_gib for one in ephemeral]
    else:
        sizes = [flavor.ephemeral_gib] if flavor.ephemeral_gib else []
    if sum(sizes) > flavor.ephemeral_gib or (ephemeral and min(sizes) <= 0):
        raise _invalid(
            "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block "
            "device mapping, flavor ephemeral size will be used."
        )
    formats = [_format(one.format) for one in ephemeral] or [_DEFAULT] * len(sizes)
    disks = [
        EmptyDisk(f"ephemeral{number}", size * _GIB_MIB, format)
        for number, (size, format) in enumerate(zip(sizes, formats, strict=True))
    ]
    asked = swap[0].size if swap else None
    swap_mib = flavor.swap_mib if asked is None else asked
    if swap_mib > flavor.swap_mib or (swap and swap_mib <= 0):
        raise _invalid("Swap drive requested is larger than instance type allows.")
    return (*disks, EmptyDisk("swap", swap_mib, "swap")) if swap_mib else tuple(disks)


def tags(wanted: tuple[LocalWanted, ...], root: str | None) -> dict[str, str]:
    """Disk -> the tag that was given to it."""
    ephemeral = [one.tag for one in wanted if one.format != "swap"]
    swap = [one.tag for one in wanted if one.format == "swap"]
    named = [(ROOT_DISK, root), *((f"ephemeral{number}", tag) for number, tag in enumerate(ephemeral))]
    return {name: tag for name, tag in (*named, *(("swap", tag) for tag in swap)) if tag is not None}


def resized(server: Server, flavor: FlavorOf) -> tuple[EmptyDisk, ...]:
    """What it has with another flavor. What is not the old flavor's own choice stays as it is, if that fits."""
    if server.local_disks == plan((), server.flavor):
        found = plan((), flavor)
    else:
        wanted = [
            LocalWanted(format=disk.format, size=disk.size_mib if disk.format == "swap" else disk.size_mib // _GIB_MIB)
            for disk in server.local_disks
        ]
        found = plan(tuple(wanted), flavor)
    sizes = {disk.name: disk.size_mib for disk in found}
    if any(disk.size_mib > sizes.get(disk.name, 0) for disk in server.local_disks if disk.format != "swap"):
        raise Invalid(
            "resize.smaller_disk",
            "Server disk was unable to be resized because: an ephemeral disk does not shrink; choose a flavor with at "
            f"least {server.flavor.ephemeral_gib} GiB of it.",
        )
    return found


def reverted(server: Server, old: FlavorOf) -> tuple[EmptyDisk, ...]:
    """Back to the old flavor: a disk that grew has grown, as the root disk."""
    own = server.local_disks == plan((), server.flavor)
    return plan((), old) if own else server.local_disks


def devices(disks: tuple[EmptyDisk, ...]) -> dict[str, str]:
    """Disk -> how it is called for people, behind the root disk. What the guest calls it, the guest decides."""
    return {disk.name: f"/dev/vd{letter}" for disk, letter in zip(disks, _LETTERS, strict=False)}


def _format(said: str | None) -> EmptyFormat:
    if said is None:
        return _DEFAULT
    found = next((known for known in EMPTY_FORMATS if known == said and known != "swap"), None)
    if found is None:
        usual = ", ".join(known for known in EMPTY_FORMATS if known != "swap")
        raise _invalid(f"no ephemeral disk is made with guest_format {said[:32]!r} here; {usual} are known.")
    return found


def _invalid(why: str) -> Invalid:
    return Invalid("volume.mapping", f"Block Device Mapping is Invalid: {why}")
