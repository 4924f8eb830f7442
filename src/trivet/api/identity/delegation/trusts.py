"""/v3/OS-TRUST/trusts: acting for somebody else."""

from typing import Annotated

import msgspec

from trivet.api.identity import views
from trivet.api.identity.people import roles as role_dialect
from trivet.api.identity.times import ending
from trivet.api.identity.views import Id, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.identity.delegation import application_credentials, trusts
from trivet.domain.identity.delegation.application_credentials import RoleRef
from trivet.domain.identity.delegation.trusts import TRUSTS, Trust
from trivet.domain.identity.people.roles import ROLES
from trivet.store.where import Where

resource = Resource()

_ALL = "/v3/OS-TRUST/trusts"
_ONE = "/v3/OS-TRUST/trusts/{trust_id}"


class TrustAsked(msgspec.Struct, frozen=True):
    trustor_user_id: Id
    trustee_user_id: Id
    impersonation: bool
    project_id: Id | None = None
    roles: Annotated[tuple[RoleRef, ...], msgspec.Meta(max_length=100)] = ()
    expires_at: str | None = None
    remaining_uses: Annotated[int, msgspec.Meta(ge=1, le=2_147_483_647)] | None = None
    allow_redelegation: bool | None = None
    redelegation_count: Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)] | None = None


class WantedBody(msgspec.Struct, frozen=True):
    trust: TrustAsked


async def _view(request: Request, trust: Trust, *, with_roles: bool) -> View:
    shown: View = {
        "id": trust.id,
        "trustor_user_id": trust.trustor_id,
        "trustee_user_id": trust.trustee_id,
        "project_id": trust.project_id,
        "impersonation": trust.impersonation,
        "expires_at": iso_micros(trust.ends_at, "Z"),
        "remaining_uses": trust.remaining_uses,
        "redelegated_trust_id": trust.redelegated_from,
        "redelegation_count": trust.redelegations_left,
        "deleted_at": None,
    }
    path = f"OS-TRUST/trusts/{trust.id}"
    if with_roles:
        roles = await trusts.roles_of(request.tx, trust)
        shown["roles"] = [role_dialect.view(request, role) for role in roles]
        shown["roles_links"] = {"self": views.url(request, f"{path}/roles"), "next": None, "previous": None}
    return views.linked(request, path, shown)


@resource.on("GET", _ALL, may="token", decides="sides")
async def list_all(request: Request) -> Reply:
    trustor_id, trustee_id = request.asked("trustor_user_id"), request.asked("trustee_user_id")
    where = trusts.listed(request.caller, request.tx.clock.now(), trustor_id, trustee_id)
    found = await views.find(request, TRUSTS, where, order=("id",))
    shown = [await _view(request, trust, with_roles=False) for trust in found.records]
    return views.paged(request, "trusts", shown, truncated=found.truncated)


@writes(resource, "POST", _ALL, may="token", decides="sides")
async def create(request: Request) -> Reply:
    body = request.read(WantedBody).trust
    await application_credentials.refuse_restricted(request.tx, request.caller)
    wanted = trusts.NewTrust(
        trustor_id=body.trustor_user_id,
        trustee_id=body.trustee_user_id,
        impersonation=body.impersonation,
        project_id=body.project_id,
        roles=body.roles,
        ends_at=ending(body.expires_at),
        remaining_uses=body.remaining_uses,
        allow_redelegation=bool(body.allow_redelegation),
        redelegations=body.redelegation_count,
    )
    made = await trusts.create(request.tx, request.parts.identity_memory, request.caller, wanted)
    return Reply(201, {"trust": await _view(request, made, with_roles=True)})


@resource.on("GET", _ONE, may="token", decides="sides")
async def show(request: Request) -> Reply:
    found = await trusts.visible(request.tx, request.caller, request.values["trust_id"])
    return Reply(200, {"trust": await _view(request, found, with_roles=True)})


@writes(resource, "DELETE", _ONE, may="token", decides="sides")
async def delete(request: Request) -> Reply:
    await application_credentials.refuse_restricted(request.tx, request.caller)
    await trusts.remove(request.tx, request.caller, request.values["trust_id"])
    return Reply(204)


@resource.on("GET", f"{_ONE}/roles", may="token", decides="sides")
async def list_roles(request: Request) -> Reply:
    trust = await trusts.visible(request.tx, request.caller, request.values["trust_id"])
    return await views.page(request, "roles", ROLES, role_dialect.view, Where().any_of("id", trust.role_ids))


@resource.on("GET", f"{_ONE}/roles/{{role_id}}", may="token", decides="sides")
async def show_role(request: Request) -> Reply:
    trust = await trusts.visible(request.tx, request.caller, request.values["trust_id"])
    return role_dialect.one_of(request, await trusts.roles_of(request.tx, trust))
