"""/resource_classes: what capacity is counted in. Until 1.6 a PUT renames a class; from 1.7 on it makes one."""

from typing import Annotated

import msgspec

from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.domain.placement import resource_classes
from trivet.errors import Conflict

resource = Resource()


class ClassName(Body, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(pattern=r"^CUSTOM_[A-Z0-9_]+\Z", max_length=255)]


@resource.on("GET", "/resource_classes", may="service", since="1.2")
async def index(request: Request) -> Reply:
    found = await resource_classes.find(request.tx)
    return wire.reply(request, 200, {"resource_classes": [_shown(request, name) for name in found]})


@resource.on("POST", "/resource_classes", may="service", since="1.2")
async def create(request: Request) -> Reply:
    name = wire.read(request, ClassName).name
    if not await resource_classes.create(request.tx, name):
        raise Conflict("resource_class.exists", f"Conflicting resource class already exists: {name}")
    return wire.reply(request, 201, location=wire.path(request, "resource_classes", name))


@resource.on("GET", "/resource_classes/{name}", may="service", since="1.2")
async def show(request: Request) -> Reply:
    name = request.values["name"]
    made_at = await resource_classes.need(request.tx, name)
    return wire.reply(request, 200, _shown(request, name), changed_at=made_at)


@resource.on("PUT", "/resource_classes/{name}", may="service", since="1.2", until="1.6")
async def rename(request: Request) -> Reply:
    new_name = wire.read(request, ClassName).name
    await resource_classes.rename(request.tx, request.values["name"], new_name)
    return wire.reply(request, 200, _shown(request, new_name))


@resource.on("PUT", "/resource_classes/{name}", may="service", since="1.7")
async def ensure(request: Request) -> Reply:
    name = request.values["name"]
    new = await resource_classes.create(request.tx, name)
    return wire.reply(request, 201 if new else 204, location=wire.path(request, "resource_classes", name))


@resource.on("DELETE", "/resource_classes/{name}", may="service", since="1.2")
async def delete(request: Request) -> Reply:
    await resource_classes.delete(request.tx, request.values["name"])
    return Reply(204)


def _shown(request: Request, name: str) -> object:
    href = wire.path(request, "resource_classes", name)
    return {"name": name, "links": [{"rel": "self", "href": href}]}
