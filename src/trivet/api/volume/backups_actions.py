"""POST /backups/{id}/action"""

from typing import Literal

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.backups import backup_id
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource
from trivet.domain.volumes import backups

resource = VolumeResource()
PATH = "/backups/{backup_id}/action"


class Reset(Body, frozen=True, kw_only=True):
    status: Literal["available", "error"]


class ResetBody(Loose, frozen=True, kw_only=True):
    said: Reset = msgspec.field(name="os-reset_status")


@resource.action(PATH, "os-reset_status", may="admin")
async def reset(request: Request) -> Reply:
    await backups.reset(request.tx, request.caller, backup_id(request), request.read(ResetBody).said.status)
    return Reply(202)


@resource.action(PATH, "os-force_delete", may="admin")
async def force_delete(request: Request) -> Reply:
    await backups.delete(request.tx, request.caller, backup_id(request), force=True)
    return Reply(202)
