"""OAuth 1 signatures (RFC 5849, HMAC-SHA1): a client signs its request with secrets that it does not send."""

import base64
import hashlib
import hmac
from urllib.parse import quote, unquote

import msgspec

from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden, Invalid

_AGE_MAX_S = 600.0


class SignedRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    """As the client wrote it, without a query."""
    query: tuple[tuple[str, str], ...]
    oauth: dict[str, str]
    """The oauth_ parameters of its Authorization header."""

    def needed(self, name: str) -> str:
        value = self.oauth.get(f"oauth_{name}")
        if not value:
            raise Invalid("oauth.parameter", f"The Authorization header lacks oauth_{name}.")
        return value


def oauth_of(header: str | None) -> dict[str, str]:
    """The parameters of `OAuth oauth_token="...", ...`."""
    if header is None or not header.lower().startswith("oauth "):
        raise Invalid("oauth.header", "Send an Authorization header that begins with OAuth.")
    found = {}
    for part in header[6:].split(","):
        name, equals, value = part.strip().partition("=")
        if equals and name != "realm":
            found[unquote(name)] = unquote(value.strip('"'))
    return found


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")


def check(request: SignedRequest, consumer_secret: str, token_secret: str, now: float) -> None:
    if request.needed("signature_method") != "HMAC-SHA1":
        raise Invalid("oauth.method", "Only HMAC-SHA1 is known here.")
    at = whole_number(request.needed("timestamp"))
    if at is None or abs(now - at) > _AGE_MAX_S:
        raise Forbidden("auth.failed", "The request was signed too long ago.", status=401)
    pairs = [(name, value) for name, value in request.oauth.items() if name != "oauth_signature"]
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in [*pairs, *request.query])
    listed = "&".join(f"{name}={value}" for name, value in pairs)
    text = f"{request.method}&{_escaped(request.url)}&{_escaped(listed)}"
    key = f"{_escaped(consumer_secret)}&{_escaped(token_secret)}"
    made = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest())
    if not hmac.compare_digest(made, request.needed("signature").encode()):
        raise Forbidden("auth.failed", "Invalid signature.", status=401)
