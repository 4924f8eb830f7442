"""/v3/OS-FEDERATION/identity_providers and their protocols."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Id, Text, View, given
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people import federation
from trivet.domain.identity.people.federation import IDENTITY_PROVIDERS, FederationProtocol, IdentityProvider
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = Resource()

_ALL = "/v3/OS-FEDERATION/identity_providers"
_ONE = "/v3/OS-FEDERATION/identity_providers/{idp_id}"
_PROTOCOL = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"


class ProviderFields(Body, frozen=True):
    enabled: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    domain_id: Id | UnsetType | None = UNSET
    remote_ids: tuple[Text, ...] | UnsetType | None = UNSET
    authorization_ttl: Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)] | UnsetType | None = UNSET
    id: Text | UnsetType = UNSET
    links: Any = UNSET


class ProviderBody(Body, frozen=True):
    identity_provider: ProviderFields


class ProtocolFields(Body, frozen=True):
    mapping_id: Text | UnsetType = UNSET
    remote_id_attribute: Text | UnsetType | None = UNSET


class ProtocolBody(Body, frozen=True):
    protocol: ProtocolFields


def _given(request: Request) -> dict[str, Any]:
    fields = given(request.read(ProviderBody).identity_provider)
    for ignored in ("id", "links"):
        fields.pop(ignored, None)
    if "remote_ids" in fields:
        fields["remote_ids"] = fields["remote_ids"] or ()
    return fields


def view(request: Request, provider: IdentityProvider) -> View:
    path = f"OS-FEDERATION/identity_providers/{provider.id}"
    shown: View = {
        "id": provider.id,
        "domain_id": provider.domain_id,
        "enabled": provider.enabled,
        "description": provider.description,
        "remote_ids": list(provider.remote_ids),
        "authorization_ttl": provider.authorization_ttl,
    }
    views.linked(request, path, shown)
    shown["links"] = {**shown["links"], "protocols": views.url(request, f"{path}/protocols")}
    return shown


@looks(resource, _ALL)
async def list_all(request: Request) -> Reply:
    columns, order = ("id", "enabled"), ("id",)
    return await views.page(
        request, "identity_providers", IDENTITY_PROVIDERS, view, Where(), columns=columns, order=order
    )


@writes(resource, "PUT", _ONE, may="admin")
async def create(request: Request) -> Reply:
    made = await federation.create_provider(request.tx, request.caller, request.values["idp_id"], _given(request))
    return Reply(201, {"identity_provider": view(request, made)})


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    found = await federation.need_provider(request.tx, request.values["idp_id"])
    return Reply(200, {"identity_provider": view(request, found)})


@writes(resource, "PATCH", _ONE, may="admin")
async def update(request: Request) -> Reply:
    changes = _given(request)
    if "domain_id" in changes:
        raise Invalid("identity_provider.fixed", "The domain of an identity provider cannot be changed.")
    changed = await federation.update_provider(request.tx, request.values["idp_id"], changes)
    return Reply(200, {"identity_provider": view(request, changed)})


@writes(resource, "DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    found = await federation.need_provider(request.tx, request.values["idp_id"])
    await federation.delete_provider(request.tx, found)
    return Reply(204)


# -- protocols


def _protocol_view(request: Request, protocol: FederationProtocol) -> View:
    provider = f"OS-FEDERATION/identity_providers/{protocol.idp_id}"
    shown: View = {
        "id": protocol.id,
        "mapping_id": protocol.mapping_id,
        "remote_id_attribute": protocol.remote_id_attribute,
    }
    views.linked(request, f"{provider}/protocols/{protocol.id}", shown)
    shown["links"]["identity_provider"] = views.url(request, provider)
    return shown


@looks(resource, f"{_ONE}/protocols")
async def list_protocols(request: Request) -> Reply:
    found = await federation.protocols(request.tx, request.values["idp_id"], request.asked("id"))
    return views.paged(request, "protocols", [_protocol_view(request, one) for one in found])


@writes(resource, "PUT", _PROTOCOL, may="admin")
async def create_protocol(request: Request) -> Reply:
    fields = given(request.read(ProtocolBody).protocol)
    views.required(fields, "mapping_id")
    new = FederationProtocol(idp_id=request.values["idp_id"], id=request.values["protocol_id"], **fields)
    await federation.create_protocol(request.tx, new)
    return Reply(201, {"protocol": _protocol_view(request, new)})


async def _protocol(request: Request) -> FederationProtocol:
    return await federation.need_protocol(request.tx, request.values["idp_id"], request.values["protocol_id"])


@looks(resource, _PROTOCOL)
async def show_protocol(request: Request) -> Reply:
    return Reply(200, {"protocol": _protocol_view(request, await _protocol(request))})


@writes(resource, "PATCH", _PROTOCOL, may="admin")
async def update_protocol(request: Request) -> Reply:
    fields = given(request.read(ProtocolBody).protocol)
    changed = msgspec.structs.replace(await _protocol(request), **fields)
    await federation.update_protocol(request.tx, changed)
    return Reply(200, {"protocol": _protocol_view(request, changed)})


@writes(resource, "DELETE", _PROTOCOL, may="admin")
async def delete_protocol(request: Request) -> Reply:
    await federation.delete_protocol(request.tx, request.values["idp_id"], request.values["protocol_id"])
    return Reply(204)


async def _no_front(request: Request) -> Reply:
    raise NotFound(
        "federation.no_front",
        "Logging in through another identity provider needs a web front that speaks SAML or OpenID Connect;"
        " this cloud has none. Its users log in with a password, an application credential or TOTP.",
    )


for _method, _path in (
    ("GET", f"{_PROTOCOL}/auth"),
    ("POST", f"{_PROTOCOL}/auth"),
    ("GET", "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocol/{protocol_id}/websso"),
    ("GET", "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"),
    ("GET", "/v3/auth/OS-FEDERATION/websso/{protocol_id}"),
    ("POST", "/v3/auth/OS-FEDERATION/saml2"),
    ("POST", "/v3/auth/OS-FEDERATION/saml2/ecp"),
    ("GET", "/v3/OS-FEDERATION/saml2/metadata"),
):
    resource.on(_method, _path, may="public", tx="none")(_no_front)
