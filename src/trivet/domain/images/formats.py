"""Formats of disk images: what bytes really are, whatever their owner calls them.

An engine that opens a file as what it claims to be is safe only if the claim is true and the file does not
point elsewhere: a qcow2 may name another file of the host as its backing or data file, a vmdk any file as
its extent. So bytes are looked at here before an image becomes active.
"""

import struct

import msgspec

from trivet.errors import Invalid

HEAD_BYTES = 64 * 1024
"""How much of the beginning is needed to tell."""
TAIL_BYTES = 512

_SECTOR = 512
_QCOW2_DATA_FILE = 1 << 2
_QCOW2_KNOWN = 0x1F
_OPAQUE = ("ami", "ari", "aki", "ploop")
_COMPRESSIONS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04")
_VMDK_ACCESS = (b"RW", b"RDONLY", b"NOACCESS")
_VMDK_SELF_CONTAINED = (b"monolithicSparse", b"streamOptimized")


class Facts(msgspec.Struct, frozen=True):
    virtual_size: int | None


def check(declared: str, head: bytes, tail: bytes, size: int) -> Facts:
    """Refuse bytes that are not what they are declared to be, or that would read other files."""
    found = detect(head, tail)
    if declared == "raw" and found in (None, "iso"):
        # An installer's image is often both: an ISO file system that also boots as a disk.
        return Facts(virtual_size=size)
    if declared in _OPAQUE and found is None:
        return Facts(virtual_size=None)
    if found != declared:
        really = f"it looks like {found}" if found else "it is none"
        raise _mismatch(f"The file was declared to be of disk format {declared}, but {really}.")
    if declared == "qcow2":
        return _qcow2(head)
    if declared == "vmdk":
        return _vmdk(head)
    if declared == "vdi":
        return Facts(virtual_size=int(struct.unpack_from("<Q", head, 0x170)[0]) if len(head) >= 0x178 else None)
    if declared == "iso":
        return Facts(virtual_size=size)
    return Facts(virtual_size=None)


def check_wrapped(container: str, head: bytes) -> None:
    """A disk that is packed into something: it must be packed, or its format was said in order not to be looked at."""
    if container == "ova" and head[257:262] != b"ustar":
        raise _mismatch("The file was declared to be an OVA, but it is no tar archive.")
    if container == "compressed" and not head.startswith(_COMPRESSIONS):
        raise _mismatch("The file was declared to be compressed, but it is not (gzip, bzip2, xz, zstd, lz4 or zip).")


def detect(head: bytes, tail: bytes = b"") -> str | None:
    """The format that the bytes announce; None: nothing known, which is what raw means."""
    for magic, name in (
        (b"QFI\xfb", "qcow2"),
        (b"QED\0", "qed"),
        (b"KDMV", "vmdk"),
        (b"COWD", "vmdk"),
        (b"# Disk DescriptorFile", "vmdk"),
        (b"vhdxfile", "vhdx"),
        (b"conectix", "vhd"),
        (b"LUKS\xba\xbe", "luks"),
    ):
        if head.startswith(magic):
            return name
    if head[0x40:0x44] == b"\x7f\x10\xda\xbe":
        return "vdi"
    if head[0x8001:0x8006] == b"CD001":
        return "iso"
    if tail[-TAIL_BYTES:].startswith(b"conectix"):
        return "vhd"
    return None


def _qcow2(head: bytes) -> Facts:
    if len(head) < 72:
        raise _mismatch("The qcow2 file ends within its header.")
    version, backing_offset, backing_size, cluster_bits, virtual_size = struct.unpack_from(">IQIIQ", head, 4)
    if version not in (2, 3):
        raise _mismatch(f"The file is qcow version {version}; only qcow2 versions 2 and 3 are accepted.")
    if backing_offset or backing_size:
        raise _unsafe("The qcow2 file has a backing file: flatten it first (qemu-img convert).")
    if not 9 <= cluster_bits <= 21:
        raise _mismatch("The qcow2 file's header is damaged: its cluster size is impossible.")
    if version == 3:
        if len(head) < 104:
            raise _mismatch("The qcow2 file ends within its header.")
        (incompatible,) = struct.unpack_from(">Q", head, 72)
        if incompatible & _QCOW2_DATA_FILE:
            raise _unsafe("The qcow2 file keeps its data in an external file: flatten it first (qemu-img convert).")
        if incompatible & ~_QCOW2_KNOWN:
            raise _unsafe("The qcow2 file uses features that are not known here.")
    return Facts(virtual_size=int(virtual_size))


def _vmdk(head: bytes) -> Facts:
    if not head.startswith(b"KDMV") or len(head) < _SECTOR:
        raise _unsafe("Only vmdk files that hold all their data themselves are accepted.")
    (capacity,) = struct.unpack_from("<Q", head, 12)
    descriptor_at, descriptor_sectors = struct.unpack_from("<QQ", head, 28)
    begin, end = descriptor_at * _SECTOR, (descriptor_at + descriptor_sectors) * _SECTOR
    lines = head[begin:end].partition(b"\0")[0].split(b"\n")
    # Readers differ in what they take for such a line, so whatever looks like one is one.
    kinds = [line.strip() for line in lines if b"createtype" in line.lower()]
    extents = [line.split() for line in lines if line.upper().split()[:1] and line.upper().split()[0] in _VMDK_ACCESS]
    kind = kinds[0].removeprefix(b'createType="').removesuffix(b'"') if len(kinds) == 1 else b""
    whole = capacity > 0 and 0 < begin < end <= len(head) and kind in _VMDK_SELF_CONTAINED
    if not whole or len(extents) != 1 or extents[0][2:3] != [b"SPARSE"] or b"/" in b"".join(extents[0]):
        raise _unsafe(
            "Only vmdk files that hold all their data themselves are accepted (monolithicSparse or streamOptimized)."
        )
    return Facts(virtual_size=int(capacity) * _SECTOR)


def _mismatch(message: str) -> Invalid:
    return Invalid("image.content", message, status=415)


def _unsafe(message: str) -> Invalid:
    """Of what it says, but not to be opened: no operator lets that in."""
    return Invalid("image.unsafe", message, status=415)
