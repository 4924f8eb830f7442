"""Making a volume: everything in one transaction, from the first check to the claim on a back end.

If no back end has room the volume is made all the same, in error and with a message that says so: that is how
clients of this API learn about capacity.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.images import images, signatures
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.domain.volumes import backends, encryption, limits, messages, snapshots, types
from trivet.domain.volumes.backends import BACKENDS, Wish
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.domain.volumes.types import VolumeType
from trivet.domain.volumes.volumes import VOLUMES, Task, Volume, changeable
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.tx import Tx

SIZE_MAX = 1 << 20
"""A PiB."""
_GIB = 1 << 30
_NO_ROOM = "schedule allocate volume: Could not find any available weighted backend."


class VolumeCreate(msgspec.Struct, frozen=True, kw_only=True):
    """In our words, whoever asks."""

    size_gib: int | None = None
    name: str | None = None
    description: str | None = None
    type: str | None = None
    """Name or id."""
    zone: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    metadata: dict[str, str] = {}
    group_id: str | None = None
    host_id: str | None = None
    """A host whose servers must reach it."""


_TYPE_OF_IMAGE = "cinder_img_volume_type"
"""The property by which an image says of what type its volumes are, where nobody says another one."""


class _Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What it is made from: how large that is, where it is, and what comes with it."""

    size_gib: int = 0
    backend_id: str | None = None
    zone: str | None = None
    type_id: str | None = None
    bootable: bool = False
    image_id: str | None = None
    """As it was found: what the caller wrote may be the name of one and the id of another."""
    image_metadata: dict[str, str] | None = None
    image: Image | None = None
    encrypted: bool | None = None
    """None: its bytes are read when the volume is made, which may be either."""


async def create(
    tx: Tx, caller: Caller, wanted: VolumeCreate, request_id: str, secrets: Secrets | None = None
) -> Volume:  # fmt: skip
    """`secrets`: for the certificate of a signed image."""
    project_id = caller.project_id
    if project_id is None:
        raise Forbidden("scope.project_needed", "A volume belongs to a project: use a token scoped to one.")
    origin = await _origin(tx, caller, wanted)
    size_gib = _size(wanted, origin)
    await limits.check_size(tx, project_id, size_gib)
    type = await _type(tx, caller, wanted, origin)
    zone = await _zone(tx, wanted, origin)
    specs = type.extra_specs if type is not None else {}
    sealed = type.encryption if type is not None else None
    if sealed is not None:
        encryption.check(sealed)
    wish = Wish(size_gib, zone, origin.backend_id, wanted.host_id, specs, encrypted=sealed is not None)
    doubt = await _doubt(tx, secrets, caller, origin)
    backend = await backends.place(tx, wish) if doubt is None else None
    now = tx.clock.now()
    volume = Volume(
        id=tx.ids.uuid(),
        project_id=project_id,
        user_id=caller.user_id,
        name=wanted.name,
        description=wanted.description,
        size_gib=size_gib,
        status="creating" if backend is not None else "error",
        bootable=origin.bootable,
        multiattach=types.shares(type),
        type_id=type.id if type is not None else None,
        zone=backend.zone if backend is not None else zone or DEFAULT_ZONE,
        backend_id=backend.id if backend is not None else None,
        snapshot_id=wanted.snapshot_id,
        source_volume_id=wanted.source_volume_id,
        image_id=origin.image_id,
        group_id=wanted.group_id,
        metadata=wanted.metadata,
        image_metadata=origin.image_metadata,
        task=Task(request_id=request_id) if backend is not None else None,
        created_at=now,
        updated_at=now,
    )
    if sealed is not None and backend is not None:
        key_id = await encryption.reserve_key(tx, volume, sealed)
        volume = msgspec.structs.replace(volume, encryption_key_id=key_id)
    await tx.insert(VOLUMES, volume)
    if backend is None:
        event = messages.NO_BACKEND if doubt is None else messages.SIGNATURE
        await messages.leave(tx, volume, event, doubt or _NO_ROOM, request_id)
    limits.take(tx, project_id, limits.of_volume(volume.type_id, size_gib))
    return volume


async def _doubt(tx: Tx, secrets: Secrets | None, caller: Caller, origin: _Origin) -> str | None:
    if origin.image is None:
        return None
    assert secrets is not None, "who makes volumes from images opens certificates"
    return await signatures.doubt(tx, secrets, caller, origin.image)


# -- what it is made from


async def _origin(tx: Tx, caller: Caller, wanted: VolumeCreate) -> _Origin:
    said = [name for name in ("snapshot_id", "source_volume_id", "image_id") if getattr(wanted, name) is not None]
    if len(said) > 1:
        raise Invalid(
            "volume.two_sources", f"Invalid input received: only one of {', '.join(said)} may be given for a volume."
        )
    if wanted.snapshot_id is not None:
        return await _from_snapshot(tx, await snapshots.owned(tx, caller, wanted.snapshot_id))
    if wanted.source_volume_id is not None:
        return await _from_volume(tx, await changeable(tx, caller, wanted.source_volume_id))
    if wanted.image_id is not None:
        return from_image(await find_image(tx, caller, wanted.image_id))
    return _Origin()


async def _from_snapshot(tx: Tx, snapshot: Snapshot) -> _Origin:
    await hold(tx, SNAPSHOTS, snapshot.id)
    # Whoever held it before may have begun to delete it; and who looked before this, and deletes, looks again.
    snapshot = await tx.need(SNAPSHOTS, snapshot.id, "snapshot")
    await tx.update(SNAPSHOTS, snapshot, updated_at=tx.clock.now())
    if snapshot.status != "available":
        raise Invalid(
            "snapshot.status",
            f"Invalid snapshot: Originating snapshot status must be one of 'available' values, not {snapshot.status}.",
        )
    volume = await tx.need(VOLUMES, snapshot.volume_id, "volume")
    return _of(volume, snapshot.size_gib)


