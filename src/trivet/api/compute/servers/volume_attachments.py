"""/servers/{id}/os-volume_attachments: the volumes that a server has."""

from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.compute.servers.bodies import Tag
from trivet.api.compute.servers.servers import call_of, server_id, visible
from trivet.api.kit.bodies import Body, Since, Uuid, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import volumes as server_volumes
from trivet.domain.servers.servers import Server
from trivet.domain.servers.volumes import VolumeWanted
from trivet.domain.volumes import volumes
from trivet.domain.volumes.attachments import Attachment
from trivet.errors import Conflict, Invalid

resource = Resource()
_SHELVED_SINCE = 2020
PATH = "/v2.1/servers/{server_id}/os-volume_attachments"

Device = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class NewAttachment(Body, frozen=True, kw_only=True):
    volumeId: Uuid  # noqa: N815 - as it is spelled on the wire
    device: Device | None = None
    tag: Annotated[Tag | UnsetType, Since("2.49")] = UNSET
    delete_on_termination: Annotated[bool | UnsetType, Since("2.79")] = UNSET


class AttachBody(Body, frozen=True, kw_only=True):
    attachment: NewAttachment = msgspec.field(name="volumeAttachment")


class ChangedAttachment(Body, frozen=True, kw_only=True):
    volumeId: Uuid  # noqa: N815
    device: Annotated[str | UnsetType | None, Since("2.85")] = UNSET
    tag: Annotated[str | UnsetType | None, Since("2.85")] = UNSET
    delete_on_termination: Annotated[bool | UnsetType, Since("2.85")] = UNSET
    serverId: Annotated[str | UnsetType, Since("2.85")] = UNSET  # noqa: N815
    id: Annotated[str | UnsetType, Since("2.85")] = UNSET


class UpdateBody(Body, frozen=True, kw_only=True):
    attachment: ChangedAttachment = msgspec.field(name="volumeAttachment")


@resource.on("GET", PATH, may="reader")
async def list_attachments(request: Request) -> Reply:
    server = await visible(request)
    found = await server_volumes.of_server(request.tx, server.id)
    return Reply(200, {"volumeAttachments": [_view(request, one) for one in pages.few(request, found)]})


@resource.on("GET", PATH + "/{volume_id}", may="reader")
async def show(request: Request) -> Reply:
    server = await visible(request)
    return Reply(200, {"volumeAttachment": _view(request, await _named(request, server))})


@resource.on("POST", PATH, may="member")
async def attach(request: Request) -> Reply:
    said = request.read(AttachBody, strict=False).attachment
    await _check_shelved(request, "attach_volume")
    wanted = VolumeWanted(
        volume_id=said.volumeId,
        device=said.device,
        tag=or_none(said.tag),
        delete_on_termination=said.delete_on_termination is True,
    )
    attachment = await server_volumes.attach(request.tx, call_of(request), server_id(request), wanted)
    return Reply(200, {"volumeAttachment": _view(request, attachment)})


@resource.on("PUT", PATH + "/{volume_id}", may="member")
async def update(request: Request) -> Reply:
    """The same volume: what becomes of it when its server goes (2.85). Another one: a swap, which is the operator's."""
    said = request.read(UpdateBody, strict=False).attachment
    volume_id, server = request.values["volume_id"], await visible(request)
    if said.volumeId != volume_id:
        await _refuse_swap(request, volume_id)
    if request.version < 2085:
        raise Conflict("volume.swap_same", "Old and new volume are the same; from 2.85 on, its fields can be changed.")
    attachment = await _named(request, server)
    for name, said_value, is_value in (
        ("device", said.device, attachment.device),
        ("tag", said.tag, attachment.tag),
        ("serverId", said.serverId, server.id),
        ("id", said.id, volume_id),
    ):
        if said_value not in (UNSET, is_value):
            raise Invalid("attachment.fixed", f"The {name} of a volume attachment cannot be changed.")
    if said.delete_on_termination is not UNSET:
        await server_volumes.change(
            request.tx,
            call_of(request),
            server.id,
            volume_id,
            delete_on_termination=said.delete_on_termination,
        )
    return Reply(202)


async def _refuse_swap(request: Request, volume_id: str) -> NoReturn:
    if not request.caller.is_operator:
        raise Invalid("policy.forbidden", "Only an administrator may swap volumes.", status=403)
    await volumes.visible(request.tx, request.caller, volume_id)
    raise Conflict("volume.swap", f"volume {volume_id[:64]} is not migrating; this API should only be called by Cinder")


@resource.on("DELETE", PATH + "/{volume_id}", may="member")
async def detach(request: Request) -> Reply:
    await _check_shelved(request, "detach_volume")
    await server_volumes.detach(request.tx, call_of(request), server_id(request), request.values["volume_id"])
    return Reply(202)


async def _check_shelved(request: Request, method: str) -> None:
    """Older clients do not know that a shelved server can change its volumes."""
    server = await visible(request)
    if request.version < _SHELVED_SINCE and server.status in ("shelved", "shelved_offloaded"):
        raise Conflict(
            "server.state", f"Cannot '{method}' instance {server.id} while it is in vm_state {server.status}"
        )


async def _named(request: Request, server: Server) -> Attachment:
    return await server_volumes.attached(request.tx, server, request.values["volume_id"])


def _view(request: Request, attachment: Attachment) -> dict[str, Any]:
    version = request.version
    view: dict[str, Any] = {
        "volumeId": attachment.volume_id,
        "serverId": attachment.server_id,
        "device": attachment.device,
    }
    if version < 2089:
        view["id"] = attachment.volume_id
    if version >= 2070:
        view["tag"] = attachment.tag
    if version >= 2079:
        view["delete_on_termination"] = attachment.delete_on_termination
    if version >= 2089:
        view["attachment_id"] = attachment.id
        view["bdm_uuid"] = attachment.id
    return view
