"""/v2/schemas: what each thing of the image API looks like, as JSON schemas.

Some clients build their forms from them.
"""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.images.images import CONTAINER_FORMATS, DISK_FORMATS
from trivet.errors import NotFound

resource = Resource()

Schema = dict[str, Any]

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"


@resource.on("GET", "/v2/schemas/{name:path}", may="reader", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, _named(request.values["name"]))


def _named(name: str) -> Schema:
    schema = SCHEMAS.get(name)
    if schema is None:
        raise NotFound("schema.absent", f"There is no schema {name[:100]}.")
    return schema


def _text(words: str, longest: int = 255, **more: object) -> Schema:
    return {"type": "string", "maxLength": longest, "description": words, **more}


def _maybe(schema: Schema) -> Schema:
    return schema | {"type": ["null", schema["type"]]}


def _number(words: str, **more: object) -> Schema:
    return {"type": "integer", "minimum": 0, "description": words, **more}


def _flag(words: str) -> Schema:
    return {"type": "boolean", "description": words}


def _time(words: str) -> Schema:
    return {"type": "string", "readOnly": True, "description": words}


def _one_of(words: str, values: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(values), "description": words}


def _link(words: str) -> Schema:
    return {"type": "string", "readOnly": True, "description": words}


_TAGS = {"type": "array", "items": {"type": "string", "maxLength": 255}, "description": "Words to find it by"}
_LINKS = [
    {"rel": "self", "href": "{self}"},
    {"rel": "enclosure", "href": "{file}"},
    {"rel": "describedby", "href": "{schema}"},
]


def _read_only(schema: Schema) -> Schema:
    return schema | {"readOnly": True}


_IMAGE: Schema = {
    "name": "image",
    "properties": {
        "id": {"type": "string", "pattern": _UUID, "description": "An identifier for the image"},
        "name": _maybe(_text("What its owner calls it")),
        "status": _read_only(
            _one_of("How far it is", ("queued", "saving", "uploading", "importing", "active", "deactivated"))
        ),
        "visibility": _one_of("Who may see it", ("community", "public", "private", "shared")),
        "protected": _flag("It cannot be deleted"),
        "os_hidden": _flag("Lists leave it out unless asked"),
        "checksum": _read_only(_maybe(_text("MD5 of the data", 32))),
        "os_hash_algo": _read_only(_maybe(_text("How os_hash_value was made", 64))),
        "os_hash_value": _read_only(_maybe(_text("Hash of the data", 128))),
        "owner": _maybe(_text("The project that it belongs to")),
        "size": _read_only(_maybe(_number("Size of the data in bytes"))),
        "virtual_size": _read_only(_maybe(_number("Size of the disk that the data is an image of, in bytes"))),
        "container_format": {
            "type": ["null", "string"],
            "enum": [None, *CONTAINER_FORMATS],
            "description": "What the data is wrapped in",
        },
        "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS], "description": "What the data is"},
        "created_at": _time("When it was registered"),
        "updated_at": _time("When it last changed"),
        "tags": _TAGS,
        "min_ram": _number("Memory (MiB) that a server needs to boot it"),
        "min_disk": _number("Disk (GiB) that a server needs to boot it"),
        "self": _link("Where it is"),
        "file": _link("Where its data is"),
        "schema": _link("Where this is described"),
        "stores": _link("Where copies of its data are kept"),
    },
    "additionalProperties": {"type": "string"},
    "links": _LINKS,
}
_MEMBER: Schema = {
    "name": "member",
    "properties": {
        "image_id": {"type": "string", "pattern": _UUID, "description": "The image that is shared"},
        "member_id": _text("The project that it is shared with"),
        "status": _one_of("What the project said to that", ("pending", "accepted", "rejected")),
        "created_at": _time("When it was shared"),
        "updated_at": _time("When this last changed"),
        "schema": _link("Where this is described"),
    },
}
_TASK: Schema = {
    "name": "task",
    "properties": {
        "id": {"type": "string", "pattern": _UUID, "description": "An identifier for the task"},
        "type": _text("What is being done"),
        "status": _one_of("How far it is", ("pending", "processing", "success", "failure")),
        "input": {"type": ["null", "object"], "description": "What was asked for"},
        "result": {"type": ["null", "object"], "description": "What came of it"},
        "message": _text("Why it failed"),
        "owner": _text("The project that asked for it"),
        "expires_at": _maybe(_text("When it is forgotten")),
        "created_at": _time("When it was asked for"),
        "updated_at": _time("When it last changed"),
        "self": _link("Where it is"),
        "schema": _link("Where this is described"),
    },
}

