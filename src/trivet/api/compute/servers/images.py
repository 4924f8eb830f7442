"""Actions that make images of a server's disk: createImage and createBackup."""

from typing import Annotated

import msgspec
from msgspec import field

from trivet.api.compute.servers.actions import ACCEPTED, PATH
from trivet.api.compute.servers.bodies import Metadata, check_name, metadata_within
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, Name, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import images as server_images

resource = Resource()
_METADATA_MAX = 128


class Snapshot(Body, frozen=True, kw_only=True):
    name: Name
    metadata: Metadata = {}


class SnapshotBody(Body, frozen=True, kw_only=True):
    snapshot: Snapshot = field(name="createImage")


class Backup(Body, frozen=True, kw_only=True):
    name: Name
    backup_type: Text
    rotation: Annotated[int, msgspec.Meta(ge=0)]
    metadata: Metadata = {}


class BackupBody(Body, frozen=True, kw_only=True):
    backup: Backup = field(name="createBackup")


@resource.action(PATH, "createImage", may="member")
async def create_image(request: Request) -> Reply:
    body = request.read(SnapshotBody).snapshot
    properties = metadata_within(body.metadata, _METADATA_MAX)
    image = await server_images.create_image(
        request.tx, call_of(request), server_id(request), check_name(body.name), properties
    )
    return _made(request, image.id)


@resource.action(PATH, "createBackup", may="member")
async def create_backup(request: Request) -> Reply:
    body = request.read(BackupBody, strict=False).backup
    image = await server_images.create_backup(
        request.tx,
        call_of(request),
        server_id(request),
        check_name(body.name),
        body.backup_type,
        rotation=body.rotation,
    )
    return Reply(ACCEPTED) if image is None else _made(request, image.id)


def _made(request: Request, image_id: str) -> Reply:
    if request.version >= 2045:
        return Reply(ACCEPTED, {"image_id": image_id})
    href = f"{request.url.rpartition('/')[0]}/image/v2/images/{image_id}"
    return Reply(ACCEPTED, None, [(b"location", href.encode())])
