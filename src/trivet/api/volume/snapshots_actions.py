"""POST /snapshots/{id}/action"""

from typing import Any

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource
from trivet.api.volume.snapshots import owned
from trivet.domain.numbers import whole_number
from trivet.domain.volumes import snapshots
from trivet.domain.volumes.snapshots import Status
from trivet.errors import Invalid

resource = VolumeResource()
PATH = "/snapshots/{snapshot_id}/action"


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
