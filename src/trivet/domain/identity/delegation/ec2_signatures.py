"""EC2 signatures: what a client makes of its request and secret, made again to compare (versions 2, 4, and S3)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from trivet.clock import parse_iso
from trivet.domain.identity.people.naming import unauthorized
from trivet.errors import Invalid

_SAFE = "-_~"
_LIVES_S = 15 * 60.0
_V4 = "AWS4-HMAC-SHA256"


def same(made: str, said: str) -> bool:
    return hmac.compare_digest(made.encode(), said.encode())


class Signed(msgspec.Struct, frozen=True):
    """A request as its client signed it."""

    verb: str
    host: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body_hash: str

    def query(self, but: str) -> str:
        kept = {name: value for name, value in self.params.items() if name != but}
        return "&".join(f"{quote(name, _SAFE)}={quote(kept[name], _SAFE)}" for name in sorted(kept))


def check_age(signed: Signed, now: float) -> None:
    """Whoever saw a signed request may not use it for ever. The time is one that was signed, or anybody could say
    another; that a request of version 2 names none its signer wanted so."""
    low = _low(signed)
    said = _version4_scope(signed.params, low)[2] if _is_version4(signed, low) else signed.params.get("Timestamp")
    if said is None:
        return
    try:
        at = parse_iso(said)
    except ValueError as error:
        raise unauthorized("The time of the signed request is none.") from error
    if now > at + _LIVES_S:
        raise unauthorized("The signed request is too old.")


def signature(secret: str, signed: Signed) -> str:
    """Whichever version the request says it is."""
    low = _low(signed)
    if _is_version4(signed, low):
        return _version4(secret, signed, low)
    if signed.params.get("SignatureVersion") == "2":
        return _version2(secret, signed)
    raise Invalid("ec2.version", "Only signatures of version 2 and 4 can be checked.")


def _low(signed: Signed) -> dict[str, str]:
    return {name.lower(): value for name, value in signed.headers.items()}


def _is_version4(signed: Signed, headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").startswith(_V4) or signed.params.get("X-Amz-Algorithm") == _V4


def _version2(secret: str, signed: Signed) -> str:
    text = f"{signed.verb}\n{signed.host}\n{signed.path}\n{signed.query(but='Signature')}"
    algorithm = hashlib.sha1 if signed.params.get("SignatureMethod") == "HmacSHA1" else hashlib.sha256
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), algorithm).digest()).decode()


def _version4(secret: str, signed: Signed, headers: Mapping[str, str]) -> str:
    scope, names, date = _version4_scope(signed.params, headers)
    in_body = signed.verb.upper() == "POST" and "X-Amz-Algorithm" not in signed.params
    query = "" if in_body else signed.query(but="X-Amz-Signature")
    listed = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
    request = f"{signed.verb}\n{signed.path}\n{query}\n{listed}\n{';'.join(names)}\n{signed.body_hash}"
    text = f"{_V4}\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return _version4_sign(secret, scope, text)


def _version4_scope(params: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, list[str], str]:
    """The credential's scope, the headers that were signed, and the date."""
    authorization = headers.get("authorization", "")
    if authorization:
        fields = dict(part.strip().partition("=")[::2] for part in authorization.removeprefix(_V4).split(","))
        credential, signed = fields.get("Credential", ""), fields.get("SignedHeaders", "")
    else:
        credential, signed = params.get("X-Amz-Credential", ""), params.get("X-Amz-SignedHeaders", "")
    date = headers.get("x-amz-date") or params.get("X-Amz-Date") or params.get("x-amz-date", "")
    scope = credential.partition("/")[2]
    if scope.count("/") != 3 or not date.startswith(scope.partition("/")[0]):
        raise Invalid(
            "ec2.scope", "The credential's scope is not DATE/REGION/SERVICE/aws4_request, or not of this date."
        )
    names = signed.split(";")
    if len(set(names)) < len(names):
        # Each is written out for the signature, however long it is.
        raise Invalid("ec2.headers", "A header is named twice among those that are signed.")
    return scope, names, date


def _version4_sign(secret: str, scope: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def s3_signature(secret: str, token: str) -> str:
    """The signature of the string that an S3 client signed; that string comes in base64."""
    try:
        text = base64.urlsafe_b64decode(token)
        lines = text.decode().split("\n")
    except (binascii.Error, ValueError) as error:
        raise Invalid("s3.token", "The token is not base64 of what was signed.") from error
    if lines[0] == _V4:
        if len(lines) < 3:
            raise Invalid("s3.token", "The token is not what an S3 client of version 4 signs.")
        return _version4_sign(secret, lines[2], text.decode())
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode().strip()
