"""Manifests: what is pushed, by tag or digest, and pulled. Each is an image of the cloud, and gone when that is gone.

An image is named like the tag that was given to it last. Those without any tag are hidden, so that lists of images
show what people have named.
"""

import asyncio

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import images, members
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.registry import names, repositories
from trivet.domain.registry.blobs import Blob
from trivet.domain.registry.repositories import REPOSITORIES, Repository
from trivet.domain.row_locks import hold
from trivet.errors import Forbidden, NotFound, OverQuota
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

TAGS_MAX = 10_000
"""Of one repository."""
DIGEST_PROPERTY = "oci_digest"
ARTIFACT_PROPERTY = "oci_artifact_type"
_DEPTH_MAX = 3
_AROUND_MAX = 100


class Manifest(Record, frozen=True, kw_only=True):
    project_id: str
    repository_id: str
    image_id: str
    digest: str
    media_type: str
    artifact_type: str | None = None
    subject: str | None = None
    annotations: dict[str, str] = {}
    size: int
    blob_key: str
    created_at: float


MANIFESTS = Table("registry_manifests", Manifest, logged=False)

ALIVE = "EXISTS (SELECT 1 FROM images i WHERE i.id = registry_manifests.image_id)"


def absent(reference: str) -> NotFound:
    return NotFound("manifest.absent", f"There is no manifest {reference[:200]} here.")


# -- looking


async def by_reference(tx: Tx, repository: Repository, reference: str) -> Manifest | None:
    """Of a tag or a digest."""
    if ":" in reference:
        wanted = "repository_id = ? AND digest = ?"
        return await tx.find(MANIFESTS, f"{wanted} AND {ALIVE}", repository.id, names.digest(reference))
    named = "id = (SELECT t.manifest_id FROM registry_tags t WHERE t.repository_id = ? AND t.name = ?)"
    return await tx.find(MANIFESTS, f"{named} AND {ALIVE}", repository.id, names.tag(reference))


async def pulled(tx: Tx, caller: Caller, path: str, reference: str) -> Manifest:
    repository = await repositories.find(tx, path)
    if repository is None or not await sees_any(tx, caller, repository):
        raise repositories.absent(path)
    found = await by_reference(tx, repository, reference)
    if found is None or not await visible(tx, caller, found):
        raise absent(reference)
    await refuse_deactivated(tx, caller, found)
    return found


async def refuse_deactivated(tx: Tx, caller: Caller, manifest: Manifest) -> None:
    image = await tx.get(IMAGES, manifest.image_id)
    if image is not None and image.status == "deactivated" and not caller.is_operator:
        raise Forbidden("image.deactivated", "The image has been deactivated, and cannot be pulled.")


async def sees_any(tx: Tx, caller: Caller, repository: Repository) -> bool:
    if caller.may_see(repository.project_id):
        return True
    return await shown_to(tx, repository, caller.project_id)


async def shown_to(tx: Tx, repository: Repository, project_id: str | None) -> bool:
    """Whether an image of it is open to all, or shared with the project."""
    sql = (
        "SELECT 1 FROM registry_manifests m JOIN images i ON i.id = m.image_id WHERE m.repository_id = ?"
        " AND (i.visibility IN ('public', 'community') OR (i.visibility = 'shared' AND EXISTS"
        " (SELECT 1 FROM image_members s WHERE s.image_id = i.id AND s.member_id = ?))) LIMIT 1"
    )
    return project_id is not None and await tx.row(sql, repository.id, project_id) is not None


class Sight:
    """Which manifests a caller sees: by their images' own rules; and what belongs to an image that is seen is seen with
    it, the parts of an index, and what was attached to it (signatures, say).

    Manifests may name one another a thousand times each: for one caller each is looked at once, and no more of them
    than a few for any one that is asked for.
    """

    def __init__(self, tx: Tx, caller: Caller) -> None:
        self._tx = tx
        self._caller = caller
        self._open: dict[str, bool] = {}
        self._around: dict[str, list[Manifest]] = {}
        self._found: dict[str, bool] = {}

    async def sees(self, manifest: Manifest) -> bool:
        if self._caller.may_see(manifest.project_id):
            return True
        if manifest.id not in self._found:
            # Others' requests go between one and the next.
            await asyncio.sleep(0)
            self._found[manifest.id] = await self._search(manifest)
        return self._found[manifest.id]

    async def _search(self, manifest: Manifest) -> bool:
        seen, here = {manifest.id}, [manifest]
        for depth in range(_DEPTH_MAX + 1):
            for one in here:
                if await self._is_open(one):
                    return True
            above: list[Manifest] = []
            for one in here if depth < _DEPTH_MAX else ():
                above += [found for found in await self._naming(one) if found.id not in seen]
                seen |= {found.id for found in above}
                if len(seen) > _AROUND_MAX:
                    break
            here = list({one.id: one for one in above}.values())[:_AROUND_MAX]
        return False

    async def _is_open(self, manifest: Manifest) -> bool:
        if manifest.image_id not in self._open:
            try:
                await images.visible(self._tx, self._caller, manifest.image_id)
                self._open[manifest.image_id] = True
            except NotFound:
                self._open[manifest.image_id] = False
        return self._open[manifest.image_id]

    async def _naming(self, manifest: Manifest) -> list[Manifest]:
        if manifest.id not in self._around:
            around = await _naming(self._tx, manifest.repository_id, manifest.digest)
            if manifest.subject is not None:
                subject = "repository_id = ? AND digest = ?"
                found = await self._tx.find(
                    MANIFESTS, f"{subject} AND {ALIVE}", manifest.repository_id, manifest.subject
                )
                around += [found] if found is not None else []
            self._around[manifest.id] = around
        return self._around[manifest.id]


