"""Reading tar archives that strangers made: in order, in linear time, and with little in memory whatever they say.

Python's own reader takes names of any length whole, and follows sparse files' maps for as long as they go on. Here
are the kinds of members that images are made of; the rest is refused.
"""

from collections.abc import Iterator
from typing import IO

import msgspec

BLOCK = 512
NAME_MAX = 4096
_HEADER_MAX = 64 << 10
"""The largest header that says more about the next member (long names and pax records)."""
_CHUNK = 1 << 20
_HEADERS_MAX = 40_000
_FILES = (b"\0", b"0", b"7")
_LINKS = {b"1": "hard", b"2": "soft"}
_NAMES = {b"L": "path", b"K": "linkpath"}


class Broken(Exception):
    """It is no archive, or none that is read here."""


class Member(msgspec.Struct, frozen=True):
    name: str
    kind: str
    """file, folder, hard or soft (links), other"""
    size: int
    offset: int
    """The offset at which the member's content begins."""
    target: str = ""


class Reader:
    """`for member in reader: for chunk in reader.content(member)`; content that is not read is passed over."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0
        self._left = 0
        """Bytes of the current member that are not read yet."""
        self._padding = 0
        self._headers = 0

    def __iter__(self) -> Iterator[Member]:
        said: dict[str, str] = {}
        while (header := self._header()) is not None:
            kind, size = header[156:157], _number(header[124:136], "size")
            if kind in _NAMES or kind in b"xg":
                text = self._text(size)
                if kind in _NAMES:
                    said[_NAMES[kind]] = _decoded(text.partition(b"\0")[0])
                elif kind == b"x":
                    said |= _records(text)
                continue
            yield self._member(header, kind, size, said)
            said = {}
            for _ in self._content():
                pass

    def content(self, member: Member) -> Iterator[bytes]:
        assert member.offset + member.size == self._at + self._left, "not this one's turn"
        return self._content()

    def _member(self, header: bytes, kind: bytes, size: int, said: dict[str, str]) -> Member:
        if any(name.startswith("GNU.sparse.") for name in said) or kind == b"S":
            raise Broken("it has sparse files")
        name = said.get("path") or _name(header)
        if "size" in said:
            size = _decimal(said["size"])
        target = said.get("linkpath") or _decoded(header[157:257].partition(b"\0")[0])
        if max(len(name), len(target)) > NAME_MAX:
            raise Broken("it has a name that is too long")
        folder = kind == b"5" or (kind in b"\0" and name.endswith("/"))
        known = "folder" if folder else "file" if kind in _FILES else _LINKS.get(kind, "other")
        self._left = size if known == "file" else 0
        self._padding = -self._left % BLOCK
        return Member(name, known, self._left, self._at, target)

    def _header(self) -> bytes | None:
        """None at the end: a block of zeroes, or no more blocks. What may come behind it is nobody's."""
        header = self._take(BLOCK)
        if not header.strip(b"\0"):
            return None
        if len(header) < BLOCK:
            raise Broken("it ends in the middle of a header")
        if sum(header) - sum(header[148:156]) + 8 * 32 != _number(header[148:156], "checksum"):
            raise Broken("a header's checksum is wrong")
        self._headers += 1
        if self._headers > _HEADERS_MAX:
            raise Broken("it has too many members")
        return header

    def _text(self, size: int) -> bytes:
        if size > _HEADER_MAX:
            raise Broken("it has a name that is too long")
        text = self._take(size + -size % BLOCK)
        if len(text) < size:
            raise Broken("it ends in the middle of a name")
        return text[:size]

    def _content(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._take(min(self._left, _CHUNK))
            if not chunk:
                raise Broken("it ends in the middle of a member")
            self._left -= len(chunk)
            yield chunk
        self._take(self._padding)
        self._padding = 0

    def _take(self, size: int) -> bytes:
        found = self._file.read(size)
        self._at += len(found)
        return found


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].partition(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _decoded(name)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _number(field: bytes, what: str) -> int:
    """Octal digits, or for what is larger a set first bit and bytes."""
    if field[0] == 0x80:
        return _bounded(int.from_bytes(field[1:], "big"))
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise Broken(f"a header's {what} is no number")
    return int(digits or b"0", 8)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise Broken("a member's size is no number")
    return _bounded(int(text))


def _bounded(number: int) -> int:
    if number >= 1 << 63:
        raise Broken("a member's size is no number")
    return number


def _records(text: bytes) -> dict[str, str]:
    """Of "LENGTH NAME=VALUE\\n" each, where the length counts itself."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        space = text.find(b" ", at, at + 20)
        length = text[at:space] if space > 0 else b""
        end = at + (int(length) if length.isdigit() else 0)
        if not space < end <= len(text) or text[end - 1 : end] != b"\n":
            raise Broken("a header's records cannot be read")
        name, _, value = text[space + 1 : end - 1].partition(b"=")
        found[_decoded(name)] = _decoded(value)
        at = end
    return found
