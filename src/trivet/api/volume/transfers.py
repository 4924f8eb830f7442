"""/volume-transfers, and /os-volume-transfer as it was called before: a volume that goes to another project."""

from typing import Annotated, Any

from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Body, Since, Uuid
from trivet.api.kit.request import Reply, Request
from trivet.api.volume import paging
from trivet.api.volume.bodies import Loose, Text, name_of
from trivet.api.volume.paths import VolumeResource, links
from trivet.clock import iso_micros
from trivet.domain.volumes import limits, transfers
from trivet.domain.volumes.transfers import TRANSFERS, Transfer

resource = VolumeResource()
_SORTS = {"id": "id", "name": "name", "created_at": "created_at", "volume_id": "volume_id"}
_ENCRYPTED_SINCE = 3070
_FILTERS = {"id": "id", "name": "name", "volume_id": "volume_id"}


class NewTransfer(Body, frozen=True, kw_only=True):
    volume_id: Uuid
    name: Text | None = None
    no_snapshots: Annotated[bool | UnsetType, Since("3.55")] = UNSET


class CreateBody(Loose, frozen=True, kw_only=True):
    transfer: NewTransfer


class Accept(Body, frozen=True, kw_only=True):
    auth_key: str


class AcceptBody(Loose, frozen=True, kw_only=True):
    accept: Accept


def _declare(path: str, since: str | None) -> None:
    @resource.on("POST", path, may="member", since=since)
    async def create(request: Request) -> Reply:
        said = request.read(CreateBody, strict=False).transfer
        transfer, key = await transfers.create(
            request.tx,
            request.caller,
            said.volume_id,
            name=name_of(said.name),
            no_snapshots=said.no_snapshots is True,
            encrypted=request.version >= _ENCRYPTED_SINCE,
        )
        return Reply(202, {"transfer": _view(request, path, transfer) | {"auth_key": key}})

    @resource.on("GET", path, may="reader", since=since)
    async def index(request: Request) -> Reply:
        return await _listed(request, path, detail=False)

    @resource.on("GET", path + "/detail", may="reader", since=since)
    async def detail(request: Request) -> Reply:
        return await _listed(request, path, detail=True)

    @resource.on("GET", path + "/{transfer_id}", may="reader", since=since)
    async def show(request: Request) -> Reply:
        found = await transfers.visible(request.tx, request.caller, request.values["transfer_id"])
        return Reply(200, {"transfer": _view(request, path, found)})

    @resource.on("DELETE", path + "/{transfer_id}", may="member", since=since)
    async def delete(request: Request) -> Reply:
        await transfers.delete(request.tx, request.caller, request.values["transfer_id"])
        return Reply(202)

    @resource.on("POST", path + "/{transfer_id}/accept", may="member", since=since)
    async def accept(request: Request) -> Reply:
        key = request.read(AcceptBody).accept.auth_key
        found = await transfers.accept(
            request.tx, request.parts.secrets, request.caller, request.values["transfer_id"], key
        )
        await limits.settled(request.tx)
        return Reply(202, {"transfer": _brief(request, path, found)})


async def _listed(request: Request, path: str, *, detail: bool) -> Reply:
    seen = paging.scoped(request)
    where = paging.filtered(request, seen.copy(), _FILTERS)
    found = await paging.find(request, TRANSFERS, _SORTS, where, seen=seen)
    shown = [_view(request, path, one) if detail else _brief(request, path, one) for one in found]
    return paging.page_of(request, "transfers", path.strip("/"), found, shown)


def _brief(request: Request, path: str, found: Transfer) -> dict[str, Any]:
    return {
        "id": found.id,
        "volume_id": found.volume_id,
        "name": found.name,
        "links": links(request, path.strip("/"), found.id),
    }


def _view(request: Request, path: str, found: Transfer) -> dict[str, Any]:
    view = _brief(request, path, found) | {"created_at": iso_micros(found.created_at)}
    if request.version >= 3055:
        view["no_snapshots"] = found.no_snapshots
    if request.version >= 3057:
        view |= {"destination_project_id": None, "source_project_id": found.project_id, "accepted": False}
    return view


_declare("/os-volume-transfer", None)
_declare("/volume-transfers", "3.55")
