"""Rebuilding: a new root disk from an image; what the server is connected to and how it is called stay.

A root disk on the host is made anew with the machine. Where a volume takes its place, the machine goes first; its host
says when it is gone, the back end makes the volume anew, and only then there is a machine again.
"""

from typing import Any

from trivet.domain.images import signatures
from trivet.domain.images.images import Image
from trivet.domain.servers import disks, wishes
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import order
from trivet.domain.servers.create import check_image, find_image, find_key, grace_of
from trivet.domain.servers.kinds import kind_of
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.topology import asks
from trivet.domain.servers.volumes import need_settled, of_server
from trivet.domain.volumes import acts as volume_acts
from trivet.domain.volumes import attachments
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import Invalid
from trivet.store.tx import Tx

BUILD_S = 600.0
_GIB = 1 << 30


async def rebuild(
    tx: Tx, call: Call, id: str, image_id: str, changes: dict[str, Any], *, volumes_too: bool, keep_ephemeral: bool
) -> Server:
    """`volumes_too`: a volume that it boots from is made anew as well; older clients do not expect that."""
    server = await ready(tx, call, id, "rebuild", states=("active", "stopped", "error"))
    need_host(server, "rebuild")
    image = await find_image(tx, call, image_id, "Cannot find image for rebuild")
    kind = kind_of({}, container=image.is_oci, isolation=call.isolation)
    if (kind == "container") != (server.kind == "container"):
        raise Invalid("server.kind_mismatch", f"Image {image.id} cannot be run by a {server.kind}.")
    if keep_ephemeral and server.flavor.ephemeral_gib:
        raise Invalid("rebuild.ephemeral", "The current driver does not support preserving ephemeral partitions.")
    wishes.check(server.flavor, image.properties)
    if asks.of(server.flavor, image.properties) != asks.of(server.flavor, server.properties):
        raise Invalid(
            "rebuild.inside",
            "An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for "
            "this instance.",
        )
    if (why := wishes.unmet(server.flavor, image.properties, server.kind)) is not None:
        raise Invalid("rebuild.unmet", f"No valid host was found. {why}")
    trusted = changes.get("trusted_certificates", server.trusted_certificates)
    await signatures.refuse_unverified(tx, call.secrets, call.caller, image, trusted)
    if "key_name" in changes:
        changes["key_public"] = await find_key(tx, call, changes["key_name"])
    if server.boots_from_volume:
        await _check_volume(tx, server, image, volumes_too=volumes_too)
        changes["reimage_id"] = image.id if volumes_too else None
    else:
        check_image(image, server.flavor, server.kind)
        changes["image_id"] = image.id
    stopped = server.status == "stopped"
    grace_s = grace_of(image.properties)
    return await order(
        tx,
        call,
        server,
        "rebuild",
        "rebuilding",
        in_s=BUILD_S + grace_s + (disks.MADE_S if server.boots_from_volume else 0.0),
        properties=image.properties,
        builds=server.builds + 1,
        rescue=None,
        rescue_image_id=None,
        boots=server.boots if stopped else server.boots + 1,
        want="stopped" if stopped else "running",
        grace_s=grace_s,
        **changes,
    )


async def _check_volume(tx: Tx, server: Server, image: Image, *, volumes_too: bool) -> None:
    await need_settled(tx, server)
    volume = await _root(tx, server)
    if volumes_too and len(await attachments.of_volume(tx, volume.id)) > 1:
        raise Invalid("rebuild.shared", f"Unable to rebuild: volume {volume.id} is attached to other servers, too.")
    if not volumes_too and (volume.image_metadata or {}).get("image_id") != image.id:
        raise Invalid(
            "rebuild.from_volume",
            f"Image {image.id} is unacceptable: Unable to rebuild with a different image for a volume-backed server.",
        )
    if image.status != "active":
        raise Invalid("image.not_active", f"Image {image.id} is not active.")
    if image.blob_key is None or image.disk_format not in ("raw", "qcow2"):
        raise Invalid("image.no_disk", f"Image {image.id} is unacceptable: it is no raw or qcow2 disk.")
    if (image.min_ram or 0) > server.flavor.ram_mib:
        raise Invalid("image.needs_memory", "Flavor's memory is too small for requested image.")
    size = max(image.size or 0, image.virtual_size or 0, image.min_disk * _GIB)
    if size > volume.size_gib * _GIB:
        raise Invalid(
            "image.needs_disk",
            f"Volume is smaller than the minimum size specified in image metadata. Volume size is "
            f"{volume.size_gib * _GIB} bytes, minimum size is {size} bytes.",
        )


async def _root(tx: Tx, server: Server) -> Volume:
    boots = next(attachment for attachment in await of_server(tx, server.id) if attachment.boots)
    return await tx.need(VOLUMES, boots.volume_id, "volume")


async def empty(tx: Tx, server: Server) -> Server:
    """Its machine is gone: nobody writes to the volume any more, and the server waits until that is made anew."""
    image_id = server.reimage_id
    assert image_id is not None
    for attachment in await of_server(tx, server.id):
        if attachment.boots:
            await attachments.open_again(tx, attachment, disks.MADE_S)
            volume = await tx.need(VOLUMES, attachment.volume_id, "volume")
            await volume_acts.reimage(tx, volume, image_id, "")
    return await tx.update(SERVERS, server, reimage_id=None)
