"""/v2/metadefs/namespaces and /resource_types: the catalog of metadata definitions."""

from typing import Annotated, Any, Literal

import msgspec

from trivet.api.image import metadef_words as words
from trivet.api.image.paging import SORTING, SPELLING, links
from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.images import metadefs
from trivet.domain.images.metadefs import NAMESPACES, Item, Namespace
from trivet.errors import Invalid
from trivet.store import lists as store_lists


async def visible(request: Request) -> Namespace:
    """The one of the path, for what it holds, too."""
    return await metadefs.visible(request.tx, request.caller, request.values["namespace_name"])


resource = Resource(names="namespace_name", seen=visible)

_SORT_KEYS = ("namespace", "created_at", "updated_at")
_SORTING = msgspec.structs.replace(SORTING, ties=(("namespace", "first"),))

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class NamespaceBody(msgspec.Struct, frozen=True, kw_only=True):
    namespace: Short
    display_name: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    visibility: Literal["private", "public"] = "private"
    protected: bool = False
    owner: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    resource_type_associations: list[words.Association] = []
    properties: dict[str, words.Property] = {}
    objects: list[words.Object] = []
    tags: list[words.Tag] = []


@resource.on("GET", "/v2/metadefs/namespaces", may="reader")
async def index(request: Request) -> Reply:
    seen = metadefs.seen_by(request.caller)
    where = seen.copy()
    visibility = request.asked("visibility")
    if visibility is not None:
        if visibility not in ("public", "private"):
            raise Invalid("query.visibility", f"Invalid visibility value: {visibility[:64]}")
        where.equal("visibility", visibility)
    types = request.asked("resource_types")
    if types:
        metadefs.about(where, types.split(","))
    sort = lists.sort_of(request, _SORTING, {name: name for name in _SORT_KEYS})
    asked = lists.asked(request, SPELLING, sort, named="namespace")
    found = await store_lists.page(request.tx, NAMESPACES, where, asked, seen=seen)
    types_of = await metadefs.items_of(request.tx, found, "resource_type")
    body: dict[str, object] = {
        "namespaces": [
            _view(namespace)
            | {"resource_type_associations": [words.association(type) for type in types_of[namespace.id]]}
            for namespace in found
        ],
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    return Reply(200, body | links(request, "/v2/metadefs/namespaces", [one.namespace for one in found]))


@resource.on("POST", "/v2/metadefs/namespaces", may="admin")
async def create(request: Request) -> Reply:
    body = request.read(NamespaceBody)
    now = request.parts.clock.now()
    namespace = await metadefs.create(
        request.tx,
        Namespace(
            id=request.parts.ids.uuid(),
            project_id=body.owner or request.caller.project_id,
            namespace=body.namespace,
            visibility=body.visibility,
            protected=body.protected,
            display_name=body.display_name,
            description=body.description,
            created_at=now,
            updated_at=now,
        ),
    )
    for kind, said in _items(body):
        await metadefs.add(request.tx, namespace, kind, said.pop("name"), said)
    location = f"{request.url}/v2/metadefs/namespaces/{namespace.namespace}"
    return Reply(201, await _whole(request, namespace), [(b"location", location.encode())])


def _items(body: NamespaceBody) -> list[tuple[metadefs.Kind, dict[str, Any]]]:
    found: list[tuple[metadefs.Kind, dict[str, Any]]] = []
    found += [("resource_type", words.said(type)) for type in body.resource_type_associations]
    found += [("property", words.said(property) | {"name": name}) for name, property in body.properties.items()]
    found += [("object", words.said(object)) for object in body.objects]
    found += [("tag", words.said(tag)) for tag in body.tags]
    return found


@resource.on("GET", "/v2/metadefs/namespaces/{namespace_name}", may="reader")
async def show(request: Request) -> Reply:
    namespace = await visible(request)
    return Reply(200, await _whole(request, namespace))


@resource.on("PUT", "/v2/metadefs/namespaces/{namespace_name}", may="admin")
async def update(request: Request) -> Reply:
    body = request.read(NamespaceBody)
    namespace = await visible(request)
    wanted = msgspec.structs.replace(
        namespace,
        namespace=body.namespace,
        display_name=body.display_name,
        description=body.description,
        visibility=body.visibility,
        protected=body.protected,
        project_id=body.owner or namespace.project_id,
    )
    return Reply(200, _view(await metadefs.update(request.tx, namespace, wanted)))


@resource.on("DELETE", "/v2/metadefs/namespaces/{namespace_name}", may="admin")
async def delete(request: Request) -> Reply:
    namespace = await visible(request)
    await metadefs.delete(request.tx, namespace)
    return Reply(204)


@resource.on("GET", "/v2/metadefs/resource_types", may="reader")
async def resource_types(request: Request) -> Reply:
    names = await metadefs.resource_types(request.tx)
    return Reply(200, {"resource_types": [{"name": name} for name in names]})


# -- views


def _view(namespace: Namespace) -> dict[str, object]:
    view: dict[str, object] = {
        "namespace": namespace.namespace,
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "owner": namespace.project_id,
        "created_at": iso(namespace.created_at),
        "updated_at": iso(namespace.updated_at),
        "self": f"/v2/metadefs/namespaces/{namespace.namespace}",
        "schema": "/v2/schemas/metadefs/namespace",
    }
    if namespace.display_name is not None:
        view["display_name"] = namespace.display_name
    if namespace.description is not None:
        view["description"] = namespace.description
    return view


async def _whole(request: Request, namespace: Namespace) -> dict[str, object]:
    view = _view(namespace)
    types = await metadefs.items(request.tx, namespace, "resource_type")
    prefix = _prefix(types, request.asked("resource_type"))
    properties = await metadefs.items(request.tx, namespace, "property")
    objects = await metadefs.items(request.tx, namespace, "object")
    tags = await metadefs.items(request.tx, namespace, "tag")
    if types:
        view["resource_type_associations"] = [words.association(type) for type in types]
    if properties:
        view["properties"] = {prefix + property.name: property.body for property in properties}
    if objects:
        view["objects"] = [words.object_(namespace, object, prefix) for object in objects]
    if tags:
        view["tags"] = [{"name": tag.name} for tag in tags]
    return view


def _prefix(types: list[Item], asked: str | None) -> str:
    for type in types:
        if type.name == asked:
            return str(type.body.get("prefix") or "")
    return ""
