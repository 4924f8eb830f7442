"""Images: what servers are made from, and the bytes behind them.

The row is the truth; bytes are a blob that the row points at. A blob is written under a name of its own
(`writing_key`) and the row is pointed at it only once it is whole, checked and on the disk: whoever dies on
the way leaves a row that the sweep puts back and a blob that nobody refers to.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images.layered import is_layered
from trivet.domain.images.stores import key_in, store_of
from trivet.domain.limits import quotas
from trivet.errors import Conflict, Forbidden, Invalid, NotFound, OverQuota
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

Status = Literal["queued", "saving", "uploading", "importing", "active", "deactivated"]
Visibility = Literal["private", "shared", "community", "public"]

DISK_FORMATS = ("raw", "qcow2", "oci", "iso", "vmdk", "vdi", "vhd", "vhdx", "ami", "ari", "aki", "ploop")
CONTAINER_FORMATS = ("bare", "docker", "ovf", "ova", "ami", "ari", "aki", "compressed")

UNDER_WAY: tuple[Status, ...] = ("saving", "uploading", "importing")

TAGS_MAX = 128
PROPERTIES_MAX = 128


class Image(Record, frozen=True, kw_only=True):
    project_id: str | None
    """The owner."""
    name: str | None = None
    status: Status = "queued"
    visibility: Visibility = "shared"
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    created_at: float = 0.0
    updated_at: float = 0.0
    blob_key: str | None = None
    """The bytes, in parts.blobs; there exactly while the image is active or deactivated."""
    copies: dict[str, str] = {}
    """Store -> the bytes in it; `blob_key` is one of them."""
    importing_to: tuple[str, ...] | None = None
    """The stores that an import writes to now; None: there never was one."""
    failed_stores: tuple[str, ...] | None = None
    """Those that the last import could not write to."""
    staged_key: str | None = None
    """Bytes that were staged and wait to be imported."""
    staged_size: int | None = None
    writing_key: str | None = None
    """The blob that somebody is writing for it now. Only who wrote this one may finish the image."""
    writing_until: float | None = None
    """When a writer that was not heard of is taken for dead."""
    writing_mib: int = 0
    """What the writer was promised room for."""
    signed_digest: str | None = None
    """What its signature is over, of the bytes as they came (domain/images/signatures.py)."""
    fault: str | None = None
    """Why the last import failed, for the owner to read."""

    @property
    def kept(self) -> dict[str, str]:
        """Store -> the bytes in it, also of an image that is older than stores are."""
        if self.copies or self.blob_key is None:
            return self.copies
        return {store_of(self.blob_key): self.blob_key}

    @property
    def is_oci(self) -> bool:
        """For containers: the file is an archive of an OCI or docker image, whatever else the owner says."""
        return self.disk_format == "oci" or self.container_format == "docker"


IMAGES = Table("images", Image)


# -- looking


async def visible(tx: Tx, caller: Caller, id: str) -> Image:
    """The image, if the caller may see it: shared ones also before the caller has accepted them."""
    image = await tx.get(IMAGES, id)
    if image is None or not await _may_see(tx, caller, image):
        raise NotFound("image.absent", f"No image found with ID {id[:64]}")
    return image


async def _may_see(tx: Tx, caller: Caller, image: Image) -> bool:
    if caller.may_see(image.project_id) or image.visibility in ("public", "community"):
        return True
    return image.visibility == "shared" and await is_member(tx, image.id, caller.project_id)


async def is_member(tx: Tx, image_id: str, project_id: str | None) -> bool:
    if project_id is None:
        return False
    sql = "SELECT 1 FROM image_members WHERE image_id = ? AND member_id = ?"
    return await tx.row(sql, image_id, project_id) is not None


async def owned(tx: Tx, caller: Caller, id: str) -> Image:
    """The image, if the caller may change it."""
    image = await visible(tx, caller, id)
    if not (caller.owns(image.project_id) or caller.is_operator):
        raise Forbidden(
            "image.not_yours", f"You are not permitted to modify image {id}: it belongs to another project."
        )
    return image


# -- acts


async def create(tx: Tx, caller: Caller, image: Image) -> Image:
    """Register an image without bytes."""
    if not is_uuid(image.id):
        raise Invalid("image.id", f"An image id is a UUID, not {image.id[:64]!r}.")
    if image.project_id != caller.project_id and not caller.is_operator:
        raise Forbidden("image.owner", "You are not permitted to create images for another project.")
    check_words(caller, image)
    now = tx.clock.now()
    image = msgspec.structs.replace(image, created_at=now, updated_at=now)
    if not await tx.insert_new(IMAGES, image):
        raise Conflict("image.exists", f"Image ID {image.id} already exists!")
    # Now, for whoever removed one of this id a moment ago was waited for.
    await _refuse_used_id(tx, image.id)
    await _index(tx, image)
    _count(tx, image.project_id, _amounts(image))
    return image


async def _refuse_used_id(tx: Tx, id: str) -> None:
    """An id is never used twice, not even for its former owner: servers may still name it."""
    if await tx.row("SELECT 1 FROM deleted_images WHERE id = ?", id) is not None:
        raise Conflict("image.id_used", f"Image ID {id} already exists! (It belonged to an image that was deleted.)")


async def update(tx: Tx, caller: Caller, image: Image, wanted: Image) -> Image:
    """Make the words of `image` those of `wanted`."""
    check_words(caller, wanted, before=image)
    changes = {
        name: getattr(wanted, name)
        for name in (
            "project_id", "name", "visibility", "disk_format", "container_format", "min_disk", "min_ram",
            "protected", "os_hidden", "tags", "properties",
        )
    }  # fmt: skip
    if all(getattr(image, name) == value for name, value in changes.items()):
        return image
    written = await write(tx, image, updated_at=tx.clock.now(), **changes)
    if written.tags != image.tags or written.properties != image.properties:
        await _unindex(tx, image.id)
        await _index(tx, written)
    return written


async def write(tx: Tx, image: Image, **changes: Any) -> Image:
    """And take or give back of its project's limits what the image counts more or less by that."""
    written = await tx.update(IMAGES, image, **changes)
    _count(tx, image.project_id, _amounts(image), -1)
    _count(tx, written.project_id, _amounts(written))
    return written


