"""Uploads: a blob on its way in, in one piece or in many, over any number of requests and processes.

What arrives with one request is a blob of its own, so that no process has to know what another has in hand. Most
uploads have one such part, which then is the blob; several are joined, and held against the digest, at the end.
Whoever comes last writes: a client that was cut off need not wait for us to notice.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import data as image_data
from trivet.domain.images import images
from trivet.domain.registry import blobs, names, repositories
from trivet.domain.registry.blobs import Bytes, Part
from trivet.domain.registry.repositories import REPOSITORIES, Repository
from trivet.domain.row_locks import hold
from trivet.drivers.contracts.blobs import Sink
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Conflict, Invalid, NotFound, OverQuota
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

EXPIRES_S = 3600.0
"""After nobody came with more for so long."""
PARTS_MAX = 10_000
_STEP_MIB = 64
_PIECE_BYTES = 1 << 20
_SMALL_BYTES = 128 * 1024


class Upload(Record, frozen=True, kw_only=True):
    project_id: str
    repository_id: str
    parts: list[Part] = []
    writing_key: str | None = None
    """The part that is being written. Only who wrote this one may add it."""
    promised_mib: int = 0
    created_at: float
    used_at: float

    @property
    def received(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def keys(self) -> list[str]:
        return [part.key for part in self.parts]


UPLOADS = Table("registry_uploads", Upload, logged=False)


class At(msgspec.Struct, frozen=True):
    """Which upload is meant: of whom, and where."""

    caller: Caller
    path: str
    id: str


class Received(msgspec.Struct):
    """A part as far as it has come."""

    key: str
    size: int = 0
    sha256: str = ""


async def begin(tx: Tx, caller: Caller, path: str) -> Upload:
    repository = await repositories.ensure(tx, caller, path)
    now = tx.clock.now()
    images.count_upload(tx, repository.project_id, 1)
    new = Upload(
        id=tx.ids.uuid(), project_id=repository.project_id, repository_id=repository.id, created_at=now, used_at=now
    )
    return await tx.insert(UPLOADS, new)


async def need(tx: Tx, wanted: At) -> Upload:
    repository = await repositories.need_own(tx, wanted.caller, wanted.path)
    found = await tx.get(UPLOADS, wanted.id)
    if found is None or found.repository_id != repository.id:
        raise NotFound(
            "upload.absent", f"There is no upload {wanted.id[:64]} here; it may have expired. Begin a new one."
        )
    return found


async def cancel(tx: Tx, wanted: At) -> list[str]:
    return await drop(tx, await need(tx, wanted))


async def drop(tx: Tx, upload: Upload) -> list[str]:
    """The keys of what is to be removed after the commit."""
    await tx.delete(UPLOADS, upload)
    _give_back(tx, upload)
    return [*upload.keys, *([upload.writing_key] if upload.writing_key is not None else [])]


def _give_back(tx: Tx, upload: Upload) -> None:
    images.count_upload(tx, upload.project_id, -1)
    images.count_kept(tx, upload.project_id, -upload.promised_mib)


async def remove_all(parts: Parts, keys: list[str]) -> None:
    for key in keys:
        await parts.blobs.remove(key)


# -- bytes that come


async def append(parts: Parts, wanted: At, chunks: AsyncIterator[bytes], offset: int | None) -> Upload:
    """What comes is kept as far as it came, also when the client goes away in the middle: it may go on from there."""
    key = blobs.new_key(parts)

    async def start(tx: Tx) -> Upload:
        found = await need(tx, wanted)
        if offset is not None and offset != found.received:
            raise Invalid(
                "upload.range",
                f"The upload goes on at byte {found.received}, not at {offset}.",
                status=416,
            )
        if len(found.parts) >= PARTS_MAX:
            raise Invalid("upload.parts", f"An upload comes in {PARTS_MAX} chunks at most; send larger ones.")
        return await tx.update(UPLOADS, found, writing_key=key, used_at=tx.clock.now())

    upload = await transact(parts.store, start)
    received = Received(key)
    try:
        async with image_data.beating(parts, lambda: _say_alive(parts, upload)):
            cut = await _receive(parts, upload, chunks, received)
            added = await transact(parts.store, lambda tx: _add(tx, upload, received))
    except BaseException as error:
        await _undo(parts, upload)
        if isinstance(error, DriverError):
            raise Busy("blobs.away", error.why) from error
        raise
    if cut is not None:
        raise cut
    return added


async def _say_alive(parts: Parts, upload: Upload) -> None:
    async with parts.store.write() as tx:
        sql = "UPDATE registry_uploads SET used_at = ? WHERE id = ? AND writing_key = ?"
        await tx.run(sql, tx.clock.now(), upload.id, upload.writing_key)


async def _undo(parts: Parts, upload: Upload) -> None:
    """What came last, and not what is there already."""
    assert upload.writing_key is not None

    async def act(tx: Tx) -> None:
        current = await tx.get(UPLOADS, upload.id)
        if current is not None and current.writing_key == upload.writing_key:
            kept_mib = images.mib(current.received)
            images.count_kept(tx, current.project_id, kept_mib - current.promised_mib)
            await tx.update(UPLOADS, current, writing_key=None, promised_mib=kept_mib)

    # Who is being cancelled (the client went away) still has to tidy up.
    await asyncio.shield(_both(transact(parts.store, act), parts.blobs.remove(upload.writing_key)))


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    await first
    await second


async def _receive(parts: Parts, upload: Upload, chunks: AsyncIterator[bytes], into: Received) -> Invalid | None:
    """What the client said in the middle by going away, if that is how it ended."""
    before, promised = upload.received, upload.promised_mib
    sink = await parts.blobs.create(into.key)
    digest = hashlib.sha256()
    cut: Invalid | None = None
    try:
        try:
            async for piece in pieces(chunks):
                size = before + into.size + len(piece)
                if size > image_data.SIZE_MAX:
                    raise OverQuota("image.too_large", f"A blob has {image_data.SIZE_MAX} bytes at most.", status=413)
                if images.mib(size) > promised:
                    promised = await _promise(parts, upload, images.mib(size))
                await write(sink, (digest,), piece)
                into.size += len(piece)
        except Invalid as error:
            if error.code != "body.cut" or not into.size:
                raise
            cut = error
        into.sha256 = digest.hexdigest()
        await sink.finish()
    except BaseException:
        await sink.abandon()
        raise
    return cut


async def _promise(parts: Parts, upload: Upload, needed: int) -> int:
    """Room for so many MiB and some more, so that a limit says no while bytes come and not after the last."""

    async def raised_to(tx: Tx, wanted: int) -> int:
        current = await _still_mine(tx, upload)
        images.count_kept(tx, upload.project_id, wanted - current.promised_mib)
        await tx.update(UPLOADS, current, promised_mib=wanted, used_at=tx.clock.now())
        return wanted

    try:
        return await transact(parts.store, lambda tx: raised_to(tx, needed + _STEP_MIB - 1))
    except OverQuota:
        return await transact(parts.store, lambda tx: raised_to(tx, needed))


async def _still_mine(tx: Tx, upload: Upload) -> Upload:
    current = await tx.get(UPLOADS, upload.id)
    if current is None:
        raise NotFound("upload.absent", f"The upload {upload.id} was cancelled, or has expired.")
    if current.writing_key != upload.writing_key:
        raise Conflict("upload.taken", "Another request goes on with this upload, since this one was too slow.")
    return current


async def _add(tx: Tx, upload: Upload, received: Received) -> Upload:
    current = await _still_mine(tx, upload)
    part = Part(received.key, received.size, received.sha256)
    return await tx.update(UPLOADS, current, parts=[*current.parts, part], writing_key=None, used_at=tx.clock.now())


# -- the end


async def finish(parts: Parts, wanted: At, digest: str) -> Repository:
    """The blob that was uploaded, if it is what its digest says; otherwise nothing is left of it."""

    async def look(tx: Tx) -> Upload:
        found = await need(tx, wanted)
        return await tx.update(UPLOADS, found, writing_key=blobs.new_key(parts), used_at=tx.clock.now())

    async def end(tx: Tx) -> tuple[Repository, str | None, Upload]:
        repository = await repositories.need_own(tx, wanted.caller, wanted.path)
        await hold(tx, REPOSITORIES, repository.id)
        current = await _still_mine(tx, upload)
        await tx.delete(UPLOADS, current)
        needless = await blobs.keep(tx, repository, digest, Bytes(key, upload.received))
        _give_back(tx, current)
        return repository, needless, current

    upload = await transact(parts.store, look)
    assert upload.writing_key is not None
    try:
        async with image_data.beating(parts, lambda: _say_alive(parts, upload)):
            key = await _whole(parts, upload, digest)
            repository, needless, current = await transact(parts.store, end)
    except DriverError as error:
        raise Busy("blobs.away", error.why) from error
    except Invalid:
        await remove_all(parts, await transact(parts.store, lambda tx: _drop_if_there(tx, upload.id)))
        raise
    await blobs.drop_unless_kept(parts, key, needless)
    await remove_all(parts, [part for part in current.keys if part != key])
    return repository


async def _drop_if_there(tx: Tx, id: str) -> list[str]:
    found = await tx.get(UPLOADS, id)
    return await drop(tx, found) if found is not None else []


async def _whole(parts: Parts, upload: Upload, digest: str) -> str:
    """The key of the one blob that holds all parts, which have the digest."""
    if len(upload.parts) == 1 and digest.startswith("sha256:"):
        (only,) = upload.parts
        if digest != f"sha256:{only.sha256}":
            raise _other_digest(f"sha256:{only.sha256}")
        return only.key
    assert upload.writing_key is not None
    hashed = names.hasher(digest)
    sink = await parts.blobs.create(upload.writing_key)
    try:
        for part in upload.parts:
            async for chunk in parts.blobs.read(part.key):
                await write(sink, (hashed,), chunk)
        if digest.partition(":")[2] != hashed.hexdigest():
            raise _other_digest(f"{hashed.name}:{hashed.hexdigest()}")
        await sink.finish()
    except BaseException:
        await sink.abandon()
        raise
    return upload.writing_key


def _other_digest(found: str) -> Invalid:
    return Invalid("digest.other", f"What was uploaded has another digest: {found}.")


# -- bytes


async def pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks as a network delivers them, in pieces that are worth a thread. What came before a break is given, too."""
    held: list[bytes] = []
    size = 0
    cut: Invalid | None = None
    try:
        async for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size >= _PIECE_BYTES:
                yield b"".join(held)
                held, size = [], 0
    except Invalid as error:
        cut = error
    if held:
        yield b"".join(held)
    if cut is not None:
        raise cut


async def write(sink: Sink, digests: "tuple[hashlib._Hash, ...]", piece: bytes) -> None:
    """Hashed and written side by side."""
    if len(piece) <= _SMALL_BYTES:
        _hash(digests, piece)
        await sink.write(piece)
    else:
        await asyncio.gather(asyncio.to_thread(_hash, digests, piece), sink.write(piece))


def _hash(digests: "tuple[hashlib._Hash, ...]", piece: bytes) -> None:
    for digest in digests:
        digest.update(piece)
