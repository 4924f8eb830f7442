"""Pushes: a manifest that comes in is read, what it names is looked for, and then it is written down in one go."""

import asyncio
import platform

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import data as image_data
from trivet.domain.images import layered
from trivet.domain.images.images import Image
from trivet.domain.images.layered import Recipe
from trivet.domain.registry import blobs, documents, manifests, names, repositories
from trivet.domain.registry.blobs import Blob
from trivet.domain.registry.documents import Descriptor, Document
from trivet.domain.registry.manifests import Manifest, Pushed
from trivet.domain.registry.repositories import Repository
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Invalid, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Sent(msgspec.Struct, frozen=True):
    """A manifest as a client sent it, and where to."""

    path: str
    reference: str
    text: bytes
    content_type: str

    @property
    def tag(self) -> str | None:
        return None if ":" in self.reference else names.tag(self.reference)

    def digest(self) -> str:
        if self.tag is not None:
            return names.digest_of(self.text)
        found = names.digest_of(self.text, names.digest(self.reference).partition(":")[0])
        if found != self.reference:
            raise Invalid("digest.other", f"What was sent has another digest: {found}.")
        return found


class Done(msgspec.Struct, frozen=True):
    digest: str
    subject: str | None


def architecture() -> str:
    """Of this cloud's hosts, as images spell it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


async def push(parts: Parts, caller: Caller, sent: Sent) -> Done:
    async with parts.store.read() as tx:
        await repositories.need_namespace(tx, caller, sent.path)
    document = documents.read(sent.text, sent.content_type)
    one = _Push(parts, caller, sent, document, sent.digest())
    needed = False
    try:
        needed = await one.carry_out()
    except DriverError as error:
        raise Busy("blobs.away", error.why) from error
    finally:
        if not needed:
            await asyncio.shield(one.drop_kept())
    return Done(one.digest, document.subject.digest if document.subject is not None else None)


class _Push:
    """One manifest, from its text to its image."""

    def __init__(self, parts: Parts, caller: Caller, sent: Sent, document: Document, digest: str) -> None:
        self.digest = digest
        self._parts = parts
        self._caller = caller
        self._sent = sent
        self._document = document
        self._kept: list[str] = []
        """Blobs that were made for it, and that no row names yet."""

    async def carry_out(self) -> bool:
        """False: it was there already."""
        pushed = None if await self._is_known() else await self._prepare()

        async def act(tx: Tx) -> bool:
            repository = await repositories.ensure(tx, self._caller, self._sent.path)
            if pushed is not None:
                await self._need_named(tx, repository)
                return await manifests.put(tx, self._caller, repository, pushed, self._sent.tag)
            again = await manifests.by_reference(tx, repository, self.digest)
            if again is None:
                raise Busy("manifest.going", "The manifest is just being deleted; push it again.")
            await manifests.retag(tx, repository, again, self._sent.tag)
            return False

        return await transact(self._parts.store, act)

    async def drop_kept(self) -> None:
        for key in self._kept:
            await self._parts.blobs.remove(key)

    async def _is_known(self) -> bool:
        async with self._parts.store.read() as tx:
            found = await repositories.find(tx, self._sent.path)
            return found is not None and await manifests.by_reference(tx, found, self.digest) is not None

    async def _need_named(self, tx: Tx, repository: Repository) -> dict[str, Blob]:
        """All that it names is in the repository, and as long as it says."""
        found = await blobs.linked(tx, repository, {one.digest for one in self._document.blobs})
        for one in self._document.blobs:
            blob = found.get(one.digest)
            if blob is None:
                raise _unpushed(one)
            if blob.size != one.size:
                raise Invalid("manifest.size_other", f"{one.digest} has {blob.size} bytes, and not {one.size}.")
        for digest in sorted(found):
            await blobs.link(tx, repository, digest)
        for one in self._document.manifests:
            if await manifests.by_reference(tx, repository, one.digest) is None:
                raise _unpushed(one)
        return found

    async def _prepare(self) -> Pushed:
        """Its text and its archive, in blobs of their own."""

        async def look(tx: Tx) -> tuple[Repository, dict[str, Blob]]:
            repository = await repositories.ensure(tx, self._caller, self._sent.path)
            return repository, await self._need_named(tx, repository)

        parts, document = self._parts, self._document
        repository, found = await transact(parts.store, look)
        lent = [blob for blob in found.values() if blob.is_lent]
        for blob in lent:
            await blobs.own_copy(parts, repository, blob)
        if lent:
            repository, found = await transact(parts.store, look)
        key = blobs.new_key(parts)
        self._kept.append(key)
        await layered.keep_text(parts.blobs, key, self._sent.text)
        return Pushed(
            digest=self.digest,
            media_type=self._sent.content_type.partition(";")[0].strip(),
            size=len(self._sent.text),
            blob_key=key,
            named=frozenset(document.named),
            artifact_type=document.kind,
            subject=document.subject.digest if document.subject is not None else None,
            annotations=document.annotations,
            image=await self._image(repository, found),
        )

    async def _image(self, repository: Repository, found: dict[str, Blob]) -> Image:
        recipe, properties = await self._recipe(repository, found), {manifests.DIGEST_PROPERTY: self.digest}
        if recipe is None:
            # Nothing starts from it; what there is of it is pulled from the registry.
            recipe = Recipe([])
            properties[manifests.ARTIFACT_PROPERTY] = self._document.kind or ""
        key = image_data.new_key(self._parts) + layered.SUFFIX
        self._kept.append(key)
        await layered.keep(self._parts.blobs, key, recipe)
        sums = await layered.sums(self._parts.blobs, recipe)
        return Image(
            id="", project_id=None, status="active", disk_format="oci", container_format="docker",
            properties=properties, blob_key=key, size=sums.size, checksum=sums.md5, os_hash_algo="sha512",
            os_hash_value=sums.sha512,
        )  # fmt: skip

    async def _recipe(self, repository: Repository, found: dict[str, Blob]) -> Recipe | None:
        """None: no container can be made from it on this cloud's hosts."""
        if self._document.is_image:
            return documents.archive(self._sent.text, self._document, manifests.places(found))
        chosen = documents.for_platform(self._document, architecture())
        return await self._recipe_of_part(repository, chosen) if chosen is not None else None

    async def _recipe_of_part(self, repository: Repository, chosen: Descriptor) -> Recipe | None:
        async with self._parts.store.read() as tx:
            manifest = await manifests.by_reference(tx, repository, chosen.digest)
            if manifest is None:
                return None
            text = await text_of(self._parts, manifest)
            document = documents.read(text, manifest.media_type)
            found = await blobs.linked(tx, repository, {one.digest for one in document.blobs})
        if not document.is_image or any(one.digest not in found for one in document.blobs):
            return None
        return documents.archive(text, document, manifests.places(found))


def _unpushed(one: Descriptor) -> NotFound:
    return NotFound("manifest.blob_absent", f"The manifest names {one.digest}, which was not pushed before it.")


async def text_of(parts: Parts, manifest: Manifest) -> bytes:
    if await parts.blobs.size(manifest.blob_key) is None:
        raise NotFound("manifest.lost", f"The text of {manifest.digest} is gone from this cloud's store.")
    return b"".join([chunk async for chunk in parts.blobs.read(manifest.blob_key)])
