"""/v1/{account}/{container}/{object}: an object's bytes and what is said of it."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.object import bulk, copying, cors, form_posts, reading, versioned, web_pages, wire, writing
from trivet.domain.objects import containers
from trivet.errors import Forbidden, Invalid, NotFound

resource = Resource()

_PATH = "/v1/{account}/{container}/{object:path}"


@resource.on("GET", _PATH, may="shared", tx="none")
async def get(request: Request) -> Reply:
    place = wire.place(request)
    try:
        return await reading.give(request, place)
    except (NotFound, Forbidden) as error:
        page = await web_pages.of_object(request, place, error)
        if page is None:
            raise
        return page


@resource.on("HEAD", _PATH, may="shared", tx="none")
async def head(request: Request) -> Reply:
    return await get(request)


@resource.on("PUT", _PATH, may="shared", tx="none", stream=True)
async def put(request: Request) -> Reply:
    if request.asked("extract-archive") is not None:
        return await bulk.extract(request)
    if (version_id := versioned.asked(request)) is not None:
        return await versioned.make_current(request, version_id)
    if b"x-copy-from" in request.headers:
        return await copying.from_other(request)
    return await writing.put(request)


@resource.on("POST", _PATH, may="shared", tx="none", stream=True)
async def post(request: Request) -> Reply:
    if (request.header("content-type") or "").startswith("multipart/form-data"):
        return await form_posts.take(request, wire.place(request))
    if versioned.asked(request) is not None:
        raise Invalid("version.fixed", "What is said of a version does not change: make it the current one first.")
    return await writing.describe(request)


@resource.on("DELETE", _PATH, may="shared", tx="none")
async def delete(request: Request) -> Reply:
    if (version_id := versioned.asked(request)) is not None:
        return await versioned.delete(request, version_id)
    return await writing.delete(request)


@resource.on("COPY", _PATH, may="shared", tx="none")
async def copy(request: Request) -> Reply:
    if versioned.asked(request) is not None:
        raise Invalid("version.fixed", "A version is not copied: make it the current one first.")
    return await copying.to_other(request)


@resource.on("OPTIONS", _PATH, may="public")
async def options(request: Request) -> Reply:
    place = wire.place(request)
    return cors.preflight(request, await containers.find(request.tx, place.project_id, place.container))
