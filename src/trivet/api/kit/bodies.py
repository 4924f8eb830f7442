"""Bodies: JSON in, a checked Struct out, and an error that names the field.

A body is a msgspec Struct with bounded types. A field that came with a later microversion says so in its
type, and sending it earlier is as wrong as sending a field that does not exist:

    class ServerCreate(Body):
        name: Name
        hostname: Annotated[str | UnsetType, Since("2.90")] = UNSET
"""

import typing
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit import versions
from trivet.errors import Invalid

B = TypeVar("B")
T = TypeVar("T")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=255)]
Uuid = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z"),
]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A JSON object in which every field is known."""


def or_none(said: T | UnsetType | None) -> T | None:
    """A field's value, for fields where being left out means the same as null."""
    return None if isinstance(said, UnsetType) else said


class Since:
    def __init__(self, version: str) -> None:
        self.version = versions.number(version)


class Until:
    """The last version that still takes the field."""

    def __init__(self, version: str) -> None:
        self.version = versions.number(version)


class _Reader:
    """A decoder for one type, with the versions of its fields found once."""

    def __init__(self, kind: Any, strict: bool) -> None:
        self.decode = msgspec.json.Decoder(kind, strict=strict).decode
        self.ranges = list(_ranges(kind, ()))

    def check(self, body: object, version: int) -> None:
        for path, since, until in self.ranges:
            if since <= version <= until:
                continue
            value: Any = body
            for name in path:
                value = getattr(value, name, UNSET)
            if value is not UNSET:
                raise Invalid(
                    "body.invalid",
                    f"Additional properties are not allowed ({path[-1]!r} was unexpected at this API version).",
                )


def _ranges(kind: Any, path: tuple[str, ...]) -> typing.Iterator[tuple[tuple[str, ...], int, int]]:
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        inner = hint
        if typing.get_origin(hint) is Annotated:
            since, until = 0, 1_000_000
            for mark in hint.__metadata__:
                since = mark.version if isinstance(mark, Since) else since
                until = mark.version if isinstance(mark, Until) else until
            if since or until < 1_000_000:
                yield (*path, name), since, until
            inner = hint.__origin__
        for choice in typing.get_args(inner) or (inner,):
            yield from _ranges(choice, (*path, name))


_readers: dict[tuple[Any, bool], _Reader] = {}


def read(kind: type[B], raw: bytes, version: int = 0, *, strict: bool = True) -> B:
    reader = _readers.get((kind, strict))
    if reader is None:
        reader = _readers[kind, strict] = _Reader(kind, strict)
    try:
        body = reader.decode(raw)
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input: {_in_json_words(error)}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("body.malformed", f"The request body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Invalid("body.malformed", "The request body is nested too deeply.") from error
    if reader.ranges:
        reader.check(body, version)
    return typing.cast(B, body)


def _in_json_words(error: msgspec.ValidationError) -> str:
    """`$.server.name` is how msgspec points at a field; people say server.name."""
    return str(error).replace("`$.", "`").replace("`$`", "the body")
