"""Words of the image API: an image as clients see it, and an image out of what clients say."""

from typing import Any

import msgspec

from trivet.api.kit.request import encode
from trivet.clock import iso
from trivet.domain.images.images import Image
from trivet.errors import Forbidden, Invalid
from trivet.parts import Parts

RESERVED_PREFIX = "os_glance"
READ_ONLY = frozenset(
    (
        "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file",
        "schema", "id", "os_hash_algo", "os_hash_value", "stores",
    )
)  # fmt: skip
RESERVED = frozenset(("location", "deleted", "deleted_at"))

_WORDS: dict[str, Any] = {
    "name": str | None,
    "visibility": str,
    "disk_format": str | None,
    "container_format": str | None,
    "min_disk": int,
    "min_ram": int,
    "protected": bool,
    "os_hidden": bool,
    "owner": str | None,
    "tags": list[str],
}
_VISIBILITIES = ("public", "private", "shared", "community")
_INT_MAX = 2**31 - 1


def show(parts: Parts, image: Image) -> msgspec.Raw:
    """An image as it is committed. Who has just written one shows `view`."""
    return parts.shown_images.shown(image, lambda image: encode(view(image)))


def view(image: Image) -> dict[str, object]:
    found: dict[str, object] = dict(image.properties)
    found |= {
        "id": image.id,
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "status": image.status,
        "checksum": image.checksum,
        "protected": image.protected,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": image.project_id,
        "os_hidden": image.os_hidden,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "created_at": iso(image.created_at),
        "updated_at": iso(image.updated_at),
        "tags": image.tags,
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    if image.blob_key is not None:
        found["stores"] = ",".join(image.kept)
    if image.importing_to is not None:
        found["os_glance_importing_to_stores"] = ",".join(image.importing_to)
        found["os_glance_failed_import"] = ",".join(image.failed_stores or ())
    if image.fault is not None:
        found["trivet_fault"] = image.fault
    return found


# -- from clients


def read_create(said: dict[str, Any], image: Image) -> Image:
    """`image` with all that the body of a create says."""
    for name in ("direct_url", "self", "file", "schema", "stores"):
        if name in said:
            raise Forbidden("image.read_only", f"Attribute '{name}' is read-only.")
    for name in READ_ONLY & said.keys() - {"id"}:
        raise Forbidden("image.read_only", f"Attribute '{name}' is read-only.")
    properties = {}
    changes: dict[str, object] = {}
    for name, value in said.items():
        if name == "id":
            changes["id"] = _id(value)
        elif name in _WORDS:
            changes["project_id" if name == "owner" else name] = read_word(name, value)
        else:
            check_property_name(name)
            if not (value is None and name in ("kernel_id", "ramdisk_id")):
                properties[name] = read_property(name, value)
    return msgspec.structs.replace(image, properties=properties, **changes)


def is_word(name: str) -> bool:
    return name in _WORDS


def read_word(name: str, value: object) -> object:
    """A field of the image's own, checked."""
    try:
        found = msgspec.convert(value, _WORDS[name])
    except msgspec.ValidationError as error:
        raise Invalid("image.invalid", f"Provided object does not match schema 'image': {name}: {error}") from error
    if isinstance(found, str) and len(found) > 255:
        raise Invalid("image.invalid", f"Provided object does not match schema 'image': {name} is too long.")
    if isinstance(found, int) and not isinstance(found, bool) and not 0 <= found <= _INT_MAX:
        raise Invalid("image.invalid", f"{name} must be between 0 and {_INT_MAX}.")
    if name == "visibility" and found not in _VISIBILITIES:
        raise Invalid("image.invalid", f"visibility must be one of {', '.join(_VISIBILITIES)}.")
    if isinstance(found, list):
        return read_tags(found)
    return found


def read_tags(tags: list[str]) -> tuple[str, ...]:
    for tag in tags:
        check_tag(tag)
    return tuple(sorted(set(tags)))


def check_tag(tag: str) -> None:
    if len(tag) > 255:
        raise Invalid("image.tag", "A tag has 255 characters at most.")


def check_property_name(name: str) -> None:
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        raise Forbidden("image.reserved", f"Attribute '{name[:255]}' is reserved.")
    if not name or len(name) > 255:
        raise Invalid("image.property", "Custom property should not be greater than 255 characters.")


def read_property(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(
            "image.property",
            f"Provided object does not match schema 'image': the value of property {name!r} must be a string.",
        )
    if len(value) > 65535:
        raise Invalid("image.property", f"The value of property {name!r} is too long.")
    return value


def _id(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid("image.id", "An image id is a UUID, written as a string.")
    return value.lower()