async def visible(tx: Tx, caller: Caller, manifest: Manifest) -> bool:
    return await Sight(tx, caller).sees(manifest)


async def _naming(tx: Tx, repository_id: str, digest: str) -> list[Manifest]:
    where = Where().equal("repository_id", repository_id)
    named = "id IN (SELECT r.manifest_id FROM registry_references r WHERE r.digest = ?)"
    return await tx.select(MANIFESTS, where.add(f"{named} AND {ALIVE}", digest), order="id", limit=100)


async def sees_blob(tx: Tx, caller: Caller, repository: Repository, digest: str) -> bool:
    """Who is not of the project sees what some manifest names that he sees."""
    if caller.may_see(repository.project_id):
        return True
    sight = Sight(tx, caller)
    for one in await _naming(tx, repository.id, digest):
        if await sight.sees(one):
            return True
    return False


async def parents(tx: Tx, manifest: Manifest) -> list[Manifest]:
    return await _naming(tx, manifest.repository_id, manifest.digest)


# -- pushing


class Pushed(msgspec.Struct, frozen=True):
    """A manifest that was read and whose text and archive are kept, to be written down."""

    digest: str
    media_type: str
    size: int
    blob_key: str
    named: frozenset[str]
    artifact_type: str | None
    subject: str | None
    annotations: dict[str, str]
    image: Image
    """Without name and owner."""


async def put(tx: Tx, caller: Caller, repository: Repository, pushed: Pushed, tag: str | None) -> bool:
    """The repository is held. False: it was there already, and nothing of what was kept for it is needed."""
    found = await tx.find(MANIFESTS, "repository_id = ? AND digest = ?", repository.id, pushed.digest)
    if found is not None and await tx.get(IMAGES, found.image_id) is None:
        await forget(tx, found)
        found = None
    new = found is None
    if found is None:
        before = await by_reference(tx, repository, tag) if tag is not None else None
        like = await tx.get(IMAGES, before.image_id) if before is not None else None
        found = await _make(tx, caller, repository, pushed, like)
    if tag is not None:
        await _name(tx, repository, found, tag)
    return new


async def adopt(tx: Tx, repository: Repository, pushed: Pushed, tag: str) -> bool:
    """Of an image that is there. False: somebody else was quicker."""
    found = await tx.find(MANIFESTS, "repository_id = ? AND digest = ?", repository.id, pushed.digest)
    if found is not None and await tx.get(IMAGES, found.image_id) is None:
        await forget(tx, found)
        found = None
    made = await _write(tx, repository, pushed, pushed.image.id) if found is None else found
    await _point(tx, repository, made, tag)
    return found is None


async def retag(tx: Tx, repository: Repository, manifest: Manifest, tag: str | None) -> None:
    """One that was there already is pushed again, under another name perhaps."""
    if tag is not None:
        await _name(tx, repository, manifest, tag)


async def _make(tx: Tx, caller: Caller, repository: Repository, pushed: Pushed, like: Image | None) -> Manifest:
    """Seen by those who saw what had its tag before; but what is public is made so by operators only, each time."""
    visibility = like.visibility if like is not None else "private"
    if visibility == "public" and not caller.is_operator:
        visibility = "private"
    image = msgspec.structs.replace(
        pushed.image,
        id=tx.ids.uuid(),
        project_id=repository.project_id,
        name=_nameless(repository, pushed.digest),
        visibility=visibility,
        os_hidden=True,
    )
    made = await images.create(tx, caller, image)
    if like is not None and visibility == "shared":
        await members.copy(tx, like.id, made.id)
    return await _write(tx, repository, pushed, made.id)


