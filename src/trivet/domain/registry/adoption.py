"""Adoption: an image that was uploaded as an archive is pulled like one that was pushed.

Its repository is its id (with the tag `latest`), and its name, if that is written like NAME or NAME:TAG and no other
image of the project is called so. It is looked into when it is first pulled; its layers stay where they are.
"""

import asyncio

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import data as image_data
from trivet.domain.images import images, layered
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.registry import blobs, documents, manifests, names, repositories
from trivet.domain.registry.blobs import Bytes
from trivet.domain.registry.manifests import Pushed
from trivet.domain.registry.pushes import architecture
from trivet.errors import NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

_LATEST = "latest"
_OCI = "(disk_format = 'oci' OR container_format = 'docker')"


class _Found(msgspec.Struct, frozen=True):
    image: Image
    name: str


async def adopt(parts: Parts, caller: Caller, path: str, reference: str) -> bool:
    """Whether there is something now that was not there before."""
    if ":" in reference:
        return False
    tag = names.tag(reference)
    async with parts.store.read() as tx:
        found = await _find(tx, caller, path, tag)
    if found is None:
        return False
    layout = await image_data.archive_layout(parts, found.image, architecture())
    document = documents.read(layout.manifest, layout.media_type)
    key = blobs.new_key(parts)
    await layered.keep_text(parts.blobs, key, layout.manifest)
    pushed = Pushed(
        digest=names.digest_of(layout.manifest), media_type=layout.media_type, size=len(layout.manifest),
        blob_key=key, named=frozenset(document.named), artifact_type=document.kind, subject=None,
        annotations=document.annotations, image=found.image,
    )  # fmt: skip

    async def act(tx: Tx) -> bool:
        assert found is not None
        repository = await repositories.ensure_in(tx, found.image.project_id or "", found.name)
        current = await tx.get(IMAGES, found.image.id)
        if current is None or current.blob_key is None or current.blob_key != found.image.blob_key:
            raise manifests.absent(reference)
        for digest, (at, size) in sorted(layout.places.items()):
            await blobs.keep(tx, repository, digest, Bytes(current.blob_key, size, at))
        return await manifests.adopt(tx, repository, pushed, tag)

    needed = False
    try:
        needed = await transact(parts.store, act)
    finally:
        if not needed:
            await asyncio.shield(parts.blobs.remove(key))
    return True


async def _find(tx: Tx, caller: Caller, path: str, tag: str) -> _Found | None:
    wanted = names.path(path)
    project = await repositories.project_of(tx, wanted)
    if project is None:
        return None
    found = await _called(tx, project.id, wanted.name, tag)
    if len(found) != 1 or layered.is_layered(found[0].blob_key) or not await _sees(tx, caller, found[0]):
        return None
    return _Found(found[0], wanted.name)


async def _called(tx: Tx, project_id: str, name: str, tag: str) -> list[Image]:
    """By its id, or else by its name."""
    where = Where().equal("project_id", project_id).equal("status", "active").add(_OCI)
    if tag == _LATEST:
        by_id = await tx.select(IMAGES, where.copy().equal("id", name))
        if by_id:
            return by_id
    called = [f"{name}:{tag}", *([name] if tag == _LATEST else [])]
    return await tx.select(IMAGES, where.any_of("name", called), order="id", limit=2)


async def _sees(tx: Tx, caller: Caller, image: Image) -> bool:
    try:
        await images.visible(tx, caller, image.id)
    except NotFound:
        return False
    return True


async def shown_to(tx: Tx, project_id: str, name: str, viewer: Caller) -> bool:
    """Whether an image that would be pulled by this name, with some tag, is seen by a project that is not its own."""
    where = Where().equal("project_id", project_id).equal("status", "active").add(_OCI)
    # Behind the colon comes a tag, and in the order of letters the semicolon.
    where.add("(id = ? OR name = ? OR (name >= ? AND name < ?))", name, name, f"{name}:", f"{name};")
    return any([await _sees(tx, viewer, one) for one in await tx.select(IMAGES, where, order="id", limit=100)])
