"""Words of metadata definitions: what an object, a property, a tag and a resource type are to clients."""

from typing import Annotated, Any, Literal

import msgspec

from trivet.clock import iso
from trivet.domain.images.metadefs import Item, Namespace
from trivet.errors import Invalid

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Type = Literal["array", "boolean", "integer", "number", "object", "string"]


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that we do not know are dropped, as links that clients send back."""


class Property(Word, frozen=True, kw_only=True, rename={"additional_items": "additionalItems"}):
    title: str
    type: Type
    name: Name | None = None
    description: str | None = None
    operators: list[str] | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    pattern: str | None = None
    required: list[str] | None = None
    enum: list[Any] | None = None
    default: Any = None
    readonly: bool | None = None
    items: dict[str, Any] | None = None
    additional_items: bool | None = None
    minLength: Count | None = None  # noqa: N815 - as it is spelled on the wire
    maxLength: Count | None = None  # noqa: N815 - as it is spelled on the wire
    minItems: Count | None = None  # noqa: N815 - as it is spelled on the wire
    maxItems: Count | None = None  # noqa: N815 - as it is spelled on the wire
    uniqueItems: bool | None = None  # noqa: N815 - as it is spelled on the wire


class NamedProperty(Property, frozen=True, kw_only=True):
    name: Name


class Object(Word, frozen=True, kw_only=True):
    name: Name
    description: str | None = None
    properties: dict[str, Property] = {}
    required: list[str] = []


class Tag(Word, frozen=True, kw_only=True):
    name: Name


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    tags: list[Tag]


class Association(Word, frozen=True, kw_only=True):
    name: Name
    prefix: Name | None = None
    properties_target: Name | None = None


def said(word: Word) -> dict[str, Any]:
    found = msgspec.to_builtins(word)
    assert isinstance(found, dict)
    return found


def check_distinct(tags: list[Tag]) -> None:
    names = [tag.name for tag in tags]
    if len(set(names)) != len(names):
        raise Invalid("metadef.tags", "Every tag is named once.")


# -- views


def object_(namespace: Namespace, item: Item, prefix: str = "") -> dict[str, object]:
    properties = {prefix + name: property for name, property in item.body.get("properties", {}).items()}
    return {
        **item.body,
        "name": item.name,
        "properties": properties,
        "required": item.body.get("required", []),
        **_times(item),
        "self": f"/v2/metadefs/namespaces/{namespace.namespace}/objects/{item.name}",
        "schema": "/v2/schemas/metadefs/object",
    }


def property_(item: Item) -> dict[str, object]:
    return {**item.body, "name": item.name}


def tag(item: Item) -> dict[str, object]:
    return {"name": item.name, **_times(item)}


def association(item: Item) -> dict[str, object]:
    return {"name": item.name, **item.body, **_times(item)}


def _times(item: Item) -> dict[str, object]:
    return {"created_at": iso(item.created_at), "updated_at": iso(item.updated_at)}
