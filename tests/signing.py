"""Requests to S3, signed as their sender likes: no client of good will says what attacks say."""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

from trivet.api.s3 import signatures


def signed(
    key: dict[str, str],
    method: str,
    path: str,
    body: bytes = b"",
    *,
    host: str,
    query: str = "",
    names: list[str] | None = None,
    also: dict[str, str] | None = None,
) -> dict[str, str]:
    """The headers. `names`: which of them are signed; those that must be, if nothing is said. `also` may have the hash
    of the body in other words."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/us-east-1/s3/aws4_request"
    said = {"host": host, "x-amz-date": at, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()} | (also or {})
    names = names or sorted(name for name in said if name == "host" or name.startswith("x-amz-"))
    lines = "".join(f"{name}:{' '.join(said.get(name, '').split())}\n" for name in dict.fromkeys(names))
    asked = "&".join(sorted(one if "=" in one else f"{one}=" for one in query.split("&") if one))
    parts = (method, quote(path), asked, lines, ";".join(names), said["x-amz-content-sha256"])
    hashed = hashlib.sha256("\n".join(parts).encode("latin-1")).hexdigest()
    text = f"{signatures.ALGORITHM}\n{at}\n{scope}\n{hashed}".encode()
    proof = hmac.new(signatures.signing_key(key["secret"], scope), text, "sha256").hexdigest()
    who = f"Credential={key['access']}/{scope}, SignedHeaders={';'.join(names)}, Signature={proof}"
    return said | {"authorization": f"{signatures.ALGORITHM} {who}"}