# -- metadata definitions

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_STRINGS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_PROPERTY_FIELDS: Schema = {
    "name": _text("What it is called"),
    "title": _text("What people read"),
    "description": _text("What it means", 500),
    "operators": {"type": "array", "items": {"type": "string"}},
    "type": _one_of("Of its value", _TYPES),
    "required": _STRINGS,
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": _number("Of a string"),
    "minLength": _number("Of a string", default=0),
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": _flag("It is only shown"),
    "default": {},
    "items": {
        "type": "object",
        "properties": {"type": _one_of("Of each item", _TYPES), "enum": {"type": "array"}},
    },
    "maxItems": _number("Of an array"),
    "minItems": _number("Of an array", default=0),
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": {"type": "boolean"},
}
_DEFINITIONS: Schema = {
    "property": {
        "type": "object",
        "additionalProperties": {"type": "object", "required": ["title", "type"], "properties": _PROPERTY_FIELDS},
    },
    "stringArray": _STRINGS,
}
_TIMES: Schema = {"created_at": _time("When it was made"), "updated_at": _time("When it last changed")}
_PLACE: Schema = {"self": _link("Where it is"), "schema": _link("Where this is described")}
_OBJECT: Schema = {
    "name": "object",
    "required": ["name"],
    "additionalProperties": False,
    "definitions": _DEFINITIONS,
    "properties": {
        "name": _text("What it is called", 80),
        "description": _text("What it is for", 500),
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
        **_TIMES,
        **_PLACE,
    },
}
_PROPERTY: Schema = {
    "name": "property",
    "required": ["type", "title", "name"],
    "additionalProperties": False,
    "definitions": _DEFINITIONS,
    "properties": _PROPERTY_FIELDS,
}
_TAG: Schema = {
    "name": "tag",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": _text("What it is called", 80), **_TIMES},
}
_ASSOCIATION: Schema = {
    "name": "resource_type_association",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": _text("The resource type, as Heat calls it", 80),
        "prefix": _text("What properties of the namespace begin with on resources of this type", 80),
        "properties_target": _text("Which part of such a resource carries them", 80),
        **_TIMES,
    },
}
_NAMESPACE: Schema = {
    "name": "namespace",
    "required": ["namespace"],
    "additionalProperties": False,
    "definitions": _DEFINITIONS,
    "properties": {
        "namespace": _text("What it is called", 80),
        "display_name": _text("What people read", 80),
        "description": _text("What it is for", 500),
        "visibility": _one_of("Who may see it", ("public", "private")),
        "protected": _flag("Nothing in it can be deleted"),
        "owner": _text("The project that it belongs to"),
        "properties": {"$ref": "#/definitions/property"},
        "objects": {"type": "array", "items": {"type": "object", "properties": _OBJECT["properties"]}},
        "resource_type_associations": {
            "type": "array",
            "items": {"type": "object", "properties": _ASSOCIATION["properties"]},
        },
        "tags": {"type": "array", "items": {"type": "object", "properties": _TAG["properties"]}},
        **_TIMES,
        **_PLACE,
    },
}


def _list_of(schema: Schema, plural: str, *, pages: bool = True) -> Schema:
    properties: Schema = {plural: {"type": "array", "items": schema}}
    found: Schema = {"name": plural, "properties": properties}
    if pages:
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}, "schema": {"type": "string"}}
        found["links"] = [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ]
    return found


SCHEMAS: dict[str, Schema] = {
    "image": _IMAGE,
    "images": _list_of(_IMAGE, "images"),
    "member": _MEMBER,
    "members": _list_of(_MEMBER, "members", pages=False),
    "task": _TASK,
    "tasks": _list_of(_TASK, "tasks"),
    "metadefs/namespace": _NAMESPACE,
    "metadefs/namespaces": _list_of(_NAMESPACE, "namespaces"),
    "metadefs/object": _OBJECT,
    "metadefs/objects": _list_of(_OBJECT, "objects"),
    "metadefs/property": _PROPERTY,
    "metadefs/properties": {
        "name": "properties",
        "properties": {"properties": {"type": "object", "additionalProperties": _PROPERTY}},
    },
    "metadefs/tag": _TAG,
    "metadefs/tags": _list_of(_TAG, "tags"),
    "metadefs/resource_type": _ASSOCIATION,
    "metadefs/resource_types": _list_of(_ASSOCIATION, "resource_type_associations", pages=False),
}
