"""Rescue: a server boots from another image, with its own disks beside it, until that is ended.

The image may say how it is shown (`hw_rescue_device`, `hw_rescue_bus`): then it comes behind all disks that are there,
which keep their names, and a server that boots from a volume can be rescued, too. Otherwise it takes the first place.
"""

from typing import get_args

from trivet.domain.images import images, signatures
from trivet.domain.images.images import Image
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import TASK_S, order
from trivet.domain.servers.create import grace_of
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import Rescue, Server
from trivet.domain.servers.volumes import need_settled
from trivet.domain.servers.words import RescueBus, RescueDevice
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx

_DEVICES: tuple[RescueDevice, ...] = get_args(RescueDevice)
_BUSES: tuple[RescueBus, ...] = get_args(RescueBus)
_CDROM_BUSES = ("ide", "sata", "scsi")


async def rescue(
    tx: Tx, call: Call, id: str, *, image_id: str | None, sealed_password: str, from_volume: bool
) -> Server:
    """`from_volume`: whether the caller's dialect knows that what boots from a volume can be rescued."""
    server = await ready(tx, call, id, "rescue", states=("active", "stopped", "error"))
    need_host(server, "rescue")
    image = await _image(tx, call, server, image_id)
    await need_settled(tx, server)
    device, bus = _shown_as(image)
    told = {"hw_rescue_device", "hw_rescue_bus"} <= image.properties.keys()
    if server.boots_from_volume and not (from_volume and told):
        raise Invalid(
            "rescue.from_volume",
            f"Instance {server.id} cannot be rescued: Cannot rescue a volume-backed instance, unless with an image "
            "that has hw_rescue_device and hw_rescue_bus, since microversion 2.87.",
        )
    boots = server.boots + 1
    grace_s = grace_of(server.properties)
    return await order(
        tx,
        call,
        server,
        "rescue",
        "rescuing",
        in_s=2 * TASK_S + grace_s,
        want="running",
        boots=boots,
        grace_s=grace_s,
        rescue=Rescue(boots, device=device, bus=bus, sealed_password=sealed_password),
        rescue_image_id=image.id,
    )


async def unrescue(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "unrescue", states=("rescued",))
    return await order(
        tx,
        call,
        server,
        "unrescue",
        "unrescuing",
        in_s=TASK_S + server.grace_s,
        want="running",
        boots=server.boots + 1,
        rescue=None,
        rescue_image_id=None,
    )


async def _image(tx: Tx, call: Call, server: Server, image_id: str | None) -> Image:
    """The one that was named, or the one that the server was made from."""
    wanted = image_id or server.image_id
    if wanted is None:
        raise Invalid(
            "rescue.no_image",
            f"Instance {server.id} cannot be rescued: Cannot rescue a volume-backed instance without an image for it; "
            "name one as rescue_image_ref.",
        )
    try:
        image = await images.visible(tx, call.caller, wanted)
    except NotFound as error:
        raise _unsupported(wanted) from error
    if image.status != "active" or image.is_oci or image.blob_key is None or "block_device_mapping" in image.properties:
        raise _unsupported(wanted)
    await signatures.refuse_unverified(tx, call.secrets, call.caller, image, server.trusted_certificates)
    return image


def _shown_as(image: Image) -> tuple[RescueDevice | None, RescueBus | None]:
    """None: it takes the first place."""
    said_device, said_bus = image.properties.get("hw_rescue_device"), image.properties.get("hw_rescue_bus")
    if said_device is None and said_bus is None:
        return None, None
    device = next((known for known in _DEVICES if known == (said_device or "disk")), None)
    default = "ide" if device == "cdrom" else "virtio"
    bus = next((known for known in _BUSES if known == (said_bus or default)), None)
    if device is None or bus is None or (device == "cdrom" and bus not in _CDROM_BUSES):
        raise Invalid(
            "rescue.unmet",
            f"Requested rescue image '{image.id}' is not supported: no host shows it as hw_rescue_device="
            f"{said_device or 'disk'} on hw_rescue_bus={said_bus or default}.",
        )
    return device, bus


def _unsupported(image_id: str) -> Invalid:
    return Invalid("rescue.image", f"Requested rescue image '{image_id[:64]}' is not supported")
