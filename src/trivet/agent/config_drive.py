"""A config drive: the metadata as a CD, for guests that read it before they have a network.

An ISO 9660 image with the label config-2, written here instead of by a tool: it is a handful of small files,
and a server's start should not hang on a program being installed. Names are kept in two ways that matter
to guests: Rock Ridge (Linux, BSD) and Joliet (Windows). Nothing in it depends on the time, so the same
files always give the same bytes.
"""

import struct
from collections.abc import Mapping
from typing import Literal

_SECTOR = 2048
_LABEL = "config-2"
_SYSTEM_SECTORS = 16
_EPOCH = bytes((70, 1, 1, 0, 0, 0, 0))
_FILE_MODE, _FOLDER_MODE = 0o100444, 0o040555

Names = Literal["rock", "joliet"]


class _Folder:
    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: dict[str, tuple[int, int]] = {}
        """name -> (first sector, bytes)"""
        self.sector = 0
        self.size = 0


def config_drive(files: Mapping[str, bytes]) -> bytes:
    """`files` by path ("openstack/latest/meta_data.json")."""
    # Layout: descriptors, both trees' path tables and folders, then the content that both share.
    trees: dict[Names, _Folder] = {}
    sector = _SYSTEM_SECTORS + 3
    tables: dict[Names, int] = {}
    kinds: tuple[Names, ...] = ("rock", "joliet")
    for names in kinds:
        tree = trees[names] = _tree(files)
        tables[names] = sector
        sector += 2 * _sectors(len(_path_table(tree, names, "<")))
        sector = _place_folders(tree, names, sector)
    content, end = _place_files(files, list(trees.values()), sector)
    image = bytearray(_SYSTEM_SECTORS * _SECTOR)
    for number, names in enumerate(kinds, 1):
        image += _descriptor(number, names, trees[names], tables[names], end)
    image += _padded(b"\xffCD001\x01")
    for names in kinds:
        for order in ("<", ">"):
            image += _padded(_path_table(trees[names], names, order))
        for folder, parent in _walk(trees[names]):
            image += _folder_bytes(folder, parent, names)
    return bytes(image + content)


# -- the tree and its place on the disk


def _tree(files: Mapping[str, bytes]) -> _Folder:
    root = _Folder()
    for path in sorted(files):
        *folders, name = path.split("/")
        folder = root
        for segment in folders:
            folder = folder.folders.setdefault(segment, _Folder())
        folder.files[name] = (0, 0)
    return root


def _walk(root: _Folder) -> list[tuple[_Folder, _Folder]]:
    """(folder, its parent), level by level, as path tables want it."""
    found = [(root, root)]
    for folder, _ in found:
        found += [(child, folder) for _, child in sorted(folder.folders.items())]
    return found


def _place_folders(root: _Folder, names: Names, sector: int) -> int:
    for folder, parent in _walk(root):
        folder.sector = sector
        folder.size = len(_folder_bytes(folder, parent, names))
        sector += folder.size // _SECTOR
    return sector


def _place_files(files: Mapping[str, bytes], trees: list[_Folder], sector: int) -> tuple[bytes, int]:
    """Equal contents, of which there are many, are kept once."""
    content = bytearray()
    placed: dict[bytes, int] = {}
    for path, text in sorted(files.items()):
        at = placed.get(text)
        if at is None:
            at = placed[text] = sector
            content += _padded(text)
            sector += _sectors(len(text))
        for tree in trees:
            folder = tree
            *folders, name = path.split("/")
            for segment in folders:
                folder = folder.folders[segment]
            folder.files[name] = (at, len(text))
    return bytes(content), sector


