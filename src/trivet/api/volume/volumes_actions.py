"""POST /volumes/{id}/action: what is done to a volume beyond making and deleting it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Name, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose, Size, Text, flag
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.volumes import changeable, volume_id
from trivet.domain.callers import Caller
from trivet.domain.volumes import acts, limits, metadata, outside, reimages, uploads, volumes
from trivet.domain.volumes.volumes import Status
from trivet.errors import Invalid
from trivet.store.tx import Tx

resource = VolumeResource()
PATH = "/volumes/{volume_id}/action"
_LIVE_EXTEND_SINCE = 3042


class Extend(Body, frozen=True, kw_only=True):
    new_size: Size


class ExtendBody(Loose, frozen=True, kw_only=True):
    said: Extend = msgspec.field(name="os-extend")


class Reset(Body, frozen=True, kw_only=True):
    status: Status | UnsetType | None = UNSET
    attach_status: str | UnsetType | None = UNSET
    migration_status: str | UnsetType | None = UNSET


class ResetBody(Loose, frozen=True, kw_only=True):
    said: Reset = msgspec.field(name="os-reset_status")


class Bootable(Body, frozen=True, kw_only=True):
    bootable: bool | str


class BootableBody(Loose, frozen=True, kw_only=True):
    said: Bootable = msgspec.field(name="os-set_bootable")


class ReadOnly(Body, frozen=True, kw_only=True):
    readonly: bool | str


class ReadOnlyBody(Loose, frozen=True, kw_only=True):
    said: ReadOnly = msgspec.field(name="os-update_readonly_flag")


class Revert(Body, frozen=True, kw_only=True):
    snapshot_id: Uuid


class RevertBody(Loose, frozen=True, kw_only=True):
    revert: Revert


class Upload(Body, frozen=True, kw_only=True):
    image_name: Name
    force: bool | str = False
    disk_format: Annotated[str, msgspec.Meta(max_length=20)] = "raw"
    container_format: Annotated[str, msgspec.Meta(max_length=20)] = "bare"
    visibility: Annotated[str, msgspec.Meta(max_length=20)] | UnsetType = UNSET
    protected: bool | str = False


class UploadBody(Loose, frozen=True, kw_only=True):
    said: Upload = msgspec.field(name="os-volume_upload_image")


class Pairs(Body, frozen=True, kw_only=True):
    metadata: Annotated[dict[Name, Text], msgspec.Meta(max_length=128)]


class SetImageBody(Loose, frozen=True, kw_only=True):
    said: Pairs = msgspec.field(name="os-set_image_metadata")


class Dropped(Body, frozen=True, kw_only=True):
    key: Name


class UnsetImageBody(Loose, frozen=True, kw_only=True):
    said: Dropped = msgspec.field(name="os-unset_image_metadata")


@resource.action(PATH, "os-extend", may="member")
async def extend(request: Request) -> Reply:
    size_gib = request.read(ExtendBody, strict=False).said.new_size
    in_use = request.version >= _LIVE_EXTEND_SINCE
    await acts.extend(request.tx, request.caller, volume_id(request), size_gib, request.id, in_use=in_use)
    await limits.settled(request.tx)
    return Reply(202)


@resource.action(PATH, "os-reset_status", may="admin")
async def reset_status(request: Request) -> Reply:
    said = request.read(ResetBody).said
    volume = await changeable(request)
    changes: dict[str, Any] = {}
    if said.status not in (UNSET, None):
        changes["status"] = said.status
    if said.migration_status is not UNSET:
        changes["migration_status"] = None if said.migration_status in (None, "none") else said.migration_status
    if said.attach_status is UNSET and not changes:
        raise Invalid("body.invalid", "Must specify 'status', 'attach_status' or 'migration_status' for update.")
    if said.attach_status not in (UNSET, None, "attached", "detached"):
        raise Invalid("body.invalid", "Invalid input for field/attribute attach_status: it is attached or detached.")
    await volumes.change(request.tx, volume, **changes)
    return Reply(202)


@resource.action(PATH, "os-force_delete", may="admin")
async def force_delete(request: Request) -> Reply:
    await acts.delete(request.tx, request.caller, volume_id(request), force=True)
    return Reply(202)


@resource.action(PATH, "os-set_bootable", may="member")
async def set_bootable(request: Request) -> Reply:
    said = flag(request.read(BootableBody).said.bootable, "bootable")
    await volumes.change(request.tx, await changeable(request), bootable=said)
    return Reply(200)


@resource.action(PATH, "os-update_readonly_flag", may="member")
async def set_read_only(request: Request) -> Reply:
    said = flag(request.read(ReadOnlyBody).said.readonly, "readonly")
    await acts.set_read_only(request.tx, request.caller, volume_id(request), said)
    return Reply(202)


@resource.action(PATH, "revert", may="member", since="3.40")
async def revert(request: Request) -> Reply:
    snapshot_id = request.read(RevertBody).revert.snapshot_id
    await acts.revert(request.tx, request.caller, volume_id(request), snapshot_id, request.id)
    return Reply(202)


@resource.action(PATH, "os-volume_upload_image", may="member")
async def upload(request: Request) -> Reply:
    said = request.read(UploadBody).said
    later = {} if said.visibility is UNSET else {"visibility": said.visibility}
    if request.version >= 3001:
        later.setdefault("visibility", "private")
    elif later:
        raise Invalid("body.invalid", "Additional properties are not allowed ('visibility' was unexpected).")
    volume, image = await uploads.begin(
        request.tx,
        request.caller,
        volume_id(request),
        uploads.UploadWish(
            name=said.image_name,
            disk_format=said.disk_format,
            container_format=said.container_format,
            visibility=later.get("visibility", "private"),
            protected=flag(said.protected, "protected"),
            force=flag(said.force, "force"),
        ),
        request.id,
    )
    view = {
        "id": volume.id,
        "updated_at": None,
        "status": "uploading",
        "display_description": volume.description,
        "size": volume.size_gib,
        "image_id": image.id,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "image_name": image.name,
        "volume_type": None,
    }
    if request.version >= 3001:
        view |= {"visibility": image.visibility, "protected": image.protected}
    return Reply(202, {"os-volume_upload_image": view})


@resource.action(PATH, "os-set_image_metadata", may="member")
async def set_image_metadata(request: Request) -> Reply:
    said = request.read(SetImageBody, strict=False).said.metadata
    volume = await changeable(request)
    kept = metadata.bounded((volume.image_metadata or {}) | said, "A volume", "items of image metadata")
    await volumes.change(request.tx, volume, image_metadata=kept)
    return Reply(200, {"metadata": kept})


@resource.action(PATH, "os-unset_image_metadata", may="member")
async def unset_image_metadata(request: Request) -> Reply:
    key = request.read(UnsetImageBody).said.key
    volume = await changeable(request)
    there = volume.image_metadata or {}
    if key not in there:
        raise Invalid("metadata.absent", "Metadata item was not found", status=404)
    await volumes.change(request.tx, volume, image_metadata=metadata.without(there, key))
    return Reply(200)


@resource.action(PATH, "os-show_image_metadata", may="member")
async def show_image_metadata(request: Request) -> Reply:
    volume = await changeable(request)
    return Reply(200, {"metadata": volume.image_metadata or {}})


# -- who uses it, as old clients say it


class Attach(Body, frozen=True, kw_only=True):
    instance_uuid: Uuid | None = None
    host_name: Text | None = None
    mountpoint: Name
    mode: Literal["rw", "ro"] = "rw"


class AttachBody(Loose, frozen=True, kw_only=True):
    said: Attach = msgspec.field(name="os-attach")


class Detach(Loose, frozen=True, kw_only=True):
    attachment_id: Uuid | None = None
    connector: dict[str, Any] | None = None


class DetachBody(Loose, frozen=True, kw_only=True):
    said: Detach | None = msgspec.field(name="os-detach")


class ForceDetachBody(Loose, frozen=True, kw_only=True):
    said: Detach | None = msgspec.field(name="os-force_detach")


@resource.action(PATH, "os-attach", may="member")
async def attach(request: Request) -> Reply:
    said = request.read(AttachBody).said
    if (said.instance_uuid is None) == (said.host_name is None):
        raise Invalid("attachment.who", "Invalid request to attach volume: either an instance or a host must be named.")
    await outside.create(
        request.tx,
        request.caller,
        volume_id(request),
        instance_id=said.instance_uuid,
        connector={"host": said.host_name} if said.host_name is not None else None,
        mode=said.mode,
        device=said.mountpoint,
        done=True,
    )
    return Reply(202)


@resource.action(PATH, "os-detach", may="member")
async def detach(request: Request) -> Reply:
    said = request.read(DetachBody).said
    attachment_id = said.attachment_id if said is not None else None
    await outside.detach(request.tx, request.caller, volume_id(request), attachment_id)
    return Reply(202)


@resource.action(PATH, "os-force_detach", may="admin")
async def force_detach(request: Request) -> Reply:
    said = request.read(ForceDetachBody).said
    attachment_id = said.attachment_id if said is not None else None
    found = await outside.of_volume(request.tx, request.caller, volume_id(request), attachment_id)
    await outside.force(request.tx, found)
    return Reply(202)


def _declare_word(name: str, act: Callable[[Tx, Caller, str], Awaitable[None]]) -> None:
    @resource.action(PATH, name, may="member")
    async def say(request: Request) -> Reply:
        await act(request.tx, request.caller, volume_id(request))
        return Reply(202)


_declare_word("os-reserve", outside.reserve)
_declare_word("os-unreserve", outside.unreserve)
_declare_word("os-begin_detaching", outside.begin_detaching)
_declare_word("os-roll_detaching", outside.roll_detaching)


# -- other bytes, another type


class Reimage(Body, frozen=True, kw_only=True):
    image_id: Uuid
    reimage_reserved: bool | str = False


class ReimageBody(Loose, frozen=True, kw_only=True):
    said: Reimage = msgspec.field(name="os-reimage")


@resource.action(PATH, "os-reimage", may="member", since="3.68")
async def reimage(request: Request) -> Reply:
    said = request.read(ReimageBody).said
    reserved = flag(said.reimage_reserved, "reimage_reserved")
    secrets, id = request.parts.secrets, volume_id(request)
    await reimages.begin(
        request.tx, secrets, request.caller, id, said.image_id, request_id=request.id, reserved=reserved
    )
    return Reply(202)


class Retype(Body, frozen=True, kw_only=True):
    new_type: Name
    migration_policy: Literal["on-demand", "never"] | None = None


class RetypeBody(Loose, frozen=True, kw_only=True):
    said: Retype = msgspec.field(name="os-retype")


@resource.action(PATH, "os-retype", may="member")
async def retype(request: Request) -> Reply:
    await acts.retype(
        request.tx, request.caller, volume_id(request), request.read(RetypeBody).said.new_type, request.id
    )
    await limits.settled(request.tx)
    return Reply(202)


_REFUSED = {
    "os-migrate_volume": ("admin", "volumes are not moved between back ends here; retype them, or make a copy."),
    "os-migrate_volume_completion": ("admin", "volumes are not moved between back ends here."),
    "os-unmanage": ("admin", "what is here is managed here; make an image of the volume to take it elsewhere."),
    "os-initialize_connection": ("member", "use the attachments API, which says how to reach a volume."),
    "os-terminate_connection": ("member", "use the attachments API, which lets a volume go."),
    "os-extend_volume_completion": ("admin", "no volume waits for it: growth is completed by whoever does it."),
}


def _declare(name: str, may: Any, why: str) -> None:
    @resource.action(PATH, name, may=may)
    async def refuse(request: Request) -> Reply:
        await changeable(request)
        raise Invalid("volume.not_offered", f"Not offered: {why}")


for _name, (_may, _why) in _REFUSED.items():
    _declare(_name, _may, _why)