async def _from_volume(tx: Tx, volume: Volume) -> _Origin:
    await hold(tx, VOLUMES, volume.id)
    # Whoever held it before may have begun to give it away; and who looked before this, and deletes, looks again.
    volume = await tx.need(VOLUMES, volume.id, "volume")
    await tx.update(VOLUMES, volume, updated_at=tx.clock.now())
    if volume.status not in ("available", "in-use") or volume.migration_status is not None:
        raise Invalid(
            "volume.status",
            f"Invalid volume: Source volume {volume.id} must be available or in-use, but is {volume.status}.",
        )
    return _of(volume, volume.size_gib)


def _of(volume: Volume, size_gib: int) -> _Origin:
    return _Origin(
        size_gib=size_gib,
        backend_id=volume.backend_id,
        zone=volume.zone,
        type_id=volume.type_id,
        bootable=volume.bootable,
        image_metadata=volume.image_metadata,
        encrypted=volume.encryption_key_id is not None,
    )


async def find_image(tx: Tx, caller: Caller, id: str) -> Image:
    """By id, or by a name that is unambiguous."""
    try:
        return await images.visible(tx, caller, id)
    except NotFound as error:
        if caller.project_id is not None:
            named = await tx.find(IMAGES, "project_id = ? AND name = ?", caller.project_id, id)
            if named is not None:
                return named
        raise Invalid(
            error.code, "Invalid imageRef: Invalid image identifier or unable to access requested image."
        ) from error


def from_image(image: Image) -> _Origin:
    if image.status != "active":
        raise Invalid("image.not_active", f"Invalid input received: Image {image.id} is not active.")
    if image.is_oci or image.disk_format not in ("raw", "qcow2"):
        raise Invalid(
            "image.no_disk", f"Image {image.id} is unacceptable: a volume can be made from raw and qcow2 images only."
        )
    size_gib = max(-(-max(image.size or 0, image.virtual_size or 0) // _GIB), 1)
    return _Origin(
        size_gib=max(size_gib, image.min_disk),
        bootable=True,
        image_id=image.id,
        image_metadata=image_facts(image),
        image=image,
    )


def image_facts(image: Image) -> dict[str, str]:
    """What a volume remembers of its image, for who boots from it."""
    facts = {
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": image.checksum or "",
        "container_format": image.container_format or "",
        "disk_format": image.disk_format or "",
        "min_disk": str(image.min_disk),
        "min_ram": str(image.min_ram),
        "size": str(image.size or 0),
    }
    return {name: value for name, value in image.properties.items() if name != signatures.VERIFIED} | facts


def _size(wanted: VolumeCreate, origin: _Origin) -> int:
    of_copy = wanted.snapshot_id is not None or wanted.source_volume_id is not None
    size_gib = wanted.size_gib if wanted.size_gib is not None else origin.size_gib if of_copy else None
    if size_gib is None or not 0 < size_gib <= SIZE_MAX:
        raise Invalid(
            "volume.size",
            f"Invalid input received: Volume size '{size_gib}' must be an integer and greater than 0 and at most "
            f"{SIZE_MAX}.",
        )
    if size_gib < origin.size_gib:
        noun = "snapshot" if wanted.snapshot_id else "volume" if wanted.source_volume_id else "image"
        raise Invalid(
            "volume.size",
            f"Invalid input received: Volume size {size_gib}GB cannot be smaller than the {noun} size "
            f"{origin.size_gib}GB. They must be >= original {noun} size.",
        )
    return size_gib


# -- how and where


async def _type(tx: Tx, caller: Caller, wanted: VolumeCreate, origin: _Origin) -> VolumeType | None:
    type = await _asked_type(tx, caller, wanted, origin)
    if origin.encrypted not in (None, type is not None and type.encryption is not None):
        raise Invalid(
            "volume.type",
            f"Invalid volume_type provided: {type.name if type is not None else None} (requested type is not "
            "compatible; either match source volume, or omit type argument).",
        )
    return type


async def _asked_type(tx: Tx, caller: Caller, wanted: VolumeCreate, origin: _Origin) -> VolumeType | None:
    if wanted.type is not None:
        found = await types.named(tx, caller, wanted.type)
        if origin.type_id not in (None, found.id) and wanted.image_id is None:
            source = await tx.get(types.TYPES, origin.type_id or "")
            if source is not None and types.shares(source) != types.shares(found):
                raise Invalid(
                    "volume.type", "Invalid volume_type provided: its source has another kind of type; omit it."
                )
        return found
    if origin.type_id is not None:
        return await tx.get(types.TYPES, origin.type_id)
    of_image = (origin.image_metadata or {}).get(_TYPE_OF_IMAGE) if wanted.image_id is not None else None
    if of_image is not None:
        return await types.named(tx, caller, of_image)
    return await types.default(tx, caller.project_id)


async def _zone(tx: Tx, wanted: VolumeCreate, origin: _Origin) -> str | None:
    if wanted.zone is None:
        return origin.zone
    if await tx.find(BACKENDS, "zone = ?", wanted.zone) is None:
        raise Invalid("zone.absent", f"Availability zone '{wanted.zone[:64]}' is invalid.")
    if origin.zone not in (None, wanted.zone):
        raise Invalid(
            "zone.mismatch", f"Invalid input received: a copy is made in the zone of its source, {origin.zone}."
        )
    return wanted.zone
