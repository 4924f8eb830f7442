"""OAuth 1 signatures (RFC 5849): a client signs its request with secrets that it need not send.

With PLAINTEXT it does send them, as it may where the way is safe; keystone takes that, too.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote, unquote

import msgspec

from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden, Invalid

AGE_MAX_S = 600.0
_NONCE_MAX = 255
_HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256, "HMAC-SHA512": hashlib.sha512}
_METHODS = (*_HASHES, "PLAINTEXT")


class SignedRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    """The URL as the client wrote it, without its query."""
    query: tuple[tuple[str, str], ...]
    oauth: dict[str, str]
    """The oauth_ parameters of its Authorization header."""

    def needed(self, name: str) -> str:
        value = self.oauth.get(f"oauth_{name}")
        if not value:
            raise Invalid("oauth.parameter", f"The Authorization header lacks oauth_{name}.")
        return value

    @property
    def at(self) -> int:
        """When it says that it was signed."""
        said = whole_number(self.needed("timestamp"))
        if said is None:
            raise Invalid("oauth.parameter", "oauth_timestamp is not a number of seconds.")
        return said

    @property
    def nonce(self) -> str:
        said = self.needed("nonce")
        if len(said) > _NONCE_MAX:
            raise Invalid("oauth.parameter", f"oauth_nonce has more than {_NONCE_MAX} characters.")
        return said


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
    method = request.needed("signature_method")
    if method not in _METHODS:
        raise Invalid("oauth.method", f"Sign with one of {', '.join(_METHODS)}.")
    if abs(now - request.at) > AGE_MAX_S:
        raise Forbidden("auth.failed", "The request was signed too long ago.", status=401)
    key = f"{_escaped(consumer_secret)}&{_escaped(token_secret)}".encode()
    made = key
    if method != "PLAINTEXT":
        made = base64.b64encode(hmac.new(key, _signed_text(request).encode(), _HASHES[method]).digest())
    if not hmac.compare_digest(made, request.needed("signature").encode()):
        raise Forbidden("auth.failed", "Invalid signature.", status=401)


def _signed_text(request: SignedRequest) -> str:
    pairs = [(name, value) for name, value in request.oauth.items() if name != "oauth_signature"]
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in [*pairs, *request.query])
    listed = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{request.method}&{_escaped(request.url)}&{_escaped(listed)}"
