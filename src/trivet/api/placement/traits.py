"""/traits: which traits there are. A PUT makes one, if its name begins with CUSTOM_."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.domain.placement import traits
from trivet.errors import Invalid

resource = Resource()


@resource.on("GET", "/traits", may="service", since="1.6")
async def index(request: Request) -> Reply:
    wire.only(request, {"name", "associated"})
    names: set[str] | None = None
    prefix: str | None = None
    asked = request.asked("name")
    if asked is not None:
        how, colon, value = asked.partition(":")
        if not colon:
            raise Invalid(
                "query.invalid",
                "Badly formatted name parameter. Expected name query string parameter in form:"
                f' ?name=[in|startswith]:[name1,name2|prefix]. Got: "{asked[:64]}"',
            )
        names = set(value.split(",")) if how == "in" else None
        prefix = value if how == "startswith" else None
    associated = request.asked("associated")
    if associated is not None and associated.lower() not in ("true", "false"):
        raise Invalid("query.invalid", 'The query parameter "associated" only accepts "true" or "false"')
    found = await traits.find(
        request.tx,
        names=names,
        prefix=prefix,
        associated=None if associated is None else associated.lower() == "true",
    )
    return wire.reply(request, 200, {"traits": found})


@resource.on("GET", "/traits/{name}", may="service", since="1.6")
async def show(request: Request) -> Reply:
    made_at = await traits.need(request.tx, request.values["name"])
    return wire.reply(request, 204, changed_at=made_at or request.parts.clock.now())


@resource.on("PUT", "/traits/{name}", may="service", since="1.6")
async def create(request: Request) -> Reply:
    name = request.values["name"]
    new = await traits.create(request.tx, name)
    return wire.reply(
        request,
        201 if new else 204,
        changed_at=await traits.need(request.tx, name),
        location=wire.path(request, "traits", name),
    )


@resource.on("DELETE", "/traits/{name}", may="service", since="1.6")
async def delete(request: Request) -> Reply:
    await traits.delete(request.tx, request.values["name"])
    return Reply(204)
