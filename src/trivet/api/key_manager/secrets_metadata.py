"""/v1/secrets/{id}/metadata: what its owner notes about a secret."""

import re
from typing import Any

from trivet.api.key_manager import views
from trivet.api.key_manager.bodies import BODY_MAX, Loose, Text, read
from trivet.api.key_manager.secrets import PATH
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import stored_secrets
from trivet.domain.key_manager.stored_secrets import StoredSecret
from trivet.errors import Conflict, Invalid

resource = Resource()
METADATA = f"{PATH}/metadata"
ONE = f"{METADATA}/{{key}}"
_KEY = re.compile(r"[A-Za-z0-9_-]{0,255}")
_VALUE_MAX = 255


class All(Loose, frozen=True, kw_only=True):
    metadata: dict[str, Any]


class One(Body, frozen=True, kw_only=True):
    key: Text
    value: Text


def _checked(said: dict[str, Any]) -> dict[str, str]:
    for value in said.values():
        if not isinstance(value, str):
            raise Invalid("metadata.not_text", "Invalid Metadata. Keys and Values must be Strings.")
        if len(value) > _VALUE_MAX:
            raise Invalid("metadata.long", f"Invalid Metadata. A value has {_VALUE_MAX} characters at most.")
    return {_key(key): value for key, value in said.items()}


def _key(said: str) -> str:
    """Keys are of small letters; how they were said does not matter."""
    if _KEY.fullmatch(said) is None:
        raise Invalid("metadata.key", "Invalid Key. Key must be URL safe.")
    return said.lower()


async def _changeable(request: Request, doing: str) -> StoredSecret:
    found, _ = await stored_secrets.usable(request.tx, request.caller, request.values["secret_id"], doing)
    return found


async def _readable(request: Request, doing: str) -> StoredSecret:
    return await stored_secrets.readable(request.tx, request.caller, request.values["secret_id"], doing)


@resource.on("GET", METADATA, may="token", decides="keys")
async def index(request: Request) -> Reply:
    return Reply(200, {"metadata": (await _readable(request, "Secret metadata retrieval")).metadata})


@resource.on("PUT", METADATA, may="token", decides="keys", body_max=BODY_MAX)
async def replace(request: Request) -> Reply:
    found = await _changeable(request, "Secret metadata creation")
    await stored_secrets.set_metadata(request.tx, found, _checked(read(request, All, "SecretMetadata").metadata))
    return Reply(201, {"metadata_ref": views.ref(request, "secrets", found.id) + "/metadata"})


@resource.on("POST", METADATA, may="token", decides="keys", body_max=BODY_MAX)
async def add(request: Request) -> Reply:
    found = await _changeable(request, "Secret metadatum creation")
    said = read(request, One, "SecretMetadatum")
    key = _key(said.key)
    if key in found.metadata:
        raise Conflict("metadata.exists", "Conflict. Key in request is already in the secret metadata")
    await stored_secrets.set_metadata(request.tx, found, found.metadata | {key: said.value})
    url = f"{views.ref(request, 'secrets', found.id)}/metadata/{key}"
    return Reply(201, {"key": key, "value": said.value}, [(b"location", url.encode())])


@resource.on("GET", ONE, may="token", decides="keys")
async def show(request: Request) -> Reply:
    found = await _readable(request, "Secret metadatum retrieval")
    key = request.values["key"]
    return Reply(200, {"key": key, "value": stored_secrets.metadatum(found, key)})


@resource.on("PUT", ONE, may="token", decides="keys", body_max=BODY_MAX)
async def change(request: Request) -> Reply:
    found = await _changeable(request, "Secret metadatum update")
    said = read(request, One, "SecretMetadatum")
    key = request.values["key"]
    stored_secrets.metadatum(found, key)
    if key != _key(said.key):
        raise Conflict("metadata.other_key", "Key in request data does not match key in the request url.")
    await stored_secrets.set_metadata(request.tx, found, found.metadata | {key: said.value})
    return Reply(200, {"key": key, "value": said.value})


@resource.on("DELETE", ONE, may="token", decides="keys")
async def delete(request: Request) -> Reply:
    found = await _changeable(request, "Secret metadatum removal")
    key = request.values["key"]
    stored_secrets.metadatum(found, key)
    kept = {name: value for name, value in found.metadata.items() if name != key}
    await stored_secrets.set_metadata(request.tx, found, kept)
    return Reply(204)