async def delete(tx: Tx, caller: Caller, id: str) -> tuple[str, ...]:
    """Gone at once for everybody; the keys of the blobs that are to be removed after the commit."""
    image = await owned(tx, caller, id)
    if image.protected:
        raise Forbidden("image.protected", f"Image {id} is protected and cannot be deleted.")
    return await _remove(tx, image)


async def give_up(tx: Tx, id: str) -> None:
    """An image that was expected and will never be filled."""
    image = await tx.get(IMAGES, id)
    if image is not None and image.status in ("queued", "saving"):
        await _remove(tx, image)


async def _remove(tx: Tx, image: Image) -> tuple[str, ...]:
    id = image.id
    written = [image.writing_key, *_written_beside(image)]
    keys = tuple(key for key in (*image.kept.values(), image.staged_key, *written) if key is not None)
    await tx.delete(IMAGES, image)
    await _unindex(tx, id)
    await tx.run("DELETE FROM image_members WHERE image_id = ?", id)
    await tx.run(
        "INSERT INTO deleted_images (id, deleted_at, blob_keys) VALUES (?, ?, ?)",
        id,
        tx.clock.now(),
        " ".join(keys) or None,
    )
    _count(tx, image.project_id, _amounts(image), -1)
    return keys


def _written_beside(image: Image) -> list[str]:
    """What is being written to other stores than the first one."""
    if image.writing_key is None:
        return []
    keys = [key_in(store, image.writing_key) for store in image.importing_to or ()]
    return [key for key in keys if key != image.writing_key]


async def switch(tx: Tx, caller: Caller, id: str, status: Literal["active", "deactivated"]) -> Image:
    """Deactivate or reactivate: a deactivated image is seen but not read."""
    image = await owned(tx, caller, id)
    if image.status not in ("active", "deactivated"):
        verb = "deactivated" if status == "deactivated" else "reactivated"
        raise Forbidden("image.not_active", f"Image {id} is {image.status} and cannot be {verb}.")
    return await tx.update(IMAGES, image, status=status, updated_at=tx.clock.now())


async def expect(
    tx: Tx,
    caller: Caller,
    name: str,
    *,
    disk_format: str,
    container_format: str = "bare",
    properties: dict[str, str] | None = None,
    min_disk: int = 0,
    min_ram: int = 0,
) -> Image:
    """A queued image that a snapshot will fill (image_data.fill)."""
    wanted = Image(
        id=tx.ids.uuid(),
        project_id=caller.project_id,
        name=name,
        visibility="private",
        disk_format=disk_format,
        container_format=container_format,
        properties=properties or {},
        min_disk=min_disk,
        min_ram=min_ram,
    )
    return await create(tx, caller, wanted)


# -- rules


