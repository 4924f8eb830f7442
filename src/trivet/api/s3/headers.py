"""Headers: what S3's clients say of an object, and are told of it, in words under which it is kept for both APIs."""

from email.header import decode_header

from trivet.api.kit.request import Request
from trivet.api.object import wire
from trivet.domain.objects import names
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import META, Content, Object
from trivet.domain.objects.versions import NULL, SUSPENDED
from trivet.errors import Invalid

Headers = list[tuple[bytes, bytes]]
_META = "x-amz-meta-"
_KEPT = ("content-disposition", "content-encoding", "cache-control", "content-language", "expires")
_MAIL_BYTES_MAX = 2048
"""The longest value that is kept, in mail's words; their reader takes the square of what it is given."""
_MAIL_CHARSETS = frozenset(("utf-8", "us-ascii", "iso-8859-1"))
"""Others' readers take the square, too."""
_NOT_OFFERED = ("x-amz-server-side-encryption", "x-amz-tagging", "x-amz-object-lock", "x-amz-website-redirect")
_CHUNKED = "aws-chunked"


def wanted(request: Request) -> Content:
    """As it is to be, but for the bytes."""
    for raw in request.headers:
        if raw.decode("latin-1").startswith(_NOT_OFFERED):
            raise Invalid("s3.not_offered", f"{raw.decode('latin-1')} implies functionality that is not implemented.")
    metadata = {}
    for name, value in wire.said(request, _META, *_KEPT).items():
        if name.startswith(_META):
            metadata[META + name.removeprefix(_META)] = _decoded(value)
        elif name == "content-encoding":
            rest = ",".join(one.strip() for one in value.split(",") if one.strip().lower() not in ("", _CHUNKED))
            metadata |= {name: rest} if rest else {}
        else:
            metadata[name] = value
    names.check_metadata(META, metadata)
    content_type = request.said("content-type") or "binary/octet-stream"
    if len(content_type) > names.HEADER_MAX or not content_type.isprintable():
        raise Invalid("header.utf8", "Content-Type must be printable.")
    return Content(size=0, etag="", content_type=content_type, metadata=metadata)


def _decoded(value: str) -> str:
    """Clients of mail's kind say what is not ASCII as mail does."""
    if not value.startswith("=?") or len(value) > _MAIL_BYTES_MAX:
        return value
    try:
        words = decode_header(value)
        if any(charset is not None and charset.lower() not in _MAIL_CHARSETS for _, charset in words):
            return value
        return "".join(part.decode(charset or "ascii") if isinstance(part, bytes) else part for part, charset in words)
    except ValueError:
        return value


def of_object(request: Request, home: Container, found: Object) -> Headers:
    said: Headers = [
        (b"accept-ranges", b"bytes"),
        (b"last-modified", wire.http_date(int(found.modified_at))),
        (b"etag", f'"{found.etag}"'.encode()),
        *version_id(home, found),
    ]
    shown = {}
    for name, value in found.metadata.items():
        if name.startswith(META):
            shown[_META + name.removeprefix(META)] = value
        elif name in _KEPT:
            shown[name] = value
    for name in _KEPT:
        said_now = override(request, name)
        if said_now is not None:
            shown[name] = said_now
    if found.manifest is not None:
        said.append((b"x-amz-mp-parts-count", str(len(found.manifest)).encode()))
    return said + wire.encoded(shown)


def override(request: Request, name: str) -> str | None:
    """What an answer is to say in place of what is kept, as a query says it."""
    said = request.asked(f"response-{name}")
    if said is not None and (not said.isprintable() or len(said) > names.HEADER_MAX):
        raise Invalid("query.argument", f"response-{name} must be printable.")
    return said


def version_id(home: Container, found: Object) -> Headers:
    if not home.versioned and not home.metadata.get(SUSPENDED):
        return []
    return [(b"x-amz-version-id", (found.version_id or NULL).encode())]


def of_put(home: Container, placed: Object) -> Headers:
    return [(b"etag", f'"{placed.etag}"'.encode()), *version_id(home, placed)]


def of_copy(home: Container, placed: Object, source: Object) -> Headers:
    told = version_id(home, placed)
    return [*told, (b"x-amz-copy-source-version-id", source.version_id.encode())] if source.version_id else told


def check_source(request: Request, found: Object) -> None:
    """x-amz-copy-source-if-*: as a GET of the source would be judged."""
    start = "x-amz-copy-source-if-"
    match, none = request.header(f"{start}match"), request.header(f"{start}none-match")
    since = wire.parsed_date(request.header(f"{start}modified-since"))
    until = wire.parsed_date(request.header(f"{start}unmodified-since"))
    named = {found.etag, "*"}
    fine = (
        (match is None or match.strip('"') in named)
        and (none is None or none.strip('"') not in named)
        and (since is None or found.modified_at > since)
        and (until is None or match is not None or int(found.modified_at) <= until)
    )
    if not fine:
        raise Invalid("object.precondition", "At least one of the pre-conditions did not hold", status=412)
