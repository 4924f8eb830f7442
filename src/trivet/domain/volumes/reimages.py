"""Volumes made anew, in place, from an image: id, type and snapshots stay, all bytes are others."""

from trivet.domain.callers import Caller
from trivet.domain.images import signatures
from trivet.domain.secrets import Secrets
from trivet.domain.volumes import acts
from trivet.domain.volumes.create import find_image, from_image, image_facts
from trivet.domain.volumes.volumes import VOLUMES, Volume, changeable, need_status, refuse_if_read
from trivet.errors import Invalid
from trivet.store.tx import Tx


async def begin(
    tx: Tx, secrets: Secrets, caller: Caller, id: str, image_id: str, *, request_id: str, reserved: bool
) -> Volume:
    """`reserved`: also one that is held for somebody, who does not reach it yet."""
    volume = await changeable(tx, caller, id)
    need_status(volume, ("available", "error", *(("reserved",) if reserved else ())), "re-image")
    if volume.backend_id is None or volume.launched_at is None:
        raise Invalid("volume.status", f"Invalid volume: Volume {volume.id} was never made.")
    await refuse_if_read(tx, volume.id)
    image = await find_image(tx, caller, image_id)
    if from_image(image).size_gib > volume.size_gib:
        raise Invalid(
            "volume.size",
            f"Size of specified image {from_image(image).size_gib}GB is larger than volume size {volume.size_gib}GB.",
        )
    await signatures.refuse_unverified(tx, secrets, caller, image)
    volume = await tx.update(VOLUMES, volume, image_id=image.id, image_metadata=image_facts(image), bootable=True)
    return await acts.reimage(tx, volume, image.id, request_id)
