"""What a payload is: text, bytes, or a key in PKCS#8; how it is sent, and as what it is given."""

import base64
import binascii
from typing import Literal

from trivet.domain.key_manager.words import issue
from trivet.errors import Invalid

ContentType = Literal["text/plain", "application/octet-stream", "application/pkcs8"]
TEXT: ContentType = "text/plain"
BYTES: ContentType = "application/octet-stream"
PKCS8: ContentType = "application/pkcs8"
SUPPORTED = ["text/plain", "text/plain;charset=utf-8", "text/plain; charset=utf-8", BYTES, PKCS8]
ENCODINGS: dict[ContentType, list[str] | None] = {TEXT: None, BYTES: ["base64", "binary"], PKCS8: ["base64", "binary"]}


def known(said: str) -> ContentType | None:
    """None: it is none that can be kept."""
    kind, _, parameter = (part.strip().lower() for part in said.partition(";"))
    if parameter and parameter.replace(" ", "") != "charset=utf-8":
        return None
    return next((one for one in ENCODINGS if one == kind and (one == TEXT or not parameter)), None)


def encoded_in_base64(payload: str) -> bytes | None:
    try:
        return base64.b64decode(payload)
    except (binascii.Error, ValueError):
        return None


def sent(body: bytes, kind: ContentType, encoding: str | None, doing: str) -> bytes:
    """The payload in the body of a PUT."""
    if kind == TEXT or not encoding:
        return body
    if encoding.lower() != "base64":
        raise issue(doing, "secret.encoding", f"Secret Content-Encoding of '{encoding[:40]}' not supported")
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError) as error:
        raise issue(doing, "secret.encoding", "Problem decoding payload") from error


def wanted(accept: str | None, kept: ContentType, payload: bytes, doing: str) -> ContentType:
    """As what it is given: one type, as it is kept where anything will do, or as bytes where nothing is said."""
    said = (accept or BYTES).strip()
    kind = kept if said == "*/*" else known(said)
    if kind is None or (kind == TEXT and not _is_text(payload)):
        raise Invalid("secret.accept", f"{doing} issue seen - Wrong payload content-type.", status=406)
    return kind


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
