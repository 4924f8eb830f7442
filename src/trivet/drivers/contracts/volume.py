"""Volumes: disks that outlive a server, on one back end.

A back end keeps what it is told (how large a volume is, who may reach it) with the volume itself, so that a volume
whose server process died is served again as it was, by whoever looks next. What it can do beyond the verbs that all
have is declared by small protocols of their own.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from trivet.drivers.contracts.patience import BULKY_S, LOOK_S, PLAIN_S, REMOVE_S, within

ImageFormat = Literal["raw", "qcow2"]


class FromImage(msgspec.Struct, frozen=True, tag="image"):
    """A local, complete, checked copy of an image."""

    path: str
    format: ImageFormat


class FromSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    id: str


class FromVolume(msgspec.Struct, frozen=True, tag="volume"):
    """The source is a volume as it is at one moment, in use or not."""

    id: str


Source = FromImage | FromSnapshot | FromVolume


class Key(msgspec.Struct, frozen=True):
    """What opens an encrypted volume. It is handed over for the moment, and nobody writes it down."""

    passphrase: str
    cipher: str = "aes-256"
    mode: str = "xts"
    ivgen: str = "plain64"
    ivgen_hash: str | None = None

    def __repr__(self) -> str:
        return "Key(...)"


class VolumeSpec(msgspec.Struct, frozen=True):
    id: str
    size_gib: int
    source: Source | None = None
    """None: all zeroes. What is shorter than the volume is followed by zeroes."""
    key: Key | None = None
    """Only for a back end that is Encrypting: nothing of the volume is on its disks but sealed by it, and zeroes are
    not promised where nobody wrote. A snapshot or volume that it is made of is sealed by the same passphrase."""


class Limits(msgspec.Struct, frozen=True):
    """What all who use a volume may do together; 0 is no limit."""

    total_iops: int = 0
    read_iops: int = 0
    write_iops: int = 0
    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class Serving(msgspec.Struct, frozen=True):
    """The attachments that may reach a volume: all of them, and nobody else."""

    exports: Mapping[str, bool] = {}
    """Attachment id -> whether it may only read."""
    limits: Limits = Limits()


class Connection(msgspec.Struct, frozen=True):
    """How one attachment reaches its volume. Kept with the attachment, and handed to machine drivers as it is."""

    path: str
    """The path of a Unix socket on the volume's host that speaks NBD."""
    export: str
    driver: Literal["nbd"] = "nbd"
    encrypted: bool = False
    """How it lies on the back end; who reaches it reads what is clear."""


class SeenVolume(msgspec.Struct, frozen=True):
    id: str
    size_bytes: int
    used_bytes: int = 0
    """Of these; the others were never written."""
    served: bool = True
    """False: it should be, and nobody serves it."""


class Room(msgspec.Struct, frozen=True):
    total_gib: int
    free_gib: int


class VolumeDriver(Protocol):
    """The verbs every back end has. All are idempotent; all raise DriverError and nothing else."""

    @within(LOOK_S, looks=True)
    async def observe(self) -> dict[str, SeenVolume]:
        """All volumes that are whole."""
        ...

    @within(BULKY_S, about="spec.id")
    async def create(self, spec: VolumeSpec) -> None:
        """There already is fine. A half-made one is made anew."""
        ...

    @within(REMOVE_S, about="id")
    async def remove(self, id: str) -> None:
        """Removes a volume with everything of it. Absent already is fine."""
        ...

    @within(PLAIN_S, about="id")
    async def serve(self, id: str, wanted: Serving, key: Key | None = None) -> dict[str, Connection]:
        """Exactly what is wanted, by attachment. What an export had written when this comes back is written.

        `key`: of a volume that is encrypted. Whoever is let in reads and writes what is clear.
        """
        ...

    @within(PLAIN_S, about="id")
    async def grow(self, id: str, size_gib: int) -> None:
        """Makes a volume larger, in use or not; never smaller."""
        ...

    @within(LOOK_S, looks=True)
    async def room(self) -> Room: ...

    def watch(self) -> AsyncIterator[str]:
        """Ids of volumes that are not served any more though they should be. A hint; may miss."""
        ...


@runtime_checkable
class Snapshots(Protocol):
    """What a volume held at one moment; it needs the volume no longer."""

    @within(BULKY_S, about="volume_id")
    async def snapshot(self, volume_id: str, id: str) -> None: ...
    @within(REMOVE_S, about="id")
    async def remove_snapshot(self, id: str) -> None: ...

    @within(LOOK_S, looks=True)
    async def snapshots(self) -> set[str]:
        """All that are whole."""
        ...

    @within(BULKY_S, about="volume_id")
    async def revert(self, volume_id: str, id: str) -> None:
        """Puts a volume that nobody uses back to a snapshot."""
        ...


@runtime_checkable
class Refilling(Protocol):
    @within(BULKY_S, about="spec.id")
    async def refill(self, spec: VolumeSpec) -> None:
        """Of a volume that nobody uses: all that it held gives way to its source, as large as the spec says."""
        ...


@runtime_checkable
class CopyingOut(Protocol):
    @within(BULKY_S, about="volume_id")
    async def copy_out(self, volume_id: str, path: str, format: ImageFormat) -> None:
        """The volume as a complete image, as it is at one moment."""
        ...


class Piece(NamedTuple):
    offset: int
    data: bytes


@runtime_checkable
class Pieces(Protocol):
    """A piece at a time, for copies that come and go by a network: each verb is short, however large the volume."""

    @within(PLAIN_S, about="id", looks=True)
    async def next_piece(self, id: str, offset: int, length: int) -> Piece | None:
        """Of a snapshot: the first piece from here on that is not only a hole. Pieces begin at multiples of their
        length, and no snapshot ends within one."""
        ...

    @within(PLAIN_S, about="id")
    async def begin_pieces(self, id: str, size_gib: int) -> None:
        """Beside a volume an empty one is begun. What was begun before is forgotten."""
        ...

    @within(PLAIN_S, about="id")
    async def put_piece(self, id: str, offset: int, data: bytes) -> None: ...

    @within(BULKY_S, about="id")
    async def end_pieces(self, id: str) -> None:
        """The volume, which nobody uses, gives way to what was begun."""
        ...


@runtime_checkable
class Encrypting(Protocol):
    """Takes keys: what it keeps of a volume that has one is sealed."""

    def encrypts(self) -> bool: ...


VOLUMES = (VolumeDriver, Snapshots, Refilling, CopyingOut, Pieces, Encrypting)
"""What every back end keeps, and what some can do besides."""
