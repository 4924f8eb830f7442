"""EC2 keys, and tokens for requests that were signed with one (/v3/ec2tokens, /v3/s3tokens).

Whoever asks for such a token has somebody else's signed request in hand, so it must be a service itself.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from trivet.api.identity import views
from trivet.api.identity.views import Id, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import ec2, ec2_signatures
from trivet.domain.identity.delegation.ec2 import Key
from trivet.domain.identity.delegation.ec2_signatures import Signed
from trivet.domain.identity.login import delegated as delegation
from trivet.domain.identity.login import token_facts
from trivet.domain.identity.people.naming import unauthorized
from trivet.errors import Invalid

resource = Resource()

_ALL = "/v3/users/{user_id}/credentials/OS-EC2"
T = TypeVar("T")
Short = Annotated[str, msgspec.Meta(max_length=8192)]


class NewKey(msgspec.Struct, frozen=True):
    tenant_id: Id


class Ec2Request(msgspec.Struct, frozen=True):
    access: Short
    signature: Short
    host: Short = ""
    verb: Short = "GET"
    path: Short = "/"
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    body_hash: Short = ""


class S3Request(msgspec.Struct, frozen=True):
    access: Short
    signature: Short
    token: Short


def _view(request: Request, key: Key) -> View:
    shown = {
        "access": key.access,
        "secret": key.secret,
        "user_id": key.user_id,
        "tenant_id": key.project_id,
        "trust_id": key.trust_id,
    }
    return views.linked(request, f"users/{key.user_id}/credentials/OS-EC2/{key.access}", shown)


@resource.on("GET", _ALL, may="token", decides="owner")
async def list_all(request: Request) -> Reply:
    secrets = request.parts.secrets
    found = await ec2.listed(request.tx, secrets, request.caller, request.values["user_id"])
    return views.paged(request, "credentials", [_view(request, key) for key in found])


@writes(resource, "POST", _ALL, may="token", decides="owner")
async def create(request: Request) -> Reply:
    project_id = request.read(NewKey).tenant_id
    secrets = request.parts.secrets
    made = await ec2.create(request.tx, secrets, request.caller, request.values["user_id"], project_id)
    return Reply(201, {"credential": _view(request, made)})


@resource.on("GET", f"{_ALL}/{{access}}", may="token", decides="owner")
async def show(request: Request) -> Reply:
    found = await ec2.visible(request.tx, request.caller, request.values["access"])
    return Reply(200, {"credential": _view(request, ec2.shown(request.parts.secrets, request.caller, found))})


@writes(resource, "DELETE", f"{_ALL}/{{access}}", may="token", decides="owner")
async def delete(request: Request) -> Reply:
    found = await ec2.visible(request.tx, request.caller, request.values["access"], change=True)
    await ec2.delete(request.tx, found)
    return Reply(204)


def _said(request: Request) -> Any:
    body = request.read_object()
    said = body.get("credentials") or body.get("ec2Credentials")
    if not isinstance(said, dict):
        raise Invalid("body.invalid", "'credentials' is a required property, and must be an object.")
    return said


async def _key(request: Request, access: str) -> Key:
    async with request.parts.store.read() as tx:
        found = await ec2.by_access(tx, access)
    if found is None:
        raise unauthorized()
    return ec2.opened(request.parts.secrets, found)


async def _token(request: Request, key: Key) -> Reply:
    caller = await delegation.by_ec2_key(request.parts, key)
    parts = request.parts
    body = await token_facts.encoded(parts.store, parts.identity_memory, parts.settings.url, caller)
    headers = [(b"x-subject-token", request.parts.tokens.issue(caller).encode()), (b"vary", b"X-Auth-Token")]
    return Reply(200, body, headers, content_type="application/json")


def _need_service(request: Request, action: str) -> None:
    if not (request.caller.is_operator or request.caller.has("service")):
        raise personas.refusal(action)


@resource.on("POST", "/v3/ec2tokens", may="token", decides="service", tx="none")
async def ec2_token(request: Request) -> Reply:
    _need_service(request, "identity:ec2tokens")
    said = _converted(_said(request), Ec2Request)
    key = await _key(request, said.access)
    signed = Signed(said.verb, said.host, said.path, said.params, said.headers, said.body_hash)
    made = [ec2_signatures.signature(key.secret, signed)]
    if ":" in said.host:
        # Some clients sign the host with the port, some without.
        bare = msgspec.structs.replace(signed, host=said.host.rpartition(":")[0])
        made.append(ec2_signatures.signature(key.secret, bare))
    if not any(ec2_signatures.same(one, said.signature) for one in made):
        raise unauthorized("EC2 signature not valid.")
    ec2_signatures.check_age(signed, request.parts.clock.now())
    return await _token(request, key)


@resource.on("POST", "/v3/s3tokens", may="token", decides="service", tx="none")
async def s3_token(request: Request) -> Reply:
    _need_service(request, "identity:s3tokens")
    said = _converted(_said(request), S3Request)
    key = await _key(request, said.access)
    if not ec2_signatures.same(ec2_signatures.s3_signature(key.secret, said.token), said.signature):
        raise unauthorized("Credential signature mismatch.")
    return await _token(request, key)


def _converted(said: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input: {error}.") from error
