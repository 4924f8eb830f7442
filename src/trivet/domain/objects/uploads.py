"""An object's bytes on their way in: to a new blob, hashed on the way, and only then a row is pointed at them.

Nothing is held while bytes arrive: no transaction, and no more of them in memory than a piece. Who dies on the way
leaves a blob that no row points at; the sweep finds it (garbage.py).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from trivet.domain.limits import quotas
from trivet.domain.objects import accounts, names, small
from trivet.domain.objects.objects import EMPTY_ETAG
from trivet.drivers.contracts.blobs import Sink
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Invalid, TrivetError
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

KIND = "object"
SMALL_BYTES = 128 * 1024
_PIECE_BYTES = 1 << 20

T = TypeVar("T")


class Received(msgspec.Struct, frozen=True):
    """Bytes that are safely in a blob, or so few that they go with the row; none, if there were none."""

    key: str | None
    size: int
    etag: str
    content: bytes | None = None


def new_key(parts: Parts) -> str:
    return f"{KIND}.{parts.ids.hex()}"


class Room(msgspec.Struct, frozen=True):
    """Where bytes that come are to go."""

    project_id: str
    most: int = names.SIZE_MAX
    spare: int = 0
    """So many more are free once they are there: they take the place of others."""


async def receive(parts: Parts, room: Room, chunks: AsyncIterator[bytes]) -> Received:
    """What was never said how long it is, and what comes many times at once, ends where the project's limit does."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > room.most:
            raise too_large()
        if size > SMALL_BYTES:
            return await _receive_long(parts, room, held, chunks)
    if not size:
        return Received(None, 0, EMPTY_ETAG)
    content = held[0] if len(held) == 1 else b"".join(held)
    return await receive_small(parts, content)


async def receive_small(parts: Parts, content: bytes) -> Received:
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if len(content) <= small.BYTES_MAX:
        return Received(small.new_key(parts.ids.hex()), len(content), etag, content)
    key = new_key(parts)
    try:
        await parts.blobs.put(key, content)
    except DriverError as error:
        raise unkept(error) from error
    return Received(key, len(content), etag)


async def _receive_long(parts: Parts, room: Room, held: list[bytes], chunks: AsyncIterator[bytes]) -> Received:
    key, digest = new_key(parts), hashlib.md5(usedforsecurity=False)
    size = pending = sum(len(chunk) for chunk in held)
    arriving = parts.arriving.of(room.project_id)
    try:
        await _check_room(parts, room, arriving.more(size))
        sink = await parts.blobs.create(key)
        try:
            async for chunk in chunks:
                held.append(chunk)
                pending += len(chunk)
                size += len(chunk)
                if size > room.most:
                    raise too_large()
                if pending >= _PIECE_BYTES:
                    await _check_room(parts, room, arriving.more(pending))
                    await _write(sink, digest, b"".join(held))
                    held, pending = [], 0
            if held:
                await _write(sink, digest, b"".join(held))
            await sink.finish()
        except BaseException:
            await sink.abandon()
            raise
    except DriverError as error:
        raise unkept(error) from error
    finally:
        arriving.end()
    return Received(key, size, digest.hexdigest())


async def _check_room(parts: Parts, room: Room, arriving: int) -> None:
    async with parts.store.read() as tx:
        await quotas.foresee(tx, room.project_id, accounts.BYTES, arriving - room.spare)


async def _write(sink: Sink, digest: "hashlib._Hash", piece: bytes) -> None:
    """Both in threads, side by side."""
    await asyncio.gather(asyncio.to_thread(digest.update, piece), sink.write(piece))


def too_large() -> Invalid:
    return Invalid("object.too_large", "Your request is too large.", status=413)


def unkept(error: DriverError) -> Busy:
    full = "full" in error.why
    return Busy("blobs.full" if full else "blobs.away", error.why, status=507 if full else 503)


async def settle(parts: Parts, received: Received, act: Callable[[Tx], Awaitable[T]]) -> T:
    """Point a row at what was received. Where that is refused the bytes go at once; where nobody knows whether it was
    done (the database went away at the commit, say) they stay, for the sweep to look."""

    async def kept(tx: Tx) -> T:
        if received.content is not None and received.key is not None:
            await small.keep(tx, received.key, received.content)
        return await act(tx)

    try:
        return await transact(parts.store, kept)
    except Busy:
        raise
    except TrivetError:
        await drop(parts, received)
        raise


async def drop(parts: Parts, received: Received) -> None:
    """Bytes that no row was ever pointed at."""
    if received.key is not None and received.content is None:
        try:
            await parts.blobs.remove(received.key)
        except DriverError:
            return  # the sweep's
