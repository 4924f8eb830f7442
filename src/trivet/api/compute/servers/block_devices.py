"""Block devices of a new server, in both generations of nova's words: what is a root disk, and what are volumes."""

from typing import Literal

from msgspec import UNSET

from trivet.api.compute.servers.bodies import BlockDevice, CreateBody
from trivet.api.kit.bodies import or_none
from trivet.api.kit.request import Request
from trivet.domain.servers.disks import DiskWanted
from trivet.errors import Invalid

_TYPE_SINCE = 2067
_ROOTS = ("vda", "sda", "/dev/vda", "/dev/sda")


def disks_of(request: Request, body: CreateBody) -> tuple[str | None, tuple[DiskWanted, ...]]:
    """The image of a root disk on the host, if there is to be one, and the volumes."""
    server = body.server
    if server.block_device_mapping and server.block_device_mapping_v2:
        raise Invalid(
            "server.two_mappings", "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    image_id = server.imageRef.rpartition("/")[2] or None
    wanted = [_old(device) for device in server.block_device_mapping]
    for device in server.block_device_mapping_v2:
        if _is_root_disk(device):
            image_id = _agreed(image_id, or_none(device.uuid))
        else:
            wanted.append(_new(request, device))
    boots = [disk for disk in wanted if disk.boots]
    if boots:
        if image_id is not None and not (boots[0].source == "image" and boots[0].id == image_id):
            raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
        return None, tuple(wanted)
    if image_id is None:
        if wanted:
            raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
        raise Invalid("server.no_image", "Missing imageRef attribute")
    return image_id, tuple(wanted)


def _is_root_disk(device: BlockDevice) -> bool:
    return device.source_type == "image" and device.destination_type in ("local", UNSET)


def _agreed(image_id: str | None, named: str | None) -> str | None:
    if named is not None and image_id is not None and named != image_id:
        raise Invalid("server.two_images", "Block Device Mapping is Invalid: it names another image than imageRef.")
    return image_id or named


def _new(request: Request, device: BlockDevice) -> DiskWanted:
    source: Literal["volume", "snapshot", "image", "blank"] = (
        "volume" if device.source_type is UNSET else device.source_type
    )
    if device.volume_id is not UNSET or device.snapshot_id is not UNSET or device.virtual_name is not UNSET:
        raise _invalid("volume_id, snapshot_id and virtual_name belong to the older block_device_mapping.")
    if device.destination_type == "local" or (source == "blank" and device.destination_type is UNSET):
        raise _invalid("this cloud gives no ephemeral and no swap disks; ask for destination_type volume.")
    if device.volume_type is not UNSET and request.version < _TYPE_SINCE:
        raise Invalid("body.invalid", "Additional properties are not allowed ('volume_type' was unexpected).")
    if device.tag is not UNSET and not (2032 <= request.version <= 2036 or request.version >= 2042):
        raise Invalid(
            "body.invalid",
            "Additional properties are not allowed ('tag' was unexpected at this API version).",
        )
    if source != "blank" and device.uuid is UNSET:
        raise _invalid(f"a {source} is named by its uuid.")
    index = device.boot_index
    if index not in (UNSET, None) and index > 0 and source == "blank":
        raise _invalid("a blank volume cannot be booted from.")
    return DiskWanted(
        source=source,
        id=or_none(device.uuid),
        size_gib=_size(device),
        type=or_none(device.volume_type),
        boots=index == 0,
        delete_on_termination=device.delete_on_termination is True,
        device=or_none(device.device_name),
        tag=or_none(device.tag),
    )


def _source_of(device: BlockDevice) -> Literal["volume", "snapshot", "image", "blank"]:
    return "volume" if device.source_type is UNSET else device.source_type


def _old(device: BlockDevice) -> DiskWanted:
    if device.volume_id is UNSET and device.snapshot_id is UNSET:
        raise _invalid("a volume_id or a snapshot_id is needed.")
    snapshot = device.volume_id is UNSET
    return DiskWanted(
        source="snapshot" if snapshot else "volume",
        id=or_none(device.snapshot_id if snapshot else device.volume_id),
        size_gib=_size(device),
        boots=device.device_name in _ROOTS,
        delete_on_termination=device.delete_on_termination is True,
        device=None if device.device_name in _ROOTS else or_none(device.device_name),
    )


def _size(device: BlockDevice) -> int | None:
    if device.volume_size is UNSET:
        return None
    if not 0 < device.volume_size < 1 << 31:
        raise _invalid("volume_size must be a positive number of GiB.")
    return device.volume_size


def _invalid(why: str) -> Invalid:
    return Invalid("volume.mapping", f"Block Device Mapping is Invalid: {why}")
