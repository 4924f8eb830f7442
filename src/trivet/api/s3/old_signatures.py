"""Signatures of version 2, in URLs only: boto3 signs URLs so, unless it is told otherwise.

Whoever has such a URL can do with it what was signed: the method, the path, what is asked, and all x-amz- headers.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

from trivet.api.kit.request import Request
from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden

_SIGNED = frozenset((
    "acl", "cors", "defaultObjectAcl", "location", "logging", "partNumber", "policy", "requestPayment", "torrent",
    "versioning", "versionId", "versions", "website", "uploads", "uploadId", "response-content-type",
    "response-content-language", "response-expires", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "delete", "lifecycle", "tagging", "restore", "storageClass", "notification",
    "replication", "analytics", "metrics", "inventory", "select", "select-type", "object-lock",
))  # fmt: skip
"""Of what is asked, what makes another act of it. The rest (how many, from where) narrows what was signed."""


def is_signed(request: Request) -> bool:
    return request.asked("AWSAccessKeyId") is not None and request.asked("Signature") is not None


def check(request: Request, secret: str, paths: Iterable[str]) -> None:
    """Some sign the path as they came, some without where this cloud has put the service."""
    ends = whole_number(request.asked("Expires") or "")
    if ends is None or request.parts.clock.now() > ends:
        raise Forbidden("s3.expired", "Request has expired")
    said = (request.asked("Signature") or "").encode()
    for path in paths:
        made = b64encode(hmac.digest(secret.encode(), _text(request, path, ends).encode(), "sha1"))
        if hmac.compare_digest(made, said):
            return
    raise Forbidden("s3.signature", "The request signature we calculated does not match the signature you provided.")


def _text(request: Request, path: str, ends: int) -> str:
    amz = sorted(
        (name, request.header(name) or "")
        for raw in request.headers
        if (name := raw.decode("latin-1")).startswith("x-amz-")
    )
    asked = sorted((name, value) for name, value in request.query if name in _SIGNED)
    query = "&".join(f"{name}={value}" if value else name for name, value in asked)
    words = [
        request.method,
        request.header("content-md5") or "",
        request.header("content-type") or "",
        str(ends),
        *(f"{name}:{value.strip()}" for name, value in amz),
        quote(path, safe="/-_.~") + (f"?{query}" if query else ""),
    ]
    return "\n".join(words)
