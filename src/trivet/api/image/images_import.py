"""/v2/images/{id}/import, /tasks and /locations: bytes that we fetch or move, and how that goes."""

from typing import Annotated, Any

import msgspec

from trivet.api.image.sight import seen
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.images import images, stores
from trivet.domain.images import imports as image_imports
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.imports import ImportWish

resource = Resource(names="image_id", seen=seen)


class Method(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    uri: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Read and kept for the task to show; what else there is in the body is not, for it may be a megabyte."""

    method: Method
    stores: Annotated[list[str], msgspec.Meta(min_length=1, max_length=32)] | None = None
    all_stores: bool = False
    all_stores_must_succeed: bool = True


class ValidationData(Body, frozen=True, kw_only=True):
    os_hash_algo: str | None = None
    os_hash_value: str | None = None


class LocationCreate(Body, frozen=True, kw_only=True):
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    validation_data: ValidationData = ValidationData()


@resource.on("POST", "/v2/images/{image_id}/import", may="member")
async def import_(request: Request) -> Reply:
    body = request.read(ImportRequest)
    to = stores.chosen(
        request.parts.settings,
        body.stores,
        request.header("x-image-meta-store"),
        all_stores=body.all_stores,
        must_succeed=body.all_stores_must_succeed,
    )
    wanted = ImportWish(
        method=body.method.name,
        uri=body.method.uri,
        stores=to.stores,
        all_must_succeed=to.must_succeed,
        all_stores=body.all_stores,
    )
    said: dict[str, Any] = msgspec.to_builtins(body)
    image_id = request.values["image_id"]
    await _ask(request, image_id, wanted, said)
    return Reply(202)


async def _ask(request: Request, image_id: str, wanted: ImportWish, said: dict[str, Any]) -> None:
    secrets = request.parts.secrets
    await image_imports.request(request.tx, secrets, request.caller, image_id, wanted, request_id=request.id, said=said)


@resource.on("GET", "/v2/images/{image_id}/tasks", may="reader")
async def tasks(request: Request) -> Reply:
    image = await images.visible(request.tx, request.caller, request.values["image_id"])
    found = [
        {
            "id": task.id,
            "type": task.type,
            "status": task.status,
            "owner": task.project_id,
            "message": task.message,
            "input": image_imports.said_by(task),
            "result": None,
            "image_id": task.image_id,
            "request_id": task.request_id,
            "user_id": task.user_id,
            "created_at": iso(task.created_at),
            "updated_at": iso(task.updated_at),
            "expires_at": iso(task.ends_at),
            "deleted": False,
            "deleted_at": None,
        }
        for task in await image_tasks.of_image(request.tx, image.id)
        if request.caller.may_see(task.project_id)
    ]
    return Reply(200, {"tasks": found})


@resource.on("POST", "/v2/images/{image_id}/locations", may="member")
async def add_location(request: Request) -> Reply:
    """A location is somebody else's to change or lose, so its bytes are copied here, and checked."""
    body = request.read(LocationCreate)
    data = body.validation_data
    wanted = ImportWish(
        method="web-download",
        uri=body.url,
        stores=(stores.default(request.parts.settings),),
        os_hash_algo=data.os_hash_algo,
        os_hash_value=data.os_hash_value,
    )
    image_id = request.values["image_id"]
    said: dict[str, Any] = {"method": {"name": "web-download", "uri": body.url}}
    await _ask(request, image_id, wanted, said)
    return Reply(202)


@resource.on("GET", "/v2/images/{image_id}/locations", may="service")
async def locations(request: Request) -> Reply:
    """In which stores it lies. Nothing outside reads those directly: bytes are had at /file."""
    image = await images.visible(request.tx, request.caller, request.values["image_id"])
    return Reply(200, [{"url": f"trivet://{store}/{image.id}", "metadata": {"store": store}} for store in image.kept])