async def _write(tx: Tx, repository: Repository, pushed: Pushed, image_id: str) -> Manifest:
    manifest = Manifest(
        id=tx.ids.uuid(), project_id=repository.project_id, repository_id=repository.id, image_id=image_id,
        digest=pushed.digest, media_type=pushed.media_type, artifact_type=pushed.artifact_type,
        subject=pushed.subject, annotations=pushed.annotations, size=pushed.size, blob_key=pushed.blob_key,
        created_at=tx.clock.now(),
    )  # fmt: skip
    await tx.insert(MANIFESTS, manifest)
    for digest in sorted(pushed.named):
        sql = "INSERT INTO registry_references (manifest_id, digest) VALUES (?, ?)"
        await tx.run(sql, manifest.id, digest)
    return manifest


async def _name(tx: Tx, repository: Repository, manifest: Manifest, tag: str) -> None:
    """The tag moves to the manifest, and its image is called so."""
    before = await by_reference(tx, repository, tag)
    changed = {manifest.id: manifest} | ({before.id: before} if before is not None else {})
    chosen = {manifest.id: f"{repository.name}:{tag}"}
    if before is not None and before.id != manifest.id:
        chosen[before.id] = await _latest_name(tx, repository, before, but=tag)
    for one in sorted(changed.values(), key=lambda one: one.image_id):
        await _call(tx, repository, one, chosen[one.id])
    if before is None:
        row = await tx.row("SELECT COUNT(*) FROM registry_tags WHERE repository_id = ?", repository.id)
        if row is not None and int(row[0]) >= TAGS_MAX:
            raise OverQuota("tag.too_many", f"A repository has {TAGS_MAX} tags at most; delete some.")
    await _point(tx, repository, manifest, tag)


async def _point(tx: Tx, repository: Repository, manifest: Manifest, tag: str) -> None:
    await tx.run(
        "INSERT INTO registry_tags (repository_id, name, manifest_id, updated_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id,"
        " updated_at = excluded.updated_at",
        repository.id,
        tag,
        manifest.id,
        tx.clock.now(),
    )


async def _latest_name(tx: Tx, repository: Repository, manifest: Manifest, *, but: str) -> str:
    row = await tx.row(
        "SELECT name FROM registry_tags WHERE repository_id = ? AND manifest_id = ? AND name <> ?"
        " ORDER BY updated_at DESC, name LIMIT 1",
        repository.id,
        manifest.id,
        but,
    )
    return f"{repository.name}:{row[0]}" if row is not None else _nameless(repository, manifest.digest)


def _nameless(repository: Repository, digest: str) -> str:
    return f"{repository.name}@{digest}"[:255]


async def _call(tx: Tx, repository: Repository, manifest: Manifest, name: str) -> None:
    """Unless its owner has called it something else."""
    image = await tx.get(IMAGES, manifest.image_id)
    if image is None or not (image.name or "").startswith((f"{repository.name}:", f"{repository.name}@")):
        return
    hidden = name == _nameless(repository, manifest.digest) or ARTIFACT_PROPERTY in image.properties
    if (image.name, image.os_hidden) != (name, hidden):
        await images.write(tx, image, name=name, os_hidden=hidden, updated_at=tx.clock.now())


# -- deleting


async def delete(tx: Tx, caller: Caller, path: str, reference: str) -> tuple[str, ...]:
    """A tag, or a manifest with its image; the keys of blobs that are to be removed after the commit."""
    repository = await repositories.need_own(tx, caller, path)
    await hold(tx, REPOSITORIES, repository.id)
    found = await by_reference(tx, repository, reference)
    if found is None:
        raise absent(reference)
    if ":" not in reference:
        await _call(tx, repository, found, await _latest_name(tx, repository, found, but=reference))
        await tx.run("DELETE FROM registry_tags WHERE repository_id = ? AND name = ?", repository.id, reference)
        return ()
    keys = await images.delete(tx, caller, found.image_id)
    await forget(tx, found)
    return (*keys, found.blob_key)


async def forget(tx: Tx, manifest: Manifest) -> None:
    """Its image is gone."""
    await tx.delete(MANIFESTS, manifest)
    await tx.run("DELETE FROM registry_references WHERE manifest_id = ?", manifest.id)
    await tx.run("DELETE FROM registry_tags WHERE manifest_id = ?", manifest.id)


def places(found: dict[str, Blob]) -> dict[str, tuple[str, int]]:
    return {digest: (blob.blob_key, blob.starts_at) for digest, blob in found.items()}
