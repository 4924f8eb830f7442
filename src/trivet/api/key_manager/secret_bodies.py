"""What a new secret may say, in a body of its own or in an order for one."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.key_manager.bodies import Loose, Text
from trivet.api.kit.bodies import or_none
from trivet.clock import parse_iso
from trivet.domain.key_manager import media_types
from trivet.domain.key_manager.media_types import ContentType
from trivet.domain.key_manager.stored_secrets import OPAQUE, PAYLOAD_MAX, SecretType
from trivet.domain.key_manager.words import mismatch
from trivet.errors import Invalid

Bits = Annotated[int, msgspec.Meta(ge=1, le=32767)]


class Described(Loose, frozen=True, kw_only=True):
    """What a secret is, without what is secret of it."""

    name: Text | None = None
    algorithm: Text | UnsetType = UNSET
    mode: Text | UnsetType = UNSET
    bit_length: Bits | UnsetType = UNSET
    expiration: Text | UnsetType | None = UNSET
    payload_content_type: Text | UnsetType | None = UNSET


class NewSecret(Described, frozen=True, kw_only=True):
    payload: str | UnsetType = UNSET
    secret_type: SecretType = OPAQUE
    payload_content_encoding: Literal["base64"] | UnsetType = UNSET
    transport_key_needed: Literal["true", "false"] = "false"
    transport_key_id: Text | UnsetType = UNSET


def expires_at(said: str | UnsetType | None, now: float, schema: str) -> float | None:
    if isinstance(said, UnsetType) or said is None or not said.strip():
        return None
    try:
        at = parse_iso(said.strip())
    except (ValueError, OverflowError):
        raise mismatch(schema, "Invalid date for 'expiration'", "expiration") from None
    if at <= now:
        raise mismatch(schema, "'expiration' is before current time", "expiration")
    return at


def payload_of(said: NewSecret) -> tuple[bytes, ContentType] | None:
    """What is to be kept, and as what; None if that comes later."""
    if isinstance(said.payload, UnsetType):
        if said.payload_content_type is not UNSET:
            raise mismatch("Secret", "payload must be provided when payload_content_type is specified", "payload")
        return None
    kind = _kind(said)
    if len(said.payload.encode(errors="surrogatepass")) > PAYLOAD_MAX:
        raise too_large()
    text = said.payload.strip()
    if not text:
        raise mismatch("Secret", "If 'payload' specified, must be non empty", "payload")
    if kind == media_types.TEXT:
        return text.encode(errors="replace"), kind
    raw = media_types.encoded_in_base64(text)
    if raw is None:
        raise mismatch("Secret", "Invalid payload for payload_content_encoding", "payload")
    return raw, kind


def _kind(said: NewSecret) -> ContentType:
    content_type = said.payload_content_type
    if content_type is None or isinstance(content_type, UnsetType):
        raise mismatch(
            "Secret", "If 'payload' is supplied, 'payload_content_type' must also be supplied.", "payload_content_type"
        )
    kind = known_type(content_type, "Secret")
    encodings = media_types.ENCODINGS[kind]
    encoding = or_none(said.payload_content_encoding)
    if (encoding is not None and encoding not in (encodings or [])) or (encoding is None and encodings):
        raise mismatch("Secret", f"payload_content_encoding is not one of {encodings}", "payload_content_encoding")
    return kind


def known_type(said: str, schema: str) -> ContentType:
    kind = media_types.known(said)
    if kind is None:
        raise mismatch(schema, f"payload_content_type is not one of {media_types.SUPPORTED}", "payload_content_type")
    return kind


def too_large() -> Invalid:
    return Invalid("secret.too_large", "Provided information too large to process", status=413)


def no_transport_key() -> Invalid:
    return Invalid("transport_key.absent", "Provided transport key was not found.")
