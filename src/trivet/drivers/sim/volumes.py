"""Volumes that exist only as a few words in memory, and misbehave on request. Of bytes they keep pieces."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from trivet.clock import Clock, SystemClock
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import (
    Connection,
    FromSnapshot,
    FromVolume,
    ImageFormat,
    Key,
    Piece,
    Room,
    SeenVolume,
    Serving,
    VolumeSpec,
)
from trivet.drivers.sim.machines import Step, Temper

_GIB = 1 << 30
_ROOM = Room(total_gib=100_000, free_gib=100_000)


class _Volume(msgspec.Struct):
    size_gib: int
    serving: Serving = Serving()
    pieces: dict[int, bytes] = {}
    begun: dict[int, bytes] | None = None
    key: Key | None = None


class SimVolumes:
    """VolumeDriver, Snapshots, Refilling, CopyingOut, Pieces and Encrypting, of all simulated hosts together."""

    def __init__(self, clock: Clock | None = None, temper: Temper | None = None) -> None:
        self._clock = clock or SystemClock()
        self.temper = temper or Temper()
        self._volumes: dict[str, _Volume] = {}
        self._snapshots: dict[str, int] = {}
        self._held: dict[str, dict[int, bytes]] = {}
        """By snapshot."""
        self._changed: asyncio.Queue[str] = asyncio.Queue()

    async def observe(self) -> dict[str, SeenVolume]:
        return {id: SeenVolume(id, volume.size_gib * _GIB) for id, volume in self._volumes.items()}

    async def create(self, spec: VolumeSpec) -> None:
        await self._behave("volume_create")
        match spec.source:
            case FromSnapshot(id=id) if id not in self._snapshots:
                raise DriverError("The snapshot is not there.", again=False)
            case FromVolume(id=id):
                self._need(id)
        self._volumes.setdefault(spec.id, _Volume(spec.size_gib, key=spec.key))

    async def remove(self, id: str) -> None:
        await self._behave("volume_remove")
        self._volumes.pop(id, None)

    async def serve(self, id: str, wanted: Serving, key: Key | None = None) -> dict[str, Connection]:
        await self._behave("volume_serve")
        volume = self._need(id)
        if wanted.exports and volume.key not in (None, key):
            raise DriverError("The volume is encrypted, and this does not open it.", again=False)
        volume.serving = wanted
        sealed = volume.key is not None
        return {one: Connection(f"/simulated/{id}", one, encrypted=sealed) for one in wanted.exports}

    async def grow(self, id: str, size_gib: int) -> None:
        await self._behave("volume_grow")
        volume = self._need(id)
        volume.size_gib = max(volume.size_gib, size_gib)

    async def room(self) -> Room:
        return _ROOM

    async def watch(self) -> AsyncIterator[str]:
        while True:
            yield await self._changed.get()

    async def snapshot(self, volume_id: str, id: str) -> None:
        await self._behave("volume_snapshot")
        self._snapshots[id] = self._need(volume_id).size_gib
        self._held[id] = dict(self._need(volume_id).pieces)

    async def remove_snapshot(self, id: str) -> None:
        await self._behave("volume_snapshot")
        self._snapshots.pop(id, None)
        self._held.pop(id, None)

    async def snapshots(self) -> set[str]:
        return set(self._snapshots)

    async def revert(self, volume_id: str, id: str) -> None:
        await self._behave("volume_revert")
        self._need(volume_id)
        if id not in self._snapshots:
            raise DriverError("The snapshot is not there.", again=False)

    async def refill(self, spec: VolumeSpec) -> None:
        await self._behave("volume_refill")
        self._need(spec.id).size_gib = spec.size_gib

    async def copy_out(self, volume_id: str, path: str, format: ImageFormat) -> None:
        await self._behave("volume_copy_out")
        size = self._need(volume_id).size_gib * _GIB
        Path(path).write_bytes(b"\0" * 65536 if format == "raw" else _empty_qcow2(size))

    async def next_piece(self, id: str, offset: int, length: int) -> Piece | None:
        await self._behave("volume_next_piece")
        if id not in self._snapshots:
            raise DriverError("The snapshot is not there.", again=False)
        there = [at for at in self._held.get(id, {}) if at >= offset]
        return Piece(min(there), self._held[id][min(there)].ljust(length, b"\0")) if there else None

    async def begin_pieces(self, id: str, size_gib: int) -> None:
        await self._behave("volume_begin_pieces")
        self._need(id).begun = {}

    async def put_piece(self, id: str, offset: int, data: bytes) -> None:
        await self._behave("volume_put_piece")
        begun = self._need(id).begun
        if begun is None:
            raise DriverError("Nothing was begun.", again=True)
        begun[offset] = data

    async def end_pieces(self, id: str) -> None:
        await self._behave("volume_end_pieces")
        volume = self._need(id)
        if volume.begun is None:
            raise DriverError("Nothing was begun.", again=True)
        volume.pieces, volume.begun = volume.begun, None

    def encrypts(self) -> bool:
        return True

    # -- for tests and rehearsals

    def poke(self, id: str, pieces: dict[int, bytes]) -> None:
        """As if a guest had written them."""
        self._need(id).pieces |= pieces

    def peek(self, id: str) -> dict[int, bytes]:
        return self._need(id).pieces

    def adopt(self, volumes: dict[str, int], snapshots: dict[str, int]) -> None:
        """Id -> GiB of what was there before this process began."""
        self._volumes |= {id: _Volume(size_gib) for id, size_gib in volumes.items()}
        self._snapshots |= snapshots

    def serving(self, id: str) -> Serving:
        return self._need(id).serving

    def _need(self, id: str) -> _Volume:
        volume = self._volumes.get(id)
        if volume is None:
            raise DriverError("There is no such volume.", again=False)
        return volume

    async def _behave(self, step: Step) -> None:
        await self.temper.behave(step, self._clock)


def _empty_qcow2(size: int) -> bytes:
    """A header, and the clusters that it names: all zeroes read from it."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, size, 0, 1, 0x30000, 0x10000, 1, 0, 0, 0, 0, 0, 4, 104
    )
    return header.ljust(0x40000, b"\0")
