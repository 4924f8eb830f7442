"""An image's bytes on their way in: uploaded, staged, imported, or taken from a snapshot.

All ways end in `fill`: bytes go to a new blob while they are hashed, are looked at, and only then the row is
pointed at them, in one transaction with the quota. Hashing and writing run in threads, side by side.
"""

import asyncio
import contextlib
import hashlib
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from trivet.domain import orphans
from trivet.domain.callers import Caller
from trivet.domain.images import archives, images, signatures, sinks, stores
from trivet.domain.images import formats as image_formats
from trivet.domain.images.images import IMAGES, Image, Status
from trivet.domain.images.signatures import Check
from trivet.domain.images.stores import Targets
from trivet.domain.images.unpacking import Allowance
from trivet.drivers.contracts.blobs import Blobs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import Busy, Conflict, Invalid, NotFound, OverQuota
from trivet.parts import ARCHIVE_PLACES, Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

SIZE_MAX = 1 << 40
"""1 TiB: nobody means more."""
WRITER_DEAD_S = 120.0

_RENEW_S = 30.0
_STEP_MIB = 63
_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 128 * 1024
_logger = logging.getLogger(__name__)
T = TypeVar("T")
_lookers = ThreadPoolExecutor(ARCHIVE_PLACES, thread_name_prefix="archive")


class Received(msgspec.Struct, frozen=True):
    """Bytes that are safely in a blob."""

    key: str
    """Of the first store that has them."""
    copies: dict[str, str]
    failed: tuple[str, ...]
    size: int
    checksum: str
    os_hash_value: str
    head: bytes
    tail: bytes
    signed_digest: str | None = None


def new_key(parts: Parts, store: str | None = None) -> str:
    """In the store, or in the one where images are kept if nobody says where."""
    return orphans.new_key(parts, stores.kind_of(store or stores.default(parts.settings)))


# -- the ways in


async def upload(
    parts: Parts,
    caller: Caller,
    id: str,
    chunks: AsyncIterator[bytes],
    size: int | None = None,
    *,
    store: str | None = None,
) -> None:
    """`size`, if the client says it, is asked of the limits before the first byte."""

    async def begin(tx: Tx) -> tuple[Image, Check | None]:
        image = await images.owned(tx, caller, id)
        _refuse_unless(image, ("queued",), "upload to")
        check = await signatures.check_of(tx, parts.secrets, caller, image.properties)
        return await start_writing(tx, image, "saving", key, size), check

    key = new_key(parts, store)
    image, check = await transact(parts.store, begin)
    with _told():
        await fill(parts, image, chunks, "queued", check=check)


