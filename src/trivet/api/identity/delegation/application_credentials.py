"""/v3/users/{user_id}/application_credentials and access_rules: ways in for programs."""

from typing import Annotated, Literal

import msgspec

from trivet.api.identity import views
from trivet.api.identity.times import ending
from trivet.api.identity.views import Id, LongName, View
from trivet.api.identity.writing import refuse_dead, writes
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import access_rules, application_credentials
from trivet.domain.identity.delegation.access_rules import ACCESS_RULES, RULES_MAX, AccessRule
from trivet.domain.identity.delegation.application_credentials import APP_CREDENTIALS, AppCredential, RoleRef
from trivet.domain.identity.people.roles import role_map
from trivet.domain.identity.tokens import revocations
from trivet.errors import Forbidden, Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_ALL = "/v3/users/{user_id}/application_credentials"
_RULES = "/v3/users/{user_id}/access_rules"
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class RuleWanted(Body, frozen=True):
    """An access rule as a body names it: a new one by all but its id, an existing one by its id."""

    id: Id | None = None
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^/")] | None = None
    method: Method | None = None
    service: LongName | None = None


class NewApplicationCredential(msgspec.Struct, frozen=True):
    name: LongName
    description: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] | None = None
    expires_at: str | None = None
    roles: Annotated[list[RoleRef], msgspec.Meta(max_length=100)] | None = None
    unrestricted: bool | None = None
    access_rules: Annotated[list[RuleWanted], msgspec.Meta(max_length=RULES_MAX)] | None = None


class WantedBody(msgspec.Struct, frozen=True):
    application_credential: NewApplicationCredential


def _rule_view(request: Request, rule: AccessRule) -> View:
    shown = {"id": rule.id, "path": rule.path, "method": rule.method, "service": rule.service}
    return views.linked(request, f"users/{rule.user_id}/access_rules/{rule.id}", shown)


async def _view(request: Request, tx: Tx, credential: AppCredential) -> View:
    roles = await application_credentials.roles_of(tx, credential)
    shown: View = {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "user_id": credential.user_id,
        "roles": [{"id": role.id, "name": role.name, "domain_id": role.domain_id} for role in roles],
        "expires_at": iso_micros(credential.ends_at),
        "unrestricted": credential.unrestricted,
        "system": None,
    }
    rules = await application_credentials.rules_of(tx, credential)
    if rules is not None:
        shown["access_rules"] = [
            {"id": rule.id, "path": rule.path, "method": rule.method, "service": rule.service} for rule in rules
        ]
    return views.linked(request, f"users/{credential.user_id}/application_credentials/{credential.id}", shown)


@resource.on("GET", _ALL, may="token", decides="owner")
async def list_all(request: Request) -> Reply:
    where = application_credentials.listed(request.caller, request.values["user_id"])
    found = await views.find(request, APP_CREDENTIALS, where, columns=("name",))
    shown = [await _view(request, request.tx, credential) for credential in found.records]
    return views.paged(request, "application_credentials", shown, truncated=found.truncated)


@resource.on("POST", _ALL, may="token", decides="owner", tx="none")
async def create(request: Request) -> Reply:
    caller = request.caller
    wanted = request.read(WantedBody).application_credential
    if request.values["user_id"] != caller.user_id:
        raise personas.refusal("identity:create_application_credential")
    if caller.project_id is None or caller.trust_id is not None:
        raise Forbidden("app_credential.scope", "Only a token scoped to a project makes an application credential.")
    project_id = caller.project_id
    secret = wanted.secret or request.parts.ids.secret()
    hashed = await request.parts.passwords.hash(secret) if wanted.secret else application_credentials.hash_ours(secret)

    async def act(tx: Tx) -> View:
        await refuse_dead(request, tx)
        await application_credentials.refuse_restricted(tx, caller)
        known = await role_map(tx, request.parts.identity_memory)
        new = AppCredential(
            id=tx.ids.hex(),
            name=wanted.name,
            user_id=caller.user_id,
            project_id=project_id,
            secret_hash=hashed,
            description=wanted.description,
            role_ids=await application_credentials.chosen_roles(tx, known, caller, wanted.roles),
            unrestricted=bool(wanted.unrestricted),
            ends_at=ending(wanted.expires_at),
            access_rule_ids=await _rules(tx, caller.user_id, wanted.access_rules),
        )
        return await _view(request, tx, await application_credentials.create(tx, caller, new))

    shown = await transact(request.parts.store, act)
    return Reply(201, {"application_credential": {**shown, "secret": secret}})


async def _rules(tx: Tx, user_id: str, wanted: list[RuleWanted] | None) -> tuple[str, ...] | None:
    if wanted is None:
        return None
    found = []
    for rule in wanted:
        if rule.id is not None:
            known = await tx.get(access_rules.ACCESS_RULES, rule.id)
            if known is None or known.user_id != user_id:
                raise Invalid("access_rule.absent", f"Could not find access rule: {rule.id[:64]}.")
            found.append(known)
        elif rule.path is None or rule.method is None or rule.service is None:
            raise Invalid("access_rule.incomplete", "An access rule has a path, a method and a service.")
        else:
            found.append(await access_rules.ensure(tx, user_id, rule.service, rule.path, rule.method))
    access_rules.check_together([(rule.service, rule.method, rule.path) for rule in found])
    return tuple(dict.fromkeys(rule.id for rule in found))


@resource.on("GET", f"{_ALL}/{{app_credential_id}}", may="token", decides="owner")
async def show(request: Request) -> Reply:
    found = await application_credentials.visible(
        request.tx, request.caller, request.values["user_id"], request.values["app_credential_id"]
    )
    return Reply(200, {"application_credential": await _view(request, request.tx, found)})


@writes(resource, "DELETE", f"{_ALL}/{{app_credential_id}}", may="token", decides="owner")
async def delete(request: Request) -> Reply:
    await application_credentials.refuse_restricted(request.tx, request.caller)
    gone = await application_credentials.delete(
        request.tx, request.caller, request.values["user_id"], request.values["app_credential_id"]
    )
    await revocations.cut(request.tx, "app_credential", gone.id, of=("user", gone.user_id))
    return Reply(204)


@resource.on("GET", _RULES, may="token", decides="owner")
async def list_rules(request: Request) -> Reply:
    where = access_rules.listed(request.caller, request.values["user_id"])
    columns = ("service", "path", "method")
    order = (*columns, "id")
    return await views.page(request, "access_rules", ACCESS_RULES, _rule_view, where, columns=columns, order=order)


@resource.on("GET", f"{_RULES}/{{access_rule_id}}", may="token", decides="owner")
async def show_rule(request: Request) -> Reply:
    found = await access_rules.visible(
        request.tx, request.caller, request.values["user_id"], request.values["access_rule_id"]
    )
    return Reply(200, {"access_rule": _rule_view(request, found)})


@writes(resource, "DELETE", f"{_RULES}/{{access_rule_id}}", may="token", decides="owner")
async def delete_rule(request: Request) -> Reply:
    user_id, rule_id = request.values["user_id"], request.values["access_rule_id"]
    await access_rules.delete(request.tx, request.caller, user_id, rule_id)
    return Reply(204)
