"""The index of a backup: which pieces of the volume were not empty, what they were, and in which object each lies.

It is complete by itself: what an incremental backup did not store it names in the objects of those before it. So a
restore reads one index, whatever the chain behind it. Two indexes are walked side by side, since both are in the order
of the volume; so nothing is looked up, and a record is some fifty bytes in memory.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from trivet.drivers.contracts.errors import DriverError

PIECE_BYTES = 1 << 20
"""What changes in a volume is told by so much: each is one digest."""
SEGMENT_PIECES = 32
"""So many lie in one object."""
_RECORD = struct.Struct(">I32sHII")
_LINE_MAX = 1 << 20
_DAMAGED = "The backup's index is not what it was when the backup was made"


class Source(msgspec.Struct, frozen=True):
    """Objects of one backup."""

    container: str
    prefix: str


class Head(msgspec.Struct, frozen=True):
    size_gib: int
    sources: tuple[Source, ...]
    """The last is the backup's own."""
    version: int = 1
    piece_bytes: int = PIECE_BYTES


class Kept(NamedTuple):
    number: int
    """Which piece of the volume."""
    digest: bytes
    source: int
    segment: int
    place: int
    """Which of its object."""


class Index:
    def __init__(self, head: Head, records: bytes) -> None:
        self.head = head
        self._records = records

    def __iter__(self) -> Iterator[Kept]:
        return (Kept(*fields) for fields in _RECORD.iter_unpack(self._records))

    @classmethod
    def read(cls, raw: bytes, digest: str | None) -> "Index":
        if hashlib.sha256(raw).hexdigest() != digest:
            raise DriverError(f"{_DAMAGED}; it was changed or damaged.", again=False)
        line, _, records = raw.partition(b"\n")
        try:
            head = msgspec.json.decode(line[:_LINE_MAX], type=Head)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DriverError(f"{_DAMAGED}: {error}.", again=False) from error
        if head.version != 1 or head.piece_bytes != PIECE_BYTES or len(records) % _RECORD.size or not head.sources:
            raise DriverError("The backup's index is of a kind that is not known here.", again=False)
        return cls(head, records)


class Writer:
    """What is told of a backup while it is made; in the order of the volume."""

    def __init__(self, size_gib: int, own: Source, parent: Index | None) -> None:
        before = parent.head.sources if parent is not None else ()
        self._head = Head(size_gib, (*before, own))
        self._own = len(before)
        self._records = bytearray()
        self._stored = 0

    def keep(self, kept: Kept) -> None:
        self._records += _RECORD.pack(*kept)

    def store(self, number: int, digest: bytes) -> None:
        """The next piece of our own objects."""
        segment, place = divmod(self._stored, SEGMENT_PIECES)
        self._stored += 1
        self.keep(Kept(number, digest, self._own, segment, place))

    def whole(self) -> bytes:
        return msgspec.json.encode(self._head) + b"\n" + bytes(self._records)


class Walk:
    """Along a parent's index, beside the volume."""

    def __init__(self, index: Index | None) -> None:
        self._left = iter(index) if index is not None else iter(())
        self._next = next(self._left, None)

    def at(self, number: int) -> Kept | None:
        """What the parent has of this piece. Numbers come in order."""
        while self._next is not None and self._next.number < number:
            self._next = next(self._left, None)
        return self._next if self._next is not None and self._next.number == number else None
