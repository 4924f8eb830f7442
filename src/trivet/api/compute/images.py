"""/images, until 2.35 (their metadata until 2.38): the image service's own, in nova's words."""

from typing import Annotated, Any

import msgspec

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.clock import iso, parse_iso
from trivet.domain.images import images
from trivet.domain.images import lists as image_lists
from trivet.domain.images.images import Image
from trivet.domain.images.lists import ServersQuery
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, NotFound
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_LAST = "2.35"
_LAST_METADATA = "2.38"
_ACTIVE, _SAVING = "ACTIVE", "SAVING"
_STATUS = {"active": _ACTIVE, "deactivated": "UNKNOWN"}
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Word = Annotated[str, msgspec.Meta(max_length=65535)]


class Metadata(Body, frozen=True, kw_only=True):
    metadata: dict[Key, Word]


class MetadataItem(Body, frozen=True, kw_only=True):
    meta: dict[Key, Word]


@resource.on("GET", "/v2.1/images", may="reader", until=_LAST)
async def index(request: Request) -> Reply:
    found = await _find(request)
    return pages.page(request, "images", "images", found, [_brief(request, image) for image in found])


@resource.on("GET", "/v2.1/images/detail", may="reader", until=_LAST)
async def detail(request: Request) -> Reply:
    found = await _find(request)
    return pages.page(request, "images", "images/detail", found, [_shown(request, image) for image in found])


@resource.on("GET", "/v2.1/images/{image_id}", may="reader", until=_LAST)
async def show(request: Request) -> Reply:
    return Reply(200, {"image": _shown(request, await _needed(request, request.tx))})


@resource.on("DELETE", "/v2.1/images/{image_id}", may="member", until=_LAST, tx="none")
async def delete(request: Request) -> Reply:
    async def act(tx: Tx) -> tuple[str, ...]:
        await _needed(request, tx)
        return await images.delete(tx, request.caller, request.values["image_id"])

    for key in await transact(request.parts.store, act):
        await request.parts.blobs.remove(key)
    return Reply(204)


@resource.on("DELETE", "/v2.1/images", may="member", until=_LAST, tx="none")
async def delete_nothing(request: Request) -> Reply:
    """An id that is empty is the id of no image."""
    raise NotFound("image.absent", "Image not found.")


@resource.on("GET", "/v2.1/images/{image_id}/metadata", may="reader", until=_LAST_METADATA)
async def metadata(request: Request) -> Reply:
    return Reply(200, {"metadata": (await _needed(request, request.tx)).properties})


@resource.on("POST", "/v2.1/images/{image_id}/metadata", may="member", until=_LAST_METADATA, body_max=LONG_BODY_MAX)
async def add_metadata(request: Request) -> Reply:
    said = request.read(Metadata).metadata
    image = await _owned(request)
    return Reply(200, {"metadata": (await _write(request, image, image.properties | said)).properties})


@resource.on("PUT", "/v2.1/images/{image_id}/metadata", may="member", until=_LAST_METADATA, body_max=LONG_BODY_MAX)
async def replace_metadata(request: Request) -> Reply:
    said = request.read(Metadata).metadata
    return Reply(200, {"metadata": (await _write(request, await _owned(request), said)).properties})


@resource.on("GET", "/v2.1/images/{image_id}/metadata/{key}", may="reader", until=_LAST_METADATA)
async def metadata_item(request: Request) -> Reply:
    key = request.values["key"]
    properties = (await _needed(request, request.tx)).properties
    if key not in properties:
        raise _no_key()
    return Reply(200, {"meta": {key: properties[key]}})


@resource.on("PUT", "/v2.1/images/{image_id}/metadata/{key}", may="member", until=_LAST_METADATA)
async def change_metadata_item(request: Request) -> Reply:
    said = request.read(MetadataItem).meta
    key = request.values["key"]
    if set(said) != {key}:
        raise Invalid("body.mismatch", "Request body and URI mismatch")
    image = await _owned(request)
    await _write(request, image, image.properties | said)
    return Reply(200, {"meta": said})


@resource.on("DELETE", "/v2.1/images/{image_id}/metadata/{key}", may="member", until=_LAST_METADATA)
async def delete_metadata_item(request: Request) -> Reply:
    image = await _owned(request)
    key = request.values["key"]
    if key not in image.properties:
        raise _no_key()
    await _write(request, image, {name: word for name, word in image.properties.items() if name != key})
    return Reply(204)


async def _needed(request: Request, tx: Tx) -> Image:
    try:
        return await images.visible(tx, request.caller, request.values["image_id"])
    except NotFound as error:
        raise NotFound(error.code, "Image not found.") from error


async def _owned(request: Request) -> Image:
    await _needed(request, request.tx)
    return await images.owned(request.tx, request.caller, request.values["image_id"])


async def _write(request: Request, image: Image, properties: dict[str, str]) -> Image:
    wanted = msgspec.structs.replace(image, properties=properties)
    return await images.update(request.tx, request.caller, image, wanted)


def _no_key() -> NotFound:
    return NotFound("image.no_key", "Metadata item was not found")


async def _find(request: Request) -> list[Image]:
    status, server, kind = (request.asked(name) for name in ("status", "server", "type"))
    statuses, others = _statuses(status.upper()) if status is not None else (None, False)
    properties = {"instance_uuid": server.rpartition("/")[2]} if server is not None else {}
    query = ServersQuery(
        name=request.asked("name"),
        changed_since=_since(request),
        min_ram=_amount(request, "minRam"),
        min_disk=_amount(request, "minDisk"),
        statuses=statuses,
        all_but=others,
        properties=properties | ({"image_type": kind} if kind is not None else {}),
    )
    asked = pages.asked(request, (("created_at", True), ("id", True)))
    return await image_lists.find_for_servers(request.tx, request.caller, query, asked)


def _statuses(wanted: str) -> tuple[tuple[str, ...], bool]:
    """Which of the image service's own these are, or all but which."""
    if wanted == _SAVING:
        return tuple(_STATUS), True
    return tuple(status for status, shown in _STATUS.items() if shown == wanted), False


def _amount(request: Request, name: str) -> int | None:
    said = request.asked(name)
    if said is None:
        return None
    number = whole_number(said)
    if number is None:
        raise Invalid("query.invalid", f"{name} must be a whole number.")
    return number


def _since(request: Request) -> float | None:
    said = request.asked("changes-since")
    try:
        return parse_iso(said) if said is not None else None
    except ValueError as error:
        raise Invalid("query.invalid", "changes-since must be a time.") from error


def _status(image: Image) -> str:
    return _STATUS.get(image.status, _SAVING)


def _brief(request: Request, image: Image) -> dict[str, Any]:
    base = request.url.removesuffix("/compute")
    alternate = {
        "rel": "alternate",
        "type": "application/vnd.openstack.image",
        "href": f"{base}/image/images/{image.id}",
    }
    return {
        "id": image.id,
        "name": image.name,
        "links": [*pages.links(request, "images", image.id), alternate],
    }


def _shown(request: Request, image: Image) -> dict[str, Any]:
    view = _brief(request, image) | {
        "minRam": image.min_ram,
        "minDisk": image.min_disk,
        "metadata": image.properties,
        "created": iso(image.created_at),
        "updated": iso(image.updated_at),
        "status": _status(image),
        "progress": {_ACTIVE: 100, _SAVING: 50}.get(_status(image), 0),
        "OS-EXT-IMG-SIZE:size": image.size,
    }
    server_id = image.properties.get("instance_uuid")
    if server_id is not None:
        view["server"] = {"id": server_id, "links": pages.links(request, "servers", server_id)}
    return view