def check_words(caller: Caller, image: Image, *, before: Image | None = None) -> None:
    """What an owner may say about an image."""
    if image.visibility == "public" and (before is None or before.visibility != "public") and not caller.is_operator:
        raise Forbidden("image.publicize", "You are not permitted to make images public: it needs the role admin.")
    if before is not None and image.project_id != before.project_id and not caller.is_operator:
        raise Forbidden("image.owner", "Owner can't be updated by non admin.")
    if before is not None and before.status not in ("queued", "importing"):
        for name in ("disk_format", "container_format"):
            if getattr(before, name) != getattr(image, name):
                raise Forbidden("image.format_fixed", f"Attribute {name} can be only replaced for a queued image.")
    _check_format("Disk", image.disk_format, DISK_FORMATS)
    _check_format("Container", image.container_format, CONTAINER_FORMATS)
    _check_amis(image)
    if len(image.tags) > TAGS_MAX:
        raise Invalid("image.tags", f"An image has {TAGS_MAX} tags at most.", status=413)
    if len(image.properties) > PROPERTIES_MAX:
        raise Invalid("image.properties", f"An image has {PROPERTIES_MAX} properties at most.", status=413)


def _check_format(what: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise Invalid(
            "image.format", f"{what} format {value[:64]!r} is not supported; it is one of {', '.join(known)}."
        )


def _check_amis(image: Image) -> None:
    """Amazon's three formats come in pairs of the same name."""
    trio = ("ami", "ari", "aki")
    pair = (image.container_format, image.disk_format)
    if (pair[0] in trio or pair[1] in trio) and None not in pair and pair[0] != pair[1]:
        raise Invalid(
            "image.format_pair",
            f"Container format {pair[0]!r} does not go with disk format {pair[1]!r}: "
            "ami, ari and aki must be the same for both.",
        )


def _count(tx: Tx, project_id: str | None, amounts: dict[str, int], sign: int = 1) -> None:
    if project_id is not None:
        changed = tx.last(_Counts).changed
        changed.update({(name, project_id): sign * amount for name, amount in amounts.items()})


def count_kept(tx: Tx, project_id: str, mebibytes: int) -> None:
    """Bytes that are kept for images, by whoever keeps them; less than none is given back."""
    if mebibytes:
        tx.last(_Counts).changed["image_size_total", project_id] += mebibytes


def count_upload(tx: Tx, project_id: str, uploads: int) -> None:
    """One that is under way and no image yet, or no longer."""
    tx.last(_Counts).changed["image_count_uploading", project_id] += uploads


class _Counts:
    """What a transaction's images count more or less, for its end, where everybody of a project meets."""

    def __init__(self) -> None:
        self.changed: Counter[tuple[str, str]] = Counter()

    async def finish(self, tx: Tx) -> None:
        changed, self.changed = sorted(self.changed.items()), Counter()
        for (name, project_id), amount in changed:
            if amount < 0:
                await quotas.give_back(tx, project_id, {name: -amount})
            elif amount > 0:
                await _take(tx, project_id, name, amount)


async def _take(tx: Tx, project_id: str, name: str, amount: int) -> None:
    """Image clients know a full quota by status 413."""
    try:
        await quotas.take(tx, project_id, {name: amount})
    except OverQuota as error:
        raise OverQuota(error.code, error.message, status=413, **error.details) from error


def mib(size: int | None) -> int:
    """What an image's bytes count as in a quota."""
    return -(-(size or 0) // (1 << 20))


def _amounts(image: Image) -> dict[str, int]:
    """What it counts in its project's limits, whatever state it is in."""
    staging = image.status == "uploading"
    # Layers are counted where they are kept: several images may share them.
    own = image.blob_key is not None and not is_layered(image.blob_key)
    return {
        "image_count_total": 1,
        "image_count_uploading": int(image.status in UNDER_WAY or bool(image.importing_to)),
        "image_size_total": mib(image.size) * len(image.kept) * own + (0 if staging else image.writing_mib),
        "image_stage_total": mib(image.staged_size) + (image.writing_mib if staging else 0),
    }


# -- the copies that lists are filtered by


async def _index(tx: Tx, image: Image) -> None:
    for tag in image.tags:
        await tx.run("INSERT INTO image_tags (image_id, tag) VALUES (?, ?)", image.id, tag)
    for name, value in image.properties.items():
        await tx.run("INSERT INTO image_properties (image_id, name, value) VALUES (?, ?, ?)", image.id, name, value)


async def _unindex(tx: Tx, image_id: str) -> None:
    await tx.run("DELETE FROM image_tags WHERE image_id = ?", image_id)
    await tx.run("DELETE FROM image_properties WHERE image_id = ?", image_id)


async def of_format(tx: Tx, image: Image, disk_format: str) -> Image:
    """What the bytes that are about to come are, as the engine that makes them says."""
    return await tx.update(IMAGES, image, disk_format=disk_format)