def _sectors(size: int) -> int:
    return -(-size // _SECTOR)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _SECTOR)


# -- folders


def _folder_bytes(folder: _Folder, parent: _Folder, names: Names) -> bytes:
    entries = [
        _record(b"\0", folder.sector, folder.size, folder=True, name=None, names=names, first=folder is parent),
        _record(b"\1", parent.sector, parent.size, folder=True, name=None, names=names),
    ]
    listed: list[tuple[bytes, bytes]] = []
    for number, (name, child) in enumerate(sorted(folder.folders.items())):
        id = _id(name, names, number, folder=True)
        listed.append((id, _record(id, child.sector, child.size, folder=True, name=name, names=names)))
    for number, (name, (sector, size)) in enumerate(sorted(folder.files.items())):
        id = _id(name, names, number, folder=False)
        listed.append((id, _record(id, sector, size, folder=False, name=name, names=names)))
    entries += [entry for _, entry in sorted(listed)]
    image = bytearray()
    for entry in entries:
        # A record never crosses a sector's end.
        if len(image) % _SECTOR + len(entry) > _SECTOR:
            image += bytes(-len(image) % _SECTOR)
        image += entry
    return _padded(bytes(image))


def _id(name: str, names: Names, number: int, *, folder: bool) -> bytes:
    """What the bare standard calls it: for Rock Ridge a number will do, since the real name follows."""
    if names == "joliet":
        return name.encode("utf-16-be")[:128]
    return f"D{number:04}".encode() if folder else f"F{number:04}.;1".encode()


def _record(
    id: bytes, sector: int, size: int, *, folder: bool, name: str | None, names: Names, first: bool = False
) -> bytes:
    pad = b"\0" if len(id) % 2 == 0 else b""
    system = _rock_ridge(name, folder=folder, first=first) if names == "rock" else b""
    length = 33 + len(id) + len(pad) + len(system)
    return (
        struct.pack("BB", length, 0)
        + _both32(sector)
        + _both32(size)
        + _EPOCH
        + struct.pack("BBB", 2 if folder else 0, 0, 0)
        + _both16(1)
        + struct.pack("B", len(id))
        + id
        + pad
        + system
    )


def _rock_ridge(name: str | None, *, folder: bool, first: bool) -> bytes:
    found = b""
    if first:
        found += b"SP\x07\x01\xbe\xef\x00"
    mode = _FOLDER_MODE if folder else _FILE_MODE
    found += b"PX\x24\x01" + _both32(mode) + _both32(2 if folder else 1) + _both32(0) + _both32(0)
    if name is not None:
        text = name.encode()[:100]
        found += struct.pack("2sBBB", b"NM", 5 + len(text), 1, 0) + text
    if first:
        found += _rock_ridge_says_so()
    return found + (b"\0" if len(found) % 2 else b"")


def _rock_ridge_says_so() -> bytes:
    id = b"RRIP_1991A"
    return struct.pack("2sBBBBBB", b"ER", 8 + len(id), 1, len(id), 0, 0, 1) + id


# -- path tables and descriptors


def _path_table(root: _Folder, names: Names, order: str) -> bytes:
    table = b""
    numbers: dict[int, int] = {}
    walked = _walk(root)
    for number, (folder, parent) in enumerate(walked, 1):
        numbers[id(folder)] = number
        name = _name_in(parent, folder, names) if folder is not root else b"\0"
        parent_number = numbers[id(parent)]
        table += struct.pack(f"{order}BBIH", len(name), 0, folder.sector, parent_number) + name
        table += b"\0" if len(name) % 2 else b""
    return table


def _name_in(parent: _Folder, folder: _Folder, names: Names) -> bytes:
    for number, (name, child) in enumerate(sorted(parent.folders.items())):
        if child is folder:
            return _id(name, names, number, folder=True)
    raise AssertionError("a folder is in its parent")


def _descriptor(number: int, names: Names, root: _Folder, table: int, end: int) -> bytes:
    joliet = names == "joliet"

    def text(words: str, size: int) -> bytes:
        if joliet:
            return (words.encode("utf-16-be") + " ".encode("utf-16-be") * size)[:size]
        return words.encode().ljust(size)[:size]

    size = len(_path_table(root, names, "<"))
    no_time = b"0" * 16 + b"\0"
    return _padded(
        struct.pack("B", number)
        + b"CD001\x01\0"
        + text("", 32)
        + text(_LABEL, 32)
        + bytes(8)
        + _both32(end)
        + (b"%/E".ljust(32, b"\0") if joliet else bytes(32))
        + _both16(1)
        + _both16(1)
        + _both16(_SECTOR)
        + _both32(size)
        + struct.pack("<II", table, 0)
        + struct.pack(">II", table + _sectors(size), 0)
        + _record(b"\0", root.sector, root.size, folder=True, name=None, names="joliet")
        + text("", 128) * 4
        + text("", 37) * 3
        + no_time * 4
        + b"\x01\0"
    )


def _both16(number: int) -> bytes:
    return struct.pack("<H", number) + struct.pack(">H", number)


def _both32(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)
