"""Moved disks: bytes of a server between two hosts, as blobs that its row names until it has arrived.

A blob's name is in the row before its first byte is written, so one that no row names is nobody's.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from trivet.domain import orphans
from trivet.domain.servers import moving
from trivet.domain.servers.servers import SERVERS, MovedDisk, Server
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Conflict, Invalid, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

KIND = "move"
_SMALL_BYTES = 128 * 1024
_FORMATS = {"vm": "qcow2", "container": "oci"}
_GIB = 1 << 30
_BESIDES_GIB = 32
"""More than a disk may hold: what an image format adds, and of a container the image that it began with."""

Admit = Callable[[Tx], Awaitable[Server]]
"""The server, if whoever has the bytes may speak for it."""


async def take_in(parts: Parts, admit: Admit, name: str, format: str, chunks: AsyncIterator[bytes]) -> None:
    """A disk from the host that it leaves."""
    key = orphans.new_key(parts, KIND)

    async def begin(tx: Tx) -> Server:
        server = await _leaving(tx, admit, name)
        if format != _FORMATS.get(server.kind):
            raise Invalid("move.format", f"A disk of a {server.kind} does not come as {format[:16]}.")
        return await _note(tx, server, name, MovedDisk(key, format))

    async def end(tx: Tx) -> None:
        server = await _leaving(tx, admit, name)
        assert server.move is not None
        known = server.move.disks.get(name)
        if known is None or known.key != key:
            raise Conflict("move.overtaken", "The disk is being handed over once more.")
        await _note(tx, server, name, MovedDisk(key, format, sha512))

    server = await transact(parts.store, begin)
    try:
        sha512 = await _write(parts, key, chunks, _most(server))
    except DriverError as error:
        raise Busy("blobs.away", error.why) from error
    await transact(parts.store, end)


async def _leaving(tx: Tx, admit: Admit, name: str) -> Server:
    server = await admit(tx)
    if server.move is None or server.move.stage != "leaving" or name not in moving.disks_of(moving.at_source(server)):
        raise Conflict("move.over", f"Server {server.id} hands over no disk {name[:32]}.")
    return server


async def _note(tx: Tx, server: Server, name: str, disk: MovedDisk) -> Server:
    assert server.move is not None
    disks = server.move.disks | {name: disk}
    return await tx.update(SERVERS, server, move=msgspec.structs.replace(server.move, disks=disks))


def _most(server: Server) -> int:
    flavor = moving.at_source(server).flavor
    return (flavor.disk_gib + flavor.ephemeral_gib + _BESIDES_GIB) * _GIB * 5 // 4


async def _write(parts: Parts, key: str, chunks: AsyncIterator[bytes], most: int) -> str:
    """Their digest."""
    digest, size = hashlib.sha512(), 0
    sink = await parts.blobs.create(key)
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise Invalid("move.too_large", f"More than {most} bytes are no disk of its flavor.")
            if len(chunk) <= _SMALL_BYTES:
                digest.update(chunk)
                await sink.write(chunk)
            else:
                await asyncio.gather(asyncio.to_thread(digest.update, chunk), sink.write(chunk))
        await sink.finish()
    except BaseException:
        await sink.abandon()
        raise
    return digest.hexdigest()


def coming(server: Server, name: str, key: str) -> MovedDisk:
    """A disk for the host where it arrives, with the bytes that its order named."""
    disk = server.move.disks.get(name) if server.move is not None and server.move.stage == "arriving" else None
    if disk is None or disk.key != key or disk.sha512 is None:
        raise NotFound("move.absent", f"Those bytes of server {server.id} are gone.")
    return disk


async def sweep(parts: Parts) -> None:
    """Blobs first and rows second."""
    there = await parts.blobs.keys(KIND)
    if not there:
        return
    async with parts.store.read() as tx:
        moves = await tx.rows("SELECT move FROM servers WHERE move IS NOT NULL AND deleted_at IS NULL")
    named = " ".join(str(row[0]) for row in moves)
    for key in sorted(there):
        if key not in named:
            await orphans.removed(parts, key)
