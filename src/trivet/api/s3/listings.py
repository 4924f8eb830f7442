"""Lists of a bucket's objects, of both versions."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.s3 import documents
from trivet.domain.numbers import whole_number
from trivet.domain.objects.containers import Container
from trivet.domain.objects.listing import Page
from trivet.domain.objects.objects import Listed, Object
from trivet.errors import Invalid

MOST = 1000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    prefix: str
    delimiter: str
    after: str
    most: int
    encoded: bool
    second: bool
    """Of the second version."""
    token: str | None
    owner: bool

    def page(self) -> Page:
        """One more than is shown tells whether there are others."""
        return Page(limit=self.most + 1, marker=self.after, prefix=self.prefix, delimiter=self.delimiter)

    def name(self, said: str) -> str:
        return quote(said, safe="/") if self.encoded else said


def most_of(request: Request, name: str) -> int:
    said = request.asked(name)
    most = whole_number(said) if said else MOST
    if most is None:
        raise Invalid("query.argument", f"Argument {name} must be an integer between 0 and 2147483647")
    return min(most, MOST)


def encoded(request: Request) -> bool:
    said = request.asked("encoding-type")
    if said not in (None, "", "url"):
        raise Invalid("query.argument", "Invalid Encoding Method specified in Request")
    return said == "url"


def asked(request: Request) -> Asked:
    second = request.asked("list-type") == "2"
    token = request.asked("continuation-token") if second else None
    after = request.asked("start-after" if second else "marker") or ""
    if token is not None:
        after = _opened(token)
    words = [request.asked("prefix") or "", request.asked("delimiter") or "", after]
    if any("\0" in word or "\ufffd" in word for word in words):
        raise Invalid("query.argument", "Arguments must be UTF-8, without NULL.")
    return Asked(
        prefix=words[0], delimiter=words[1], after=after, most=most_of(request, "max-keys"),
        encoded=encoded(request), second=second, token=token,
        owner=not second or request.asked("fetch-owner") == "true",
    )  # fmt: skip


def _opened(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise Invalid("query.argument", "The continuation token provided is incorrect") from error


def of_objects(request: Request, home: Container, wanted: Asked, found: Sequence[Listed | str]) -> Reply:
    shown, more = found[: wanted.most], len(found) > wanted.most and wanted.most > 0
    last = ""
    if more and shown:
        last = shown[-1] if isinstance(shown[-1], str) else shown[-1].name
    said: list[tuple[str, documents.Content]] = [
        ("Name", home.name),
        ("Prefix", wanted.name(wanted.prefix)),
        ("Delimiter", wanted.name(wanted.delimiter) or None),
        ("MaxKeys", wanted.most),
        ("EncodingType", "url" if wanted.encoded else None),
        ("IsTruncated", more),
    ]
    if wanted.second:
        said += [
            ("KeyCount", len(shown)),
            ("ContinuationToken", wanted.token),
            ("NextContinuationToken", urlsafe_b64encode(last.encode()).decode() or None),
            ("StartAfter", wanted.name(request.asked("start-after") or "") or None),
        ]
    else:
        said += [("Marker", wanted.name(wanted.after)), ("NextMarker", wanted.name(last) or None)]
    for one in shown:
        if isinstance(one, str):
            said.append(("CommonPrefixes", [("Prefix", wanted.name(one))]))
        else:
            said.append(("Contents", [("Key", wanted.name(one.name)), *facts(one), *_owner(wanted, home)]))
    return documents.reply("ListBucketResult", said)


def facts(one: Listed | Object) -> list[tuple[str, documents.Content]]:
    return [
        ("LastModified", documents.moment(one.modified_at)),
        ("ETag", f'"{one.etag}"'),
        ("Size", one.size),
        ("StorageClass", "STANDARD"),
    ]


def _owner(wanted: Asked, home: Container) -> list[tuple[str, documents.Content]]:
    return [("Owner", owner(home.project_id))] if wanted.owner else []


def owner(project_id: str) -> list[tuple[str, documents.Content]]:
    return [("ID", project_id), ("DisplayName", project_id)]
