"""/v2/metadefs/namespaces/{name}/objects, /properties, /tags and /resource_types: what a namespace holds."""

from typing import Any

from trivet.api.image import metadef_words as words
from trivet.api.image.metadefs import visible
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images import metadefs
from trivet.domain.images.metadefs import Kind, Namespace

resource = Resource(names="namespace_name", seen=visible)

_NAMESPACE = "/v2/metadefs/namespaces/{namespace_name}"


async def _remove(request: Request, kind: Kind, name: str | None) -> Reply:
    namespace = await visible(request)
    if name is None:
        await metadefs.remove_all(request.tx, namespace, kind)
    else:
        await metadefs.remove(request.tx, namespace, kind, name)
    return Reply(204)


def _split(word: words.Word) -> tuple[str, dict[str, Any]]:
    said = words.said(word)
    return said.pop("name"), said


# -- objects


@resource.on("GET", f"{_NAMESPACE}/objects", may="reader")
async def objects(request: Request) -> Reply:
    namespace = await visible(request)
    found = [words.object_(namespace, item) for item in await metadefs.items(request.tx, namespace, "object")]
    first = f"/v2/metadefs/namespaces/{namespace.namespace}/objects"
    return Reply(200, {"objects": found, "first": first, "schema": "/v2/schemas/metadefs/objects"})


@resource.on("POST", f"{_NAMESPACE}/objects", may="admin")
async def create_object(request: Request) -> Reply:
    name, said = _split(request.read(words.Object))
    namespace = await visible(request)
    return Reply(201, words.object_(namespace, await metadefs.add(request.tx, namespace, "object", name, said)))


@resource.on("DELETE", f"{_NAMESPACE}/objects", may="admin")
async def delete_objects(request: Request) -> Reply:
    return await _remove(request, "object", None)


@resource.on("GET", f"{_NAMESPACE}/objects/{{object_name}}", may="reader")
async def show_object(request: Request) -> Reply:
    namespace = await visible(request)
    item = await metadefs.item(request.tx, namespace, "object", request.values["object_name"])
    return Reply(200, words.object_(namespace, item))


@resource.on("PUT", f"{_NAMESPACE}/objects/{{object_name}}", may="admin")
async def update_object(request: Request) -> Reply:
    name, said = _split(request.read(words.Object))
    namespace = await visible(request)
    old = await metadefs.item(request.tx, namespace, "object", request.values["object_name"])
    return Reply(200, words.object_(namespace, await metadefs.change(request.tx, namespace, old, name, said)))


@resource.on("DELETE", f"{_NAMESPACE}/objects/{{object_name}}", may="admin")
async def delete_object(request: Request) -> Reply:
    return await _remove(request, "object", request.values["object_name"])


# -- properties


@resource.on("GET", f"{_NAMESPACE}/properties", may="reader")
async def properties(request: Request) -> Reply:
    found = await metadefs.items(request.tx, await visible(request), "property")
    return Reply(200, {"properties": {item.name: words.property_(item) for item in found}})


@resource.on("POST", f"{_NAMESPACE}/properties", may="admin")
async def create_property(request: Request) -> Reply:
    name, said = _split(request.read(words.NamedProperty))
    namespace = await visible(request)
    return Reply(201, words.property_(await metadefs.add(request.tx, namespace, "property", name, said)))


@resource.on("DELETE", f"{_NAMESPACE}/properties", may="admin")
async def delete_properties(request: Request) -> Reply:
    return await _remove(request, "property", None)


@resource.on("GET", f"{_NAMESPACE}/properties/{{property_name}}", may="reader")
async def show_property(request: Request) -> Reply:
    namespace = await visible(request)
    return Reply(200, words.property_(await _property(request, namespace)))


async def _property(request: Request, namespace: Namespace) -> metadefs.Item:
    """A property, which a client may name with the prefix of a resource type if it names the type, too."""
    name, asked = request.values["property_name"], request.asked("resource_type")
    if asked is not None:
        association = await metadefs.item(request.tx, namespace, "resource_type", asked)
        name = name.removeprefix(str(association.body.get("prefix") or ""))
    return await metadefs.item(request.tx, namespace, "property", name)


