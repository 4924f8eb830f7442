"""What all bodies of this API share: how they are read, how large they may be, what is said of one that is wrong."""

import re
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec

from trivet.api.kit.request import Request
from trivet.domain.key_manager.words import mismatch
from trivet.errors import Invalid

B = TypeVar("B")
BODY_MAX = 25_000
Text = Annotated[str, msgspec.Meta(max_length=255)]
Said = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_AT = re.compile(r" - at `([\w.\[\]-]+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")


class Loose(msgspec.Struct, frozen=True, kw_only=True):
    """An object of which we read what we know."""


def read(request: Request, kind: type[B], schema: str) -> B:
    """The body, once it is known that the caller may: in JSON."""
    said = (request.header("content-type") or "application/json").partition(";")[0].strip().lower()
    if said != "application/json":
        raise Invalid(
            "body.media_type", "Unexpected content type. Expected content types are: ['application/json']", status=415
        )
    try:
        return request.read(kind)
    except Invalid as error:
        if error.code == "body.malformed":
            raise Invalid(error.code, "Malformed JSON") from error
        raise _told(error, schema) from error


def _told(error: Invalid, schema: str) -> Invalid:
    reason = error.message.removeprefix("Invalid input: ").removesuffix(".")
    found = _MISSING.search(reason) or _UNKNOWN.search(reason) or _AT.search(reason)
    return mismatch(schema, _AT.sub("", reason), found[1] if found else "")


def id_in(ref: str, collection: str) -> str:
    """The last word of a reference; of one that is no URL all of it."""
    path = urlsplit(ref).path.rstrip("/") if "/" in ref else f"/{collection}/{ref}"
    before, _, id = path.rpartition("/")
    return id if before.endswith(collection) else ""


def secret_in(request: Request, ref: str) -> str:
    """The id in a reference that we have given, by whichever of our names the client knows us."""
    own = f"/key-manager/v1/secrets/{id_in(ref, 'secrets')}"
    known = (request.url.removesuffix("/key-manager"), request.parts.settings.url)
    if ref.rstrip("/") not in [host + own for host in known]:
        raise Invalid("body.ref", "Provided field value is not supported")
    return id_in(ref, "secrets")
