"""/attachments: who uses a volume. What compute attached is seen here, and is compute's to take away."""

from typing import Annotated, Any, Literal

from trivet.api.kit.bodies import Body, Since, Uuid
from trivet.api.kit.request import Reply, Request, encode
from trivet.api.volume import paging
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource
from trivet.clock import iso_micros
from trivet.domain.volumes import attachments, outside
from trivet.domain.volumes.attachments import ATTACHMENTS, Attachment
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = VolumeResource()
_SORTS = {
    "id": "id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "volume_id": "volume_id",
    "status": "status",
}
_FILTERS = {"id": "id", "volume_id": "volume_id", "status": "status"}
_CONNECTS_S = 20.0
_CONNECTOR_MAX = 8 * 1024
Mode = Literal["rw", "ro", "null"]


class NewAttachment(Body, frozen=True, kw_only=True):
    volume_uuid: Uuid
    instance_uuid: Uuid | None = None
    connector: dict[str, Any] | None = None
    mode: Annotated[Mode | None, Since("3.54")] = None


class CreateBody(Loose, frozen=True, kw_only=True):
    attachment: NewAttachment


class Connect(Body, frozen=True, kw_only=True):
    connector: dict[str, Any]


class UpdateBody(Loose, frozen=True, kw_only=True):
    attachment: Connect


@resource.on("GET", "/attachments", may="reader", since="3.27")
async def index(request: Request) -> Reply:
    found = await _found(request)
    shown = [_brief(one) for one in found]
    return paging.page_of(request, "attachments", "attachments", found, shown)


@resource.on("GET", "/attachments/detail", may="reader", since="3.27")
async def detail(request: Request) -> Reply:
    found = await _found(request)
    shown = [_view(request, one) for one in found]
    return paging.page_of(request, "attachments", "attachments/detail", found, shown)


async def _found(request: Request) -> list[Attachment]:
    seen = paging.scoped(request).add("status <> 'gone'")
    where = paging.filtered(request, seen.copy(), _FILTERS)
    instance_id = request.asked("instance_id") or request.asked("instance_uuid")
    if instance_id is not None:
        where.add("COALESCE(server_id, instance_id) = ?", instance_id)
    return await paging.find(request, ATTACHMENTS, _SORTS, where, seen=seen)


@resource.on("GET", "/attachments/{attachment_id}", may="reader", since="3.27")
async def show(request: Request) -> Reply:
    found = await attachments.visible(request.tx, request.caller, request.values["attachment_id"])
    return Reply(200, {"attachment": _view(request, found)})


@resource.on("POST", "/attachments", may="member", since="3.27", tx="none")
async def create(request: Request) -> Reply:
    said = request.read(CreateBody).attachment
    connector = _checked(said.connector) if said.connector else None
    mode: Literal["rw", "ro"] | None = None if said.mode in (None, "null") else "ro" if said.mode == "ro" else "rw"

    async def act(tx: Tx) -> Attachment:
        return await outside.create(
            tx, request.caller, said.volume_uuid, instance_id=said.instance_uuid, connector=connector, mode=mode
        )

    made = await transact(request.parts.store, act)
    return Reply(202, {"attachment": _view(request, await _connected(request, made))})


@resource.on("PUT", "/attachments/{attachment_id}", may="member", since="3.27", tx="none")
async def update(request: Request) -> Reply:
    connector, id = _checked(request.read(UpdateBody).attachment.connector), request.values["attachment_id"]
    made = await transact(request.parts.store, lambda tx: outside.connect(tx, request.caller, id, connector))
    return Reply(200, {"attachment": _view(request, await _connected(request, made))})


@resource.action("/attachments/{attachment_id}/action", "os-complete", may="member", since="3.44")
async def complete(request: Request) -> Reply:
    await outside.complete(request.tx, request.caller, request.values["attachment_id"])
    return Reply(204)


@resource.on("DELETE", "/attachments/{attachment_id}", may="member", since="3.27")
async def delete(request: Request) -> Reply:
    volume_id = (await attachments.visible(request.tx, request.caller, request.values["attachment_id"])).volume_id
    await outside.delete(request.tx, request.caller, request.values["attachment_id"])
    left = [one for one in await attachments.of_volume(request.tx, volume_id) if one.status != "gone"]
    return Reply(200, {"attachments": [_brief(one) for one in left]})


def _checked(connector: dict[str, Any]) -> dict[str, Any]:
    if len(encode(connector)) > _CONNECTOR_MAX:
        raise Invalid("attachment.connector", f"A connector may be at most {_CONNECTOR_MAX} bytes long.")
    mountpoint = connector.get("mountpoint")
    if mountpoint is not None and (not isinstance(mountpoint, str) or len(mountpoint) > 255):
        raise Invalid("attachment.connector", "The connector's mountpoint must be a short text.")
    return connector


async def _connected(request: Request, made: Attachment) -> Attachment:
    """Who says how he can be reached is told how to reach the volume: the back end opens it meanwhile."""
    store, until = request.parts.store, request.parts.clock.monotonic() + _CONNECTS_S
    while made.connector is not None and made.connection is None and request.parts.clock.monotonic() < until:
        await store.wake.wait(0.2)
        async with store.read() as tx:
            found = await tx.get(ATTACHMENTS, made.id)
        if found is None:
            return made
        made = found
    return made


def _brief(found: Attachment) -> dict[str, Any]:
    return {
        "id": found.id,
        "status": found.status,
        "instance": found.server_id or found.instance_id,
        "volume_id": found.volume_id,
    }


def _view(request: Request, found: Attachment) -> dict[str, Any]:
    return _brief(found) | {
        "attached_at": iso_micros(found.attached_at) or "",
        "detached_at": "",
        "attach_mode": found.mode,
        "connection_info": _connection(request, found),
    }


def _connection(request: Request, found: Attachment) -> dict[str, Any]:
    """Where on its host a volume is reached is nothing for tenants."""
    if found.connection is None:
        return {}
    view: dict[str, Any] = {
        "driver_volume_type": found.connection.driver,
        "attachment_id": found.id,
        "volume_id": found.volume_id,
        "access_mode": found.mode,
        # Whoever is let in reads what is clear: the back end opens it, and hands nobody the key.
        "encrypted": found.connection.encrypted,
    }
    if request.caller.is_operator or request.caller.has("service"):
        view |= {"path": found.connection.path, "export": found.connection.export}
    return view
