"""Signatures, version 4: who signed a request, by a header or in its URL, with an EC2 key of this cloud's identity."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import msgspec

from trivet.api.kit.request import Request
from trivet.api.s3 import old_signatures
from trivet.domain.callers import Caller
from trivet.domain.identity.delegation import access_rules, ec2
from trivet.domain.identity.delegation.ec2 import Key
from trivet.domain.identity.login import delegated
from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store import log
from trivet.store.log import Doer

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_SAFE = "-_.~"
_PREFIX = "/s3"
_SERVICE_TYPES = ("s3",)
_SKEW_S = 15 * 60.0
_EXPIRES_MAX_S = 7 * 24 * 3600
_SHAPE = re.compile(r"^[0-9]{8}T[0-9]{6}Z\Z")


class Signature(msgspec.Struct, frozen=True):
    """As it was made, once it has been checked."""

    caller: Caller
    key: bytes
    """For what is signed further on: the chunks of a body."""
    scope: str
    date: str
    made: str
    payload: str
    """What the client says of its body."""


class _Said(msgspec.Struct, frozen=True):
    access: str
    scope: str
    date: str
    headers: tuple[str, ...]
    signature: str
    in_url: bool
    expires_s: int | None = None


async def check(request: Request) -> Signature:
    """Forbidden, if nobody has signed this, or not just this."""
    if b"authorization" not in request.headers and old_signatures.is_signed(request):
        key = await _key(request, request.asked("AWSAccessKeyId") or "")
        old_signatures.check(request, key.secret, _PREFIX)
        return Signature(await _caller(request, key), b"", "", "", "", UNSIGNED)
    said = _from_header(request) if b"authorization" in request.headers else _from_url(request)
    _check_time(said, request.parts.clock.now())
    _check_headers(request, said)
    key = await _key(request, said.access)
    payload = UNSIGNED if said.in_url else request.header("x-amz-content-sha256") or ""
    if not payload:
        raise Invalid("s3.malformed", "Missing required header for this request: x-amz-content-sha256")
    signing = signing_key(key.secret, said.scope)
    for path in (request.path, request.path.removeprefix(_PREFIX) or "/"):
        # Whoever came by a door of S3's own, or by a proxy that gives it a host, has signed a path without our prefix.
        made = _sign(signing, said, _canonical(request, said, payload, path))
        if hmac.compare_digest(made.encode(), said.signature.encode()):
            break
    else:
        raise Forbidden(
            "s3.signature",
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
        )
    return Signature(await _caller(request, key), signing, said.scope, said.date, made, payload)


async def _key(request: Request, access: str) -> Key:
    async with request.parts.store.read() as tx:
        credential = await ec2.by_access(tx, access)
    if credential is None or credential.type != "ec2":
        raise _unknown()
    return ec2.opened(request.parts.secrets, credential)


async def _caller(request: Request, key: Key) -> Caller:
    try:
        caller = await delegated.by_ec2_key(request.parts, key)
    except (Forbidden, NotFound) as error:
        raise _unknown() from error
    # The door knows nobody before his signature is checked, so it is here that he is held to his rules.
    if not access_rules.allowed(caller, _SERVICE_TYPES, request.method, request.path.removeprefix(_PREFIX) or "/"):
        raise Forbidden("policy.access_rule", "The application credential's access rules do not allow this.")
    request.caller = caller
    log.doing.set(Doer(caller.user_id, request.id))
    return caller


def _unknown() -> Forbidden:
    return Forbidden("s3.key", "The AWS Access Key Id you provided does not exist in our records.")


# -- what the client says


def _from_header(request: Request) -> _Said:
    kind, _, rest = (request.header("authorization") or "").partition(" ")
    if kind != ALGORITHM:
        raise Invalid(
            "s3.algorithm",
            f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.",
        )
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    access, scope = _credential(fields.get("Credential", ""))
    date = request.header("x-amz-date") or _of_http_date(request.header("date"))
    headers = tuple(fields.get("SignedHeaders", "").lower().split(";"))
    return _Said(access, scope, _dated(date, scope), headers, fields.get("Signature", ""), in_url=False)


def _from_url(request: Request) -> _Said:
    if request.asked("X-Amz-Algorithm") is None:
        raise Forbidden("s3.unsigned", "Access Denied")
    if request.asked("X-Amz-Algorithm") != ALGORITHM:
        raise Invalid("s3.presigned", f"X-Amz-Algorithm only supports {ALGORITHM!r}.")
    access, scope = _credential(request.asked("X-Amz-Credential") or "")
    expires = whole_number(request.asked("X-Amz-Expires") or "")
    if expires is None or not 0 < expires <= _EXPIRES_MAX_S:
        raise Invalid("s3.presigned", "X-Amz-Expires must be a number of seconds, less than a week.")
    headers = tuple((request.asked("X-Amz-SignedHeaders") or "").lower().split(";"))
    signature = request.asked("X-Amz-Signature") or ""
    date = _dated(request.asked("X-Amz-Date") or "", scope)
    return _Said(access, scope, date, headers, signature, in_url=True, expires_s=expires)


def _credential(said: str) -> tuple[str, str]:
    access, _, scope = said.partition("/")
    parts = scope.split("/")
    if len(said) > 512 or not access or len(parts) != 4 or parts[2:] != ["s3", "aws4_request"]:
        raise Invalid("s3.malformed", "The credential must be KEY/DATE/REGION/s3/aws4_request.")
    return access, scope


def _dated(date: str, scope: str) -> str:
    if not _SHAPE.match(date) or date[:8] != scope[:8]:
        raise Invalid("s3.malformed", "The date must be YYYYMMDDThhmmssZ, and of the credential's day.")
    return date


def _of_http_date(said: str | None) -> str:
    try:
        return parsedate_to_datetime(said or "").astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, TypeError, OverflowError):
        return ""


def _check_time(said: _Said, now: float) -> None:
    try:
        at = datetime.strptime(said.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise Invalid("s3.malformed", "The date of the request is none.") from error
    if said.expires_s is not None:
        if now > at + said.expires_s:
            raise Forbidden("s3.expired", "Request has expired")
        if now < at - _SKEW_S:
            raise Forbidden("s3.expired", "Request is not yet valid")
    elif abs(now - at) > _SKEW_S:
        raise Forbidden("s3.skewed", "The difference between the request time and the server's time is too large.")


def _check_headers(request: Request, said: _Said) -> None:
    """What S3 acts on must have been signed: else whoever has a signed URL could do more with it."""
    signed = set(said.headers)
    if len(signed) < len(said.headers):
        # Each is written out for the signature, however long it is.
        raise Invalid("s3.malformed", "A header is named twice among those that are signed.")
    free = {"x-amz-content-sha256"} if said.in_url else set()
    loose = {
        name for raw in request.headers if (name := raw.decode("latin-1")).startswith("x-amz-") and name not in free
    }
    if "host" not in signed or loose - signed:
        raise Forbidden("s3.headers_unsigned", "There were headers present in the request which were not signed")


# -- the signature, made again


def _canonical(request: Request, said: _Said, payload: str, path: str) -> str:
    query = sorted(
        (quote(name, safe=_SAFE), quote(value, safe=_SAFE))
        for name, value in request.query
        if not (said.in_url and name == "X-Amz-Signature")
    )
    headers = "".join(f"{name}:{_trimmed(request.header(name) or '')}\n" for name in said.headers)
    return "\n".join(
        (
            request.method,
            quote(path, safe=f"/{_SAFE}"),
            "&".join(f"{name}={value}" for name, value in query),
            headers,
            ";".join(said.headers),
            payload,
        )
    )


def _trimmed(value: str) -> str:
    return " ".join(word for word in value.strip().split(" ") if word)


def signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign(key: bytes, said: _Said, canonical: str) -> str:
    hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.new(key, f"{ALGORITHM}\n{said.date}\n{said.scope}\n{hashed}".encode(), "sha256").hexdigest()
