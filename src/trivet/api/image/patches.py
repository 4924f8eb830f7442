"""JSON patches of images, in both drafts that image clients speak.

Draft 10 is today's ({"op": "add", "path": "/name", "value": ...}), draft 4 its ancestor
({"add": "/name", "value": ...}); they differ in one rule: draft 4 may not add what is there already.
"""

from typing import Any, Literal

import msgspec

from trivet.api.image import wire
from trivet.domain.images.images import Image
from trivet.errors import Conflict, Forbidden, Invalid

Op = Literal["add", "remove", "replace"]
_OPS = ("add", "remove", "replace")
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


class PatchStep(msgspec.Struct, frozen=True):
    op: Op
    name: str
    value: Any
    draft: int

    def applied_to(self, image: Image) -> Image:
        if wire.is_word(self.name):
            return self._to_word(image)
        return self._to_property(image)

    def _to_word(self, image: Image) -> Image:
        if self.op == "remove":
            raise Forbidden("image.not_removable", f"Property {self.name} may not be removed.")
        if self.op == "add" and self.draft == 4:
            raise Conflict("image.property_exists", f"Property {self.name} already present.")
        field = "project_id" if self.name == "owner" else self.name
        changes: dict[str, Any] = {field: wire.read_word(self.name, self.value)}
        return msgspec.structs.replace(image, **changes)

    def _to_property(self, image: Image) -> Image:
        there = self.name in image.properties
        if self.op != "add" and not there:
            raise Conflict("image.property_absent", f"Property {self.name} does not exist.")
        if self.op == "add" and there and self.draft == 4:
            raise Conflict("image.property_exists", f"Property {self.name} already present.")
        properties = {name: value for name, value in image.properties.items() if name != self.name}
        if self.op != "remove":
            properties[self.name] = wire.read_property(self.name, self.value)
        return msgspec.structs.replace(image, properties=properties)


_STEPS_MAX = 500
"""An image has fewer fields and properties than that. Each step is a copy of all of them."""


def read_patch(body: bytes, draft: int) -> list[PatchStep]:
    try:
        operations = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("patch.invalid", "Request body must be a JSON array of operation objects.") from error
    if len(operations) > _STEPS_MAX:
        raise Invalid("patch.long", f"A patch has at most {_STEPS_MAX} operations, not {len(operations)}.")
    return [_change(operation, draft) for operation in operations]


def _change(operation: dict[str, Any], draft: int) -> PatchStep:
    op, path = _draft_10(operation) if draft == 10 else _draft_4(operation)
    name = _name(path)
    if name in wire.READ_ONLY:
        raise Forbidden("image.read_only", f"Attribute '{name}' is read-only.")
    if name == "locations":
        raise Forbidden(
            "image.locations", "It's not allowed to add, replace or remove locations: upload or import data."
        )
    if not wire.is_word(name):
        wire.check_property_name(name)
    if op != "remove" and "value" not in operation:
        raise Invalid("patch.invalid", f'Operation "{op}" requires a member named "value".')
    return PatchStep(op, name, operation.get("value"), draft)


def _draft_10(operation: dict[str, Any]) -> tuple[Op, object]:
    op = operation.get("op")
    if op not in _OPS:
        raise Invalid("patch.invalid", f"Invalid operation: it must be one of the following: {', '.join(_OPS)}.")
    if "path" not in operation:
        raise Invalid("patch.invalid", "Unable to find 'path' in JSON Schema change")
    return op, operation["path"]


def _draft_4(operation: dict[str, Any]) -> tuple[Op, object]:
    ops: list[Op] = [op for op in ("add", "remove", "replace") if op in operation]
    if len(ops) != 1:
        raise Invalid(
            "patch.invalid", 'Operation objects must contain exactly one member named "add", "remove", or "replace".'
        )
    return ops[0], operation[ops[0]]


def _name(path: object) -> str:
    """The name in a pointer like /name; ~1 stands for a slash and ~0 for a tilde."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise Invalid("patch.invalid", f'Pointer `{str(path)[:100]}` does not start with "/".')
    parts = path[1:].split("/")
    if parts[0] == "locations":
        return "locations"
    escaped = path.replace("~0", "").replace("~1", "")
    if len(parts) != 1 or not parts[0].strip() or "~" in escaped:
        raise Invalid("patch.invalid", f"Invalid JSON pointer for this resource: '{path[:100]}'")
    return parts[0].replace("~1", "/").replace("~0", "~").strip()