async def stage(parts: Parts, caller: Caller, id: str, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
    """Bytes that wait for an import. Any process may import them later: they are a blob like any other."""

    async def begin(tx: Tx) -> Image:
        image = await images.owned(tx, caller, id)
        _refuse_unless(image, ("queued",), "stage data for")
        return await start_writing(tx, image, "uploading", key, size)

    async def end(tx: Tx) -> None:
        current = await still_mine(tx, image)
        await images.write(
            tx, current, staged_key=key, staged_size=received.size, size=received.size,
            writing_key=None, writing_until=None, writing_mib=0, updated_at=tx.clock.now(),
        )  # fmt: skip

    key = new_key(parts)
    image = await transact(parts.store, begin)
    try:
        with _told():
            async with alive(parts, image):
                received = await receive(parts, image, chunks)
                await transact(parts.store, end)
    except BaseException:
        await give_up(parts, image, "queued")
        raise


async def fill_from_path(
    parts: Parts, image_id: str, path: str, disk_format: str, admit: Callable[[Tx], Awaitable[None]]
) -> None:
    """Of a snapshot: the bytes of a local file, if whoever has it is admitted. The image must be queued
    (images.expect)."""

    async def begin(tx: Tx) -> Image:
        await admit(tx)
        image = await tx.need(IMAGES, image_id, "image")
        _refuse_unless(image, ("queued", "saving"), "fill")
        image = await tx.update(IMAGES, image, disk_format=disk_format)
        return await start_writing(tx, image, "saving", key)

    key = new_key(parts)
    image = await transact(parts.store, begin)
    await fill(parts, image, file_chunks(path), "queued")


async def file_chunks(path: str) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(Path(path).open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield chunk


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Whatever keeps the blobs says no in a driver's words; who uploads is told in ours."""
    try:
        yield
    except DriverError as error:
        raise Busy("blobs.away", error.why) from error


# -- the one way to the end


async def start_writing(
    tx: Tx, image: Image, status: Status, key: str, size: int | None = None, *, copies: int = 1
) -> Image:
    if image.disk_format is None or image.container_format is None:
        missing = "disk_format" if image.disk_format is None else "container_format"
        raise Invalid("image.format_unset", f"Properties {missing} must be set prior to saving data.")
    now = tx.clock.now()
    return await images.write(
        tx, image, status=status, writing_key=key, writing_until=now + WRITER_DEAD_S,
        writing_mib=copies * images.mib(size), fault=None, updated_at=now,
    )  # fmt: skip


async def fill(
    parts: Parts,
    image: Image,
    chunks: AsyncIterator[bytes],
    back_to: Status,
    finish: Callable[[Tx, Received], Awaitable[None]] | None = None,
    *,
    check: Check | None = None,
    to: Targets | None = None,
) -> None:
    """Bytes to a whole image, or the image back to what it was. `finish` joins the last transaction.

    `check`: what they were signed with. Who fills what nobody can have signed yet has none. `to`: the stores, if more
    than the one that the key is in; that is the first of them.
    """

    async def end(tx: Tx) -> None:
        current = await still_mine(tx, image)
        if finish is not None:
            await finish(tx, received)
        await images.write(
            tx, current, status="active", blob_key=received.key, copies=received.copies, size=received.size,
            virtual_size=virtual_size, importing_to=() if current.importing_to is not None else None,
            failed_stores=received.failed if current.importing_to is not None else None,
            checksum=received.checksum, os_hash_algo="sha512", os_hash_value=received.os_hash_value,
            signed_digest=received.signed_digest,
            staged_key=None, staged_size=None, writing_key=None, writing_until=None, writing_mib=0, fault=None,
            updated_at=tx.clock.now(),
        )  # fmt: skip

    try:
        async with alive(parts, image):
            received = await receive(parts, image, chunks, check, to)
            virtual_size = await look(parts, image, received)
            await transact(parts.store, end)
    except BaseException:
        await give_up(parts, image, back_to, to=to)
        raise


async def receive(
    parts: Parts, image: Image, chunks: AsyncIterator[bytes], check: Check | None = None, to: Targets | None = None
) -> Received:
    """Into the blob that the image waits for, with the hashes; only what its signature is of."""
    assert image.writing_key is not None
    to = to or Targets((stores.store_of(image.writing_key),))
    sink = await sinks.open_all(parts.blobs, image.writing_key, to)
    digests = [hashlib.sha512(), hashlib.md5(usedforsecurity=False)]
    if check is not None:
        digests.append(check.signature.new_digest())
    size, head, tail, promised = 0, b"", b"", image.writing_mib
    try:
        async for piece in _pieces(chunks):
            size += len(piece)
            if size > SIZE_MAX:
                raise OverQuota("image.too_large", f"An image has {SIZE_MAX} bytes at most.", status=413)
            if images.mib(size) * len(to.stores) > promised:
                promised = await _promise(parts, image, images.mib(size), len(to.stores))
            if len(head) < image_formats.HEAD_BYTES:
                head += piece[: image_formats.HEAD_BYTES - len(head)]
            tail = (tail + piece[-image_formats.TAIL_BYTES :])[-image_formats.TAIL_BYTES :]
            if len(piece) <= _SMALL_BYTES:
                _hash(digests, piece)
                await sink.write(piece)
            else:
                await asyncio.gather(asyncio.to_thread(_hash, digests, piece), sink.write(piece))
        signed = None
        if check is not None:
            check.verify(digests[2].digest())
            signed = signatures.written_down(check.signature.method, digests[2].digest())
        await sink.finish()
    except BaseException:
        await sink.abandon()
        raise
    copies, sums = sink.copies, (digests[1].hexdigest(), digests[0].hexdigest())
    return Received(next(iter(copies.values())), copies, tuple(sink.failed), size, *sums, head, tail, signed)


async def _promise(parts: Parts, image: Image, needed: int, copies: int) -> int:
    """Room for so many MiB and some more, so that a limit says no while bytes come and not after the last."""

    async def raised_to(tx: Tx, wanted: int) -> int:
        await images.write(tx, await still_mine(tx, image), writing_mib=wanted)
        return wanted

    try:
        return await transact(parts.store, lambda tx: raised_to(tx, copies * (needed + _STEP_MIB)))
    except OverQuota:
        return await transact(parts.store, lambda tx: raised_to(tx, copies * needed))


def _hash(digests: "list[hashlib._Hash]", piece: bytes) -> None:
    for digest in digests:
        digest.update(piece)


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks as a network delivers them, in pieces that are worth a thread."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def look(parts: Parts, image: Image, received: Received) -> int | None:
    """Refuse bytes that are not what the owner says they are; the virtual size, where there is one.

    An operator may let in disks of another format than they are said to have. Hosts look again before they open any.
    """
    try:
        return await _virtual_size(parts, image, received)
    except Invalid as error:
        if parts.settings.image_format_match or error.code != "image.content":
            raise
        _logger.warning("Image %s is not of the format that it is said to have", image.id)
        return None


async def _virtual_size(parts: Parts, image: Image, received: Received) -> int | None:
    if image.is_oci:
        await check_archive(parts, image, received)
        return None
    assert image.disk_format is not None
    if image.container_format in ("ova", "compressed"):
        image_formats.check_wrapped(image.container_format, received.head)
        return None
    return image_formats.check(image.disk_format, received.head, received.tail, received.size).virtual_size


async def check_archive(parts: Parts, image: Image, received: Received) -> None:
    await _look_into(parts, image, received.key, received.size, archives.check)


async def archive_layout(parts: Parts, image: Image, architecture: str) -> archives.Layout:
    """What a registry would tell of an image that was uploaded as an archive."""
    assert image.blob_key is not None

    def read(file: IO[bytes], allowance: Allowance) -> archives.Layout:
        return archives.layout(file, allowance, architecture)

    return await _look_into(parts, image, image.blob_key, image.size or 0, read)


async def _look_into(parts: Parts, image: Image, key: str, size: int, look: Callable[[IO[bytes], Allowance], T]) -> T:
    """In threads that nothing else needs, and of which no project takes all."""
    allowance = Allowance(parts.clock.monotonic, size)
    async with parts.archive_places.place(image.project_id), _local_file(parts.blobs, key) as path:
        looking = asyncio.get_running_loop().run_in_executor(_lookers, _look_at_file, path, allowance, look)
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            # The place is free once the thread is.
            allowance.end()
            await asyncio.wait([looking])
            raise


def _look_at_file(path: str, allowance: Allowance, look: Callable[[IO[bytes], Allowance], T]) -> T:
    file: IO[bytes]
    with Path(path).open("rb") as file:
        return look(file, allowance)


@asynccontextmanager
async def _local_file(blobs: Blobs, key: str) -> AsyncIterator[str]:
    path = blobs.local_path(key)
    if path is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as file:
        async for chunk in blobs.read(key):
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        yield file.name


# -- when it does not work out


async def give_up(
    parts: Parts, image: Image, status: Status, fault: str | None = None, to: Targets | None = None
) -> None:  # fmt: skip
    """Put the row back and drop the bytes. Somebody else's row is left alone."""
    assert image.writing_key is not None

    async def back(tx: Tx) -> None:
        current = await tx.get(IMAGES, image.id)
        if current is None or current.writing_key != image.writing_key:
            return
        await images.write(
            tx, current, status=status, writing_key=None, writing_until=None, writing_mib=0, fault=fault,
            size=current.staged_size, updated_at=tx.clock.now(),
        )  # fmt: skip

    # Who is being cancelled (the client went away) still has to tidy up.
    await asyncio.shield(_both(transact(parts.store, back), drop_written(parts, image.writing_key, to)))


async def drop_written(parts: Parts, key: str, to: Targets | None) -> None:
    for written in [key] if to is None else [stores.key_in(store, key) for store in to.stores]:
        await parts.blobs.remove(written)


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    await first
    await second


async def still_mine(tx: Tx, image: Image) -> Image:
    current = await tx.get(IMAGES, image.id)
    if current is None:
        raise NotFound("image.gone", f"Image {image.id} was deleted while its data was being written.", status=410)
    if current.writing_key != image.writing_key:
        raise Conflict("image.lost", f"Image {image.id} was taken over by another writer, since this one was too slow.")
    return current


@asynccontextmanager
async def alive(parts: Parts, image: Image) -> AsyncIterator[None]:
    """Say from time to time that the writer lives."""

    async def renew() -> None:
        # A plain statement: it is no change that anybody would want to hear of.
        async with parts.store.write() as tx:
            sql = "UPDATE images SET writing_until = ? WHERE id = ? AND writing_key = ?"
            await tx.run(sql, tx.clock.now() + WRITER_DEAD_S, image.id, image.writing_key)

    async with beating(parts, renew):
        yield


@asynccontextmanager
async def beating(parts: Parts, beat: Callable[[], Awaitable[None]], every_s: float = _RENEW_S) -> AsyncIterator[None]:
    """`beat` again and again while the block runs. A database that is away, or a bug, is no reason to stop."""

    async def run() -> None:
        while True:
            await parts.clock.sleep(every_s)
            with contextlib.suppress(DriverError, Busy):
                await foreseen("A sign of life", beat(), Busy)

    beater = asyncio.create_task(run())
    try:
        yield
    finally:
        beater.cancel()


def _refuse_unless(image: Image, statuses: tuple[Status, ...], verb: str) -> None:
    if image.status not in statuses:
        raise Conflict(
            "image.status",
            f"It is not possible to {verb} image {image.id}: it is {image.status}, not {' or '.join(statuses)}.",
        )
