"""The sweep: what nobody refers to any more goes, after a while in which a push may still count on it.

It may run anywhere, twice, or late. Rows go first and their bytes after the commit; bytes whose row was never
written, or is gone already, are found by their name, which says when they were made.
"""

from trivet.domain import orphans
from trivet.domain.registry import blobs, manifests, uploads
from trivet.domain.registry.blobs import BLOBS
from trivet.domain.registry.manifests import ALIVE, MANIFESTS
from trivet.domain.registry.repositories import REPOSITORIES
from trivet.domain.registry.uploads import UPLOADS
from trivet.domain.row_locks import hold
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

UNUSED_S = 3600.0
"""For so long after it came, or was asked for, a blob that no manifest names is kept."""
_AT_ONCE = 100

_UNNAMED = (
    "NOT EXISTS (SELECT 1 FROM registry_references r JOIN registry_manifests m ON m.id = r.manifest_id"
    " WHERE m.repository_id = registry_links.repository_id AND r.digest = registry_links.digest)"
)

_UNLINKED = (
    "NOT EXISTS (SELECT 1 FROM registry_links l JOIN registry_repositories r ON r.id = l.repository_id"
    " WHERE l.digest = registry_blobs.digest AND r.project_id = registry_blobs.project_id)"
)
_EMPTY = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} x WHERE x.repository_id = registry_repositories.id)"
    for table in ("registry_manifests", "registry_links", "registry_uploads")
)


async def sweep(parts: Parts) -> None:
    for job in (_end_uploads, _forget_manifests, _drop_links, _drop_blobs, _drop_repositories):
        while True:
            keys, more = await transact(parts.store, job)
            for key in keys:
                await orphans.removed(parts, key)
            if not more:
                break
    await orphans.remove_orphans(parts, "registry", _used)


async def _end_uploads(tx: Tx) -> tuple[list[str], bool]:
    old = Where().add("used_at < ?", tx.clock.now() - uploads.EXPIRES_S)
    found = await tx.select(UPLOADS, old, order="id", limit=_AT_ONCE)
    return [key for upload in found for key in await uploads.drop(tx, upload)], len(found) == _AT_ONCE


async def _forget_manifests(tx: Tx) -> tuple[list[str], bool]:
    """Whose image was deleted."""
    found = await tx.select(MANIFESTS, Where().add(f"NOT {ALIVE}"), order="id", limit=_AT_ONCE)
    for manifest in found:
        await manifests.forget(tx, manifest)
    return [manifest.blob_key for manifest in found], len(found) == _AT_ONCE


async def _drop_links(tx: Tx) -> tuple[list[str], bool]:
    """A push that comes at this moment holds the repository, or waits and finds the blob gone."""
    rows = await tx.rows(
        f"SELECT DISTINCT repository_id FROM registry_links WHERE used_at < ? AND {_UNNAMED}"
        f" ORDER BY repository_id LIMIT {_AT_ONCE}",
        tx.clock.now() - UNUSED_S,
    )
    for (repository_id,) in rows:
        await hold(tx, REPOSITORIES, str(repository_id))
        await tx.run(
            f"DELETE FROM registry_links WHERE repository_id = ? AND used_at < ? AND {_UNNAMED}",
            repository_id,
            tx.clock.now() - UNUSED_S,
        )
    return [], len(rows) == _AT_ONCE


async def _drop_blobs(tx: Tx) -> tuple[list[str], bool]:
    found = await tx.select(BLOBS, Where().add(_UNLINKED), order="id", limit=_AT_ONCE)
    keys = []
    for blob in found:
        # Whoever links it at this moment holds it: who was waited for is looked for again.
        await hold(tx, BLOBS, blob.id)
        if await tx.find(BLOBS, f"id = ? AND {_UNLINKED}", blob.id) is None:
            continue
        await tx.delete(BLOBS, blob)
        blobs.count(tx, blob, -1)
        shared = await tx.row("SELECT 1 FROM registry_blobs WHERE blob_key = ? LIMIT 1", blob.blob_key)
        keys += [blob.blob_key] if shared is None and not blob.is_lent else []
    return keys, len(found) == _AT_ONCE


async def _drop_repositories(tx: Tx) -> tuple[list[str], bool]:
    """In which there is nothing, and nothing on its way."""
    found = await tx.select(REPOSITORIES, Where().add(_EMPTY), order="id", limit=_AT_ONCE)
    for repository in found:
        await hold(tx, REPOSITORIES, repository.id)
        if await tx.find(REPOSITORIES, f"id = ? AND {_EMPTY}", repository.id) is not None:
            await tx.delete(REPOSITORIES, repository)
    return [], len(found) == _AT_ONCE


async def _used(tx: Tx) -> set[str]:
    used = {str(key) for (key,) in await tx.rows("SELECT blob_key FROM registry_blobs")}
    used |= {str(key) for (key,) in await tx.rows("SELECT blob_key FROM registry_manifests")}
    for upload in await tx.select(UPLOADS):
        used |= {*upload.keys, upload.writing_key or ""}
    return used
