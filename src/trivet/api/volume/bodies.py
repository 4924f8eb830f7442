"""What all bodies of this API share. Numbers and truths may come as strings."""

from typing import Annotated, Any

import msgspec

from trivet.api.kit.request import Request
from trivet.errors import Invalid

Text = Annotated[str, msgspec.Meta(max_length=255)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}\Z")]
Metadata = Annotated[dict[Key, Text], msgspec.Meta(max_length=128)]
Size = Annotated[int, msgspec.Meta(ge=1, le=2147483647)]
_TRUE, _FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


class Loose(msgspec.Struct, frozen=True, kw_only=True):
    """An object of which we read what we know; old clients send more than there is."""


def flag(said: Any, name: str) -> bool:
    low = str(said).strip().lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise Invalid(
        "body.invalid", f"Invalid input for field/attribute {name}. Value: {str(said)[:32]!r} is not a boolean."
    )


def name_of(said: str | None) -> str | None:
    """Spaces around a name are no part of it."""
    return said.strip() if said is not None else None


def one_spec(request: Request) -> dict[str, str]:
    """A body that is one spec of a type and nothing else, named as in the path."""
    said, key = request.read_object(), request.values["key"]
    if set(said) != {key} or not isinstance(said[key], str) or len(said[key]) > 255:
        raise Invalid("metadata.key", "Request body and URI mismatch: the one item must be named as in the path.")
    return {key: said[key]}
