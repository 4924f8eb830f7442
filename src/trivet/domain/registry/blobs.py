"""Blobs of a registry: layers and configurations, kept once a project by their digest, and linked from repositories.

Whoever may not pull from a repository in which a blob is does not learn that it is anywhere.
"""

from collections.abc import AsyncIterator, Collection

import msgspec

from trivet.domain import orphans
from trivet.domain.callers import Caller
from trivet.domain.images import images
from trivet.domain.registry.repositories import REPOSITORIES, Repository
from trivet.domain.row_locks import hold
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Conflict, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

KEY_PREFIX = "registry."
_TOUCH_AFTER_S = 300.0


class Blob(Record, frozen=True, kw_only=True):
    project_id: str
    digest: str
    size: int
    blob_key: str
    starts_at: int = 0

    @property
    def is_lent(self) -> bool:
        """It lies in the archive of an image, and goes with that."""
        return not self.blob_key.startswith(KEY_PREFIX)


BLOBS = Table("registry_blobs", Blob, logged=False)


def new_key(parts: Parts) -> str:
    return orphans.new_key(parts, "registry")


def absent(digest: str) -> NotFound:
    return NotFound("blob.absent", f"There is no blob {digest} here.")


async def linked(tx: Tx, repository: Repository, digests: Collection[str]) -> dict[str, Blob]:
    """Those of them that are in the repository."""
    where = Where().equal("project_id", repository.project_id).any_of("digest", digests)
    where.add(
        "EXISTS (SELECT 1 FROM registry_links l WHERE l.repository_id = ? AND l.digest = registry_blobs.digest)",
        repository.id,
    )
    # What lies in the archive of an image is gone with it.
    where.add(
        f"(blob_key LIKE '{KEY_PREFIX}%' OR EXISTS (SELECT 1 FROM images i WHERE i.blob_key = registry_blobs.blob_key))"
    )
    return {blob.digest: blob for blob in await tx.select(BLOBS, where)}


async def in_repository(tx: Tx, repository: Repository, digest: str) -> Blob | None:
    return (await linked(tx, repository, (digest,))).get(digest)


async def touch(parts: Parts, repository: Repository, digest: str) -> None:
    """A push that heard that the blob is there counts on it for a while."""
    async with parts.store.write() as tx:
        now = tx.clock.now()
        sql = "UPDATE registry_links SET used_at = ? WHERE repository_id = ? AND digest = ? AND used_at < ?"
        await tx.run(sql, now, repository.id, digest, now - _TOUCH_AFTER_S)


async def link(tx: Tx, repository: Repository, digest: str) -> None:
    await tx.run(
        "INSERT INTO registry_links (repository_id, digest, used_at) VALUES (?, ?, ?)"
        " ON CONFLICT (repository_id, digest) DO UPDATE SET used_at = excluded.used_at",
        repository.id,
        digest,
        tx.clock.now(),
    )


class Bytes(msgspec.Struct, frozen=True):
    """Where some are that are whole: a blob, or a part of one."""

    key: str
    size: int
    starts_at: int = 0


async def keep(tx: Tx, repository: Repository, digest: str, there: Bytes) -> str | None:
    """They become the project's blob of that digest; the key of what is not needed, if that is one."""
    mine = "project_id = ? AND digest = ?"
    found = await tx.find(BLOBS, mine, repository.project_id, digest)
    needless = None
    if found is None:
        new = Blob(
            id=tx.ids.uuid(), project_id=repository.project_id, digest=digest, size=there.size, blob_key=there.key,
            starts_at=there.starts_at,
        )  # fmt: skip
        await tx.insert(BLOBS, new)
        count(tx, new)
    elif found.is_lent and there.key != found.blob_key:
        count(tx, await tx.update(BLOBS, found, blob_key=there.key, starts_at=there.starts_at))
    else:
        await hold(tx, BLOBS, found.id)
        needless = there.key if there.key != found.blob_key else None
    await link(tx, repository, digest)
    return needless


def count(tx: Tx, blob: Blob, sign: int = 1) -> None:
    if not blob.is_lent:
        images.count_kept(tx, blob.project_id, sign * images.mib(blob.size))


async def mount(tx: Tx, repository: Repository, source: Repository, digest: str) -> bool:
    """From a repository that the caller may pull from. False: it has to be uploaded."""
    blob = await in_repository(tx, source, digest)
    if blob is None or blob.is_lent:
        return False
    if source.project_id == repository.project_id:
        await hold(tx, BLOBS, blob.id)
        await link(tx, repository, digest)
        return True
    own = await tx.find(BLOBS, "project_id = ? AND digest = ?", repository.project_id, digest)
    # By id: whoever mounts the other way round waits for the same one first.
    for id in sorted({blob.id, *([own.id] if own is not None else [])}):
        await hold(tx, BLOBS, id)
    await keep(tx, repository, digest, Bytes(blob.blob_key, blob.size, blob.starts_at))
    return True


async def unlink(tx: Tx, caller: Caller, repository: Repository, digest: str) -> None:
    """Out of the repository, unless a manifest there needs it. Its bytes go with the next sweep."""
    await hold(tx, REPOSITORIES, repository.id)
    if await in_repository(tx, repository, digest) is None:
        raise absent(digest)
    used = await tx.row(
        "SELECT 1 FROM registry_references r JOIN registry_manifests m ON m.id = r.manifest_id"
        " JOIN images i ON i.id = m.image_id WHERE m.repository_id = ? AND r.digest = ? LIMIT 1",
        repository.id,
        digest,
    )
    if used is not None:
        raise Conflict("blob.used", "A manifest of the repository refers to the blob; delete that first.", status=405)
    await tx.run("DELETE FROM registry_links WHERE repository_id = ? AND digest = ?", repository.id, digest)


async def read(parts: Parts, blob: Blob, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
    """That the bytes are there is asked before anything is answered."""
    if await parts.blobs.size(blob.blob_key) is None:
        raise NotFound("blob.lost", f"The bytes of {blob.digest} are gone from this cloud's store.")
    return parts.blobs.read(blob.blob_key, blob.starts_at + offset, blob.size - offset if length is None else length)


async def own_copy(parts: Parts, repository: Repository, blob: Blob) -> None:
    """Of one that lies in an image's archive, for a manifest that must not depend on that."""
    key = new_key(parts)
    try:
        sink = await parts.blobs.create(key)
        try:
            async for chunk in await read(parts, blob):
                await sink.write(chunk)
            await sink.finish()
        except BaseException:
            await sink.abandon()
            raise
    except DriverError as error:
        raise Busy("blobs.away", error.why) from error

    async def act(tx: Tx) -> str | None:
        await hold(tx, REPOSITORIES, repository.id)
        return await keep(tx, repository, blob.digest, Bytes(key, blob.size))

    await drop_unless_kept(parts, key, await transact(parts.store, act))


async def drop_unless_kept(parts: Parts, key: str, needless: str | None) -> None:
    if needless == key:
        await parts.blobs.remove(key)


class Part(msgspec.Struct, frozen=True):
    """Of an upload: a blob that is whole, with the digest of it alone."""

    key: str
    size: int
    sha256: str