@resource.on("PUT", f"{_NAMESPACE}/properties/{{property_name}}", may="admin")
async def update_property(request: Request) -> Reply:
    name, said = _split(request.read(words.NamedProperty))
    namespace = await visible(request)
    old = await metadefs.item(request.tx, namespace, "property", request.values["property_name"])
    return Reply(200, words.property_(await metadefs.change(request.tx, namespace, old, name, said)))


@resource.on("DELETE", f"{_NAMESPACE}/properties/{{property_name}}", may="admin")
async def delete_property(request: Request) -> Reply:
    return await _remove(request, "property", request.values["property_name"])


# -- tags


@resource.on("GET", f"{_NAMESPACE}/tags", may="reader")
async def tags(request: Request) -> Reply:
    namespace = await visible(request)
    found = [words.tag(item) for item in await metadefs.items(request.tx, namespace, "tag")]
    first = f"/v2/metadefs/namespaces/{namespace.namespace}/tags"
    return Reply(200, {"tags": found, "first": first, "schema": "/v2/schemas/metadefs/tags"})


@resource.on("POST", f"{_NAMESPACE}/tags", may="admin")
async def create_tags(request: Request) -> Reply:
    """All tags at once, in place of those that were there; with the header X-Openstack-Append, besides them."""
    body = request.read(words.Tags)
    words.check_distinct(body.tags)
    namespace = await visible(request)
    if (request.header("x-openstack-append") or "").lower() != "true":
        await metadefs.remove_all(request.tx, namespace, "tag")
    for tag in body.tags:
        await metadefs.add(request.tx, namespace, "tag", tag.name, {})
    return Reply(201, {"tags": [{"name": tag.name} for tag in body.tags]})


@resource.on("DELETE", f"{_NAMESPACE}/tags", may="admin")
async def delete_tags(request: Request) -> Reply:
    return await _remove(request, "tag", None)


@resource.on("GET", f"{_NAMESPACE}/tags/{{tag_name}}", may="reader")
async def show_tag(request: Request) -> Reply:
    namespace = await visible(request)
    return Reply(200, words.tag(await metadefs.item(request.tx, namespace, "tag", request.values["tag_name"])))


@resource.on("POST", f"{_NAMESPACE}/tags/{{tag_name}}", may="admin")
async def create_tag(request: Request) -> Reply:
    namespace = await visible(request)
    item = await metadefs.add(request.tx, namespace, "tag", request.values["tag_name"], {})
    return Reply(201, words.tag(item))


@resource.on("PUT", f"{_NAMESPACE}/tags/{{tag_name}}", may="admin")
async def update_tag(request: Request) -> Reply:
    body = request.read(words.Tag)
    namespace = await visible(request)
    old = await metadefs.item(request.tx, namespace, "tag", request.values["tag_name"])
    return Reply(200, words.tag(await metadefs.change(request.tx, namespace, old, body.name, {})))


@resource.on("DELETE", f"{_NAMESPACE}/tags/{{tag_name}}", may="admin")
async def delete_tag(request: Request) -> Reply:
    return await _remove(request, "tag", request.values["tag_name"])


# -- resource types


@resource.on("GET", f"{_NAMESPACE}/resource_types", may="reader")
async def resource_types(request: Request) -> Reply:
    found = await metadefs.items(request.tx, await visible(request), "resource_type")
    return Reply(200, {"resource_type_associations": [words.association(item) for item in found]})


@resource.on("POST", f"{_NAMESPACE}/resource_types", may="admin")
async def associate(request: Request) -> Reply:
    name, said = _split(request.read(words.Association))
    namespace = await visible(request)
    return Reply(201, words.association(await metadefs.add(request.tx, namespace, "resource_type", name, said)))


@resource.on("DELETE", f"{_NAMESPACE}/resource_types/{{resource_type}}", may="admin")
async def dissociate(request: Request) -> Reply:
    return await _remove(request, "resource_type", request.values["resource_type"])
