"""Images from volumes: the row of a new image is made at once, and the volume's controller fills it."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import images, signatures
from trivet.domain.images.images import Image
from trivet.domain.volumes import acts
from trivet.domain.volumes.volumes import Volume, changeable, need_status
from trivet.errors import Invalid
from trivet.store.tx import Tx

_LEFT_OUT = ("image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size")


class UploadWish(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    protected: bool = False
    force: bool = False


async def begin(tx: Tx, caller: Caller, id: str, wanted: UploadWish, request_id: str) -> tuple[Volume, Image]:
    volume = await changeable(tx, caller, id)
    need_status(volume, ("available", "in-use") if wanted.force else ("available",), "upload to an image")
    if volume.encryption_key_id is not None:
        raise Invalid(
            "volume.encrypted",
            f"Invalid volume: Volume {volume.id} is encrypted, and no image is made of such a volume here.",
        )
    if wanted.disk_format not in ("raw", "qcow2") or wanted.container_format != "bare":
        raise Invalid(
            "image.format", "An image can be made from a volume as raw or qcow2, in the container format bare."
        )
    if wanted.visibility not in ("private", "shared", "community", "public"):
        raise Invalid("image.visibility", f"Visibility {wanted.visibility[:32]!r} is none.")
    of_image = signatures.without(volume.image_metadata or {})
    kept = {name: value for name, value in of_image.items() if name not in _LEFT_OUT}
    image = Image(
        id=tx.ids.uuid(),
        project_id=volume.project_id,
        name=wanted.name,
        visibility=wanted.visibility,  # type: ignore[arg-type] # checked above
        disk_format=wanted.disk_format,
        container_format=wanted.container_format,
        properties=kept,
        min_disk=volume.size_gib,
        protected=wanted.protected,
    )
    volume = await acts.upload(tx, volume, image.id, request_id)
    return volume, await images.create(tx, caller, image)
