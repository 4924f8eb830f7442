"""POST /snapshots/{id}/action, and what a tenant hangs on a snapshot."""

from typing import Any

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.snapshots import owned, visible
from trivet.api.volume.volumes_metadata import ItemBody, MetadataBody, check_item, item_of
from trivet.domain.numbers import whole_number
from trivet.domain.volumes import metadata, snapshots
from trivet.domain.volumes.snapshots import Status
from trivet.errors import Invalid

resource = VolumeResource()
PATH = "/snapshots/{snapshot_id}/action"
METADATA = "/snapshots/{snapshot_id}/metadata"


class Reset(Body, frozen=True, kw_only=True):
    status: Status


class ResetBody(Loose, frozen=True, kw_only=True):
    said: Reset = msgspec.field(name="os-reset_status")


class Update(Body, frozen=True, kw_only=True):
    status: Status
    progress: str | None = None


class UpdateBody(Loose, frozen=True, kw_only=True):
    said: Update = msgspec.field(name="os-update_snapshot_status")


@resource.action(PATH, "os-reset_status", may="admin")
async def reset(request: Request) -> Reply:
    status = request.read(ResetBody).said.status
    await snapshots.change(request.tx, await owned(request), status=status)
    return Reply(202)


@resource.action(PATH, "os-force_delete", may="admin")
async def force_delete(request: Request) -> Reply:
    await snapshots.delete(request.tx, request.caller, request.values["snapshot_id"], force=True)
    return Reply(202)


@resource.action(PATH, "os-update_snapshot_status", may="member")
async def update_status(request: Request) -> Reply:
    """Between creating, deleting and their errors, as whoever made a snapshot elsewhere says."""
    said = request.read(UpdateBody).said
    snapshot = await owned(request)
    if snapshot.works:
        raise Invalid("snapshot.works", f"Snapshot {snapshot.id} is being worked on; its back end says how that ends.")
    allowed = {"creating": ("creating", "available", "error"), "deleting": ("deleting", "error_deleting")}
    if said.status not in allowed.get(snapshot.status, ()):
        raise Invalid(
            "snapshot.status",
            f"Provided snapshot status {said.status} not allowed for snapshot with status {snapshot.status}.",
        )
    changes: dict[str, Any] = {"status": said.status}
    if said.progress is not None:
        percent = whole_number(said.progress.removesuffix("%"))
        if percent is None or percent > 100:
            raise Invalid("body.invalid", "progress must be an integer percentage")
        changes["progress"] = f"{percent}%"
    await snapshots.change(request.tx, snapshot, **changes)
    return Reply(202)


@resource.action(PATH, "os-unmanage", may="admin")
async def unmanage(request: Request) -> Reply:
    await owned(request)
    raise Invalid("snapshot.not_offered", "Not offered: what is here is managed here.")


# -- metadata


@resource.on("GET", METADATA, may="reader")
async def index(request: Request) -> Reply:
    return Reply(200, {"metadata": (await visible(request)).metadata})


@resource.on("POST", METADATA, may="member")
async def add(request: Request) -> Reply:
    return await _write(request, request.read(MetadataBody).metadata, keep=True)


@resource.on("PUT", METADATA, may="member")
async def replace(request: Request) -> Reply:
    return await _write(request, request.read(MetadataBody).metadata, keep=False)


async def _write(request: Request, said: dict[str, str], *, keep: bool) -> Reply:
    snapshot = await owned(request)
    wanted = metadata.bounded((snapshot.metadata if keep else {}) | said, "A snapshot", "items of metadata")
    await snapshots.change(request.tx, snapshot, metadata=wanted)
    return Reply(200, {"metadata": wanted})


@resource.on("GET", METADATA + "/{key}", may="reader")
@resource.on("GET", "/snapshot/{snapshot_id}/metadata/{key}", may="reader")
async def show(request: Request) -> Reply:
    key = request.values["key"]
    return Reply(200, {"meta": {key: item_of((await visible(request)).metadata, key)}})


@resource.on("PUT", METADATA + "/{key}", may="member")
async def put(request: Request) -> Reply:
    said, key = request.read(ItemBody).meta, request.values["key"]
    check_item(said, key)
    await _write(request, said, keep=True)
    return Reply(200, {"meta": said})


@resource.on("DELETE", METADATA + "/{key}", may="member")
async def delete(request: Request) -> Reply:
    snapshot, key = await owned(request), request.values["key"]
    item_of(snapshot.metadata, key)
    await snapshots.change(request.tx, snapshot, metadata=metadata.without(snapshot.metadata, key))
    return Reply(200)
