"""Wire: paths, headers and times as Swift writes them."""

import math
from collections.abc import Iterable, Mapping
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote, unquote

from trivet.api.kit.request import Reply, Request
from trivet.domain.objects.names import ACCOUNT_PREFIX, OBJECT_NAME_MAX
from trivet.domain.objects.objects import Place
from trivet.errors import Invalid

Headers = list[tuple[bytes, bytes]]
HTML = "text/html; charset=UTF-8"
PLAIN = "text/plain; charset=utf-8"


def place(request: Request) -> Place:
    """The kit's own names of a path's parts have lost the slashes at an object's ends."""
    _, _, below = request.path.partition("/v1/")
    account, _, rest = below.partition("/")
    container, _, name = rest.partition("/")
    return named(account, container, name)


def named(account: str, container: str = "", name: str = "") -> Place:
    check_text(account + container + name)
    if not account.startswith(ACCOUNT_PREFIX):
        # Nobody's account: who asks is refused as at anybody else's.
        return Place("", container, name)
    return Place(account.removeprefix(ACCOUNT_PREFIX), container, name)


def check_text(text: str) -> None:
    if "\0" in text or "\ufffd" in text:
        raise Invalid("path.utf8", "Invalid UTF8 or contains NULL", status=412)


def object_path(said: str, what: str) -> tuple[str, str]:
    """container/object, as some headers say it."""
    container, _, name = said.lstrip("/").partition("/")
    check_text(said)
    if not container or not name or len(name.encode()) > OBJECT_NAME_MAX:
        raise Invalid("path.object", f"{what} must be of the form <container name>/<object name>", status=412)
    return container, name


# -- times


def http_date(at: float) -> bytes:
    """Never before it happened: who asks for what is newer must not be told that there is nothing."""
    return _date(math.ceil(at))


@lru_cache(maxsize=4096)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def parsed_date(text: str | None) -> float | None:
    """None, if it is none; such a condition is as if it were not there."""
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def stamp(at: float) -> bytes:
    return f"{at:016.5f}".encode()


# -- headers


def said(request: Request, *prefixes: str) -> dict[str, str]:
    """The headers that begin so, and the names of those that are to be taken away, with nothing."""
    found = {}
    for raw, value in request.headers.items():
        name = raw.decode("latin-1")
        text = value
        if name.startswith("x-remove-"):
            name, text = f"x-{name.removeprefix('x-remove-')}", b""
        if name.startswith(prefixes):
            try:
                found[name] = text.decode()
            except UnicodeDecodeError as error:
                raise Invalid("header.utf8", "Metadata must be valid UTF-8") from error
            if "\0" in found[name]:
                raise Invalid("header.utf8", "Metadata must be valid UTF-8")
    return found


def encoded(metadata: Mapping[str, str]) -> Headers:
    return [(name.encode(errors="replace"), value.encode(errors="replace")) for name, value in metadata.items()]


def done(status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    return Reply(status, b"", list(headers), content_type=HTML)


def url_quoted(text: str) -> str:
    return quote(text, safe="/~")


def path_container(said: str) -> str:
    """A container's name as some headers say it, percent signs and all."""
    return unquote(said).strip("/")


def manifest_path(said: str) -> str:
    container, _, prefix = unquote(said).lstrip("/").partition("/")
    if not container or not prefix or "?" in said or "&" in said:
        raise Invalid("manifest.path", "X-Object-Manifest must be in the format container/prefix")
    return said


TITLES = {status.value: status.phrase for status in HTTPStatus} | {
    499: "Client Disconnect",
    507: "Insufficient Storage",
}
