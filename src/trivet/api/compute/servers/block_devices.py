"""Block devices of a new server, in both generations of nova's words: what is a root disk, and what are volumes.

An image may say them, too: the image of a server that booted from a volume is nothing else. Its words are anybody's, so
they are read as if the caller had said them.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from trivet.api.compute.servers.bodies import BlockDevice, CreateBody
from trivet.api.kit.bodies import or_none
from trivet.api.kit.request import Request
from trivet.domain.images import images
from trivet.domain.images.images import Image
from trivet.domain.servers.disks import DiskWanted
from trivet.domain.servers.local_disks import LocalWanted
from trivet.domain.servers.volume_images import MAPPING, SECOND
from trivet.errors import Invalid, NotFound

_TYPE_SINCE = 2067
_ROOTS = ("vda", "sda", "/dev/vda", "/dev/sda")
_ON = ("true", "1", "yes", "on", "t", "y")
_KNOWN = frozenset(BlockDevice.__struct_fields__)
Mapping = Annotated[list[dict[str, Any]], msgspec.Meta(max_length=64)]


class Devices(msgspec.Struct, frozen=True):
    image_id: str | None
    """Of a root disk on the host, if there is to be one."""
    disks: tuple[DiskWanted, ...]
    local: tuple[LocalWanted, ...] = ()
    root_tag: str | None = None
    found: Image | None = None
    """The image of either, if it was there when it was looked at."""
    described_by: str | None = None
    """An image that says which volumes there are, and what kind of machine."""


async def devices_of(request: Request, body: CreateBody) -> Devices:
    server = body.server
    if server.block_device_mapping and server.block_device_mapping_v2:
        raise Invalid(
            "server.two_mappings", "Using different block_device_mapping syntaxes is not allowed in the same request."
        )
    image_id = server.imageRef.rpartition("/")[2] or None
    old = [device for device in server.block_device_mapping if not _is_local(device)]
    wanted = [_old(device, _ROOTS) for device in old]
    said = [*server.block_device_mapping, *server.block_device_mapping_v2]
    local = tuple(_local(device) for device in said if _is_local(device))
    root_tag = None
    for device in server.block_device_mapping_v2:
        _check_version(device, request.version)
        if _is_root_disk(device):
            image_id, root_tag = _agreed(image_id, or_none(device.uuid)), or_none(device.tag)
        elif not _is_local(device):
            wanted.append(_new(device))
    found = await _image(request, image_id or _booted(wanted))
    if found is None or MAPPING not in found.properties:
        return replace(_plain(image_id, wanted), local=local, root_tag=root_tag, found=found)
    of_image, of_image_local = _of_image(found)
    if any(disk.boots for disk in of_image):
        # A client says for every image that it is booted from.
        wanted = [disk for disk in wanted if not (disk.boots and disk.source == "image")]
        image_id = None
    named = {disk.device for disk in wanted if disk.device is not None}
    kept = [disk for disk in of_image if disk.device not in named or disk.boots]
    return replace(
        _plain(image_id, [*kept, *wanted]), local=local or of_image_local, found=found, described_by=found.id
    )


def _plain(image_id: str | None, wanted: list[DiskWanted]) -> Devices:
    boots = [disk for disk in wanted if disk.boots]
    if boots:
        if image_id is not None and not (boots[0].source == "image" and boots[0].id == image_id):
            raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
        return Devices(None, tuple(wanted))
    if image_id is None:
        if wanted:
            raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
        raise Invalid("server.no_image", "Missing imageRef attribute")
    return Devices(image_id, tuple(wanted))


def _booted(wanted: list[DiskWanted]) -> str | None:
    return next((disk.id for disk in wanted if disk.boots and disk.source == "image"), None)


# -- what an image says


async def _image(request: Request, image_id: str | None) -> Image | None:
    """It may say which volumes a server of it has."""
    if image_id is None:
        return None
    try:
        return await images.visible(request.tx, request.caller, image_id)
    except NotFound:
        # It is told where it is needed.
        return None


def _of_image(image: Image) -> tuple[list[DiskWanted], tuple[LocalWanted, ...]]:
    try:
        found = msgspec.json.decode(image.properties[MAPPING], type=Mapping)
        devices = [_device(said) for said in found]
    except msgspec.ValidationError as error:
        raise _invalid(f"image {image.id} says no block devices that can be read: {error}.") from error
    except msgspec.DecodeError as error:
        raise _invalid(f"image {image.id} says block devices in no JSON.") from error
    local = tuple(_local(device) for device in devices if _is_local(device))
    others = [device for device in devices if not _is_local(device)]
    if image.properties.get(SECOND, "").lower() in _ON:
        return [_new(device) for device in others if not _is_root_disk(device)], local
    root = image.properties.get("root_device_name", "/dev/vda")
    return [_old(device, (root, root.removeprefix("/dev/"))) for device in others], local


def _device(said: dict[str, Any]) -> BlockDevice:
    """Nova writes down what is not said, too."""
    known = {name: value for name, value in said.items() if value is not None and name in _KNOWN}
    if "snapshot_id" in known and "source_type" in known:
        known["uuid"] = known.pop("snapshot_id")
    known.pop("connection_info", None)
    return msgspec.convert(known, BlockDevice, strict=False)


# -- one device


def _is_root_disk(device: BlockDevice) -> bool:
    return device.source_type == "image" and device.destination_type in ("local", UNSET)


def _is_local(device: BlockDevice) -> bool:
    """An empty disk on the host; the older words call it by what it is for."""
    if device.source_type is UNSET:
        return device.virtual_name is not UNSET and device.volume_id is UNSET and device.snapshot_id is UNSET
    return device.source_type == "blank" and device.destination_type in ("local", UNSET)


def _local(device: BlockDevice) -> LocalWanted:
    if device.boot_index == 0:
        raise _invalid("a blank disk cannot be booted from.")
    size = _size(device)
    if device.virtual_name is UNSET:
        return LocalWanted(format=or_none(device.guest_format), size=size, tag=or_none(device.tag))
    if device.virtual_name != "swap" and not device.virtual_name.startswith("ephemeral"):
        raise _invalid(f"there is no virtual device {device.virtual_name[:32]!r}; swap and ephemeral0 are some.")
    return LocalWanted(format="swap" if device.virtual_name == "swap" else None, size=size)


def _agreed(image_id: str | None, named: str | None) -> str | None:
    if named is not None and image_id is not None and named != image_id:
        raise Invalid("server.two_images", "Block Device Mapping is Invalid: it names another image than imageRef.")
    return image_id or named


def _check_version(device: BlockDevice, version: int) -> None:
    if device.volume_type is not UNSET and version < _TYPE_SINCE:
        raise Invalid("body.invalid", "Additional properties are not allowed ('volume_type' was unexpected).")
    if device.tag is not UNSET and not (2032 <= version <= 2036 or version >= 2042):
        raise Invalid(
            "body.invalid",
            "Additional properties are not allowed ('tag' was unexpected at this API version).",
        )


def _new(device: BlockDevice) -> DiskWanted:
    source = "volume" if device.source_type is UNSET else device.source_type
    if device.volume_id is not UNSET or device.snapshot_id is not UNSET or device.virtual_name is not UNSET:
        raise _invalid("volume_id, snapshot_id and virtual_name belong to the older block_device_mapping.")
    if device.destination_type == "local":
        raise _invalid(f"no disk on the host is made of a {source}; ask for destination_type volume.")
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


def _old(device: BlockDevice, roots: tuple[str, ...]) -> DiskWanted:
    if device.volume_id is UNSET and device.snapshot_id is UNSET:
        raise _invalid("a volume_id or a snapshot_id is needed.")
    snapshot = device.volume_id is UNSET
    return DiskWanted(
        source="snapshot" if snapshot else "volume",
        id=or_none(device.snapshot_id if snapshot else device.volume_id),
        size_gib=_size(device),
        boots=device.device_name in roots,
        delete_on_termination=device.delete_on_termination is True,
        device=None if device.device_name in roots else or_none(device.device_name),
    )


def _size(device: BlockDevice) -> int | None:
    if device.volume_size is UNSET:
        return None
    if not 0 < device.volume_size < 1 << 31:
        raise _invalid("volume_size must be a positive number of GiB.")
    return device.volume_size


def _invalid(why: str) -> Invalid:
    return Invalid("volume.mapping", f"Block Device Mapping is Invalid: {why}")
