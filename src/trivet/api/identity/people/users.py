"""/v3/users: who may log in."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.grants import groups as group_dialect
from trivet.api.identity.people import projects as project_dialect
from trivet.api.identity.views import Fields, Id, LongName, Text, View
from trivet.api.identity.writing import refuse_dead, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain import removal
from trivet.domain.identity import personas
from trivet.domain.identity.grants import groups
from trivet.domain.identity.login import own_password, scopes
from trivet.domain.identity.people import federated_users, federation, users
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.user_options import check_options
from trivet.domain.identity.people.users import USERS, User
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_FILTERS = ("name", "domain_id", "enabled", "id", "email", "default_project_id")
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class UserFields(Fields, frozen=True):
    name: LongName | UnsetType = UNSET
    domain_id: Id | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    email: Text | UnsetType | None = UNSET
    password: Password | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    federated: list[dict[str, Any]] | UnsetType = UNSET


def view(request: Request, user: User) -> View:
    shown = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        "password_expires_at": iso_micros(user.password_ends_at),
        "options": user.options,
    }
    for name in ("default_project_id", "description", "email"):
        value = getattr(user, name)
        if value is not None:
            shown[name] = value
    if user.federated:
        shown["federated"] = list(user.federated)
    return views.linked(request, f"users/{user.id}", shown)


@resource.on("GET", "/v3/users", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    where = personas.listed(request.caller, "identity:list_users")
    users.narrow_by_password_end(where, request.asked("password_expires_at"))
    known_as = [request.asked(name) for name in ("idp_id", "protocol_id", "unique_id")]

    async def keep(lot: list[User]) -> list[User]:
        return [user for user in lot if federated_users.known_as(user, *known_as)]

    return await views.page(
        request, "users", USERS, view, where, columns=_FILTERS, keep=keep if any(known_as) else None
    )


async def _hashed(request: Request, fields: UserFields) -> str | None:
    if not isinstance(fields.password, str):
        return None
    users.check_shape(fields.password, request.parts.settings)
    return await request.parts.passwords.hash(fields.password)


@resource.on("POST", "/v3/users", may="token", decides="domain", tx="none")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "user", UserFields)
    given = fields.given()
    personas.need_manage(request.caller, given.get("domain_id"), "identity:create_user")
    views.required(given, "name")
    options = check_options(given.get("options", {}))
    hashed = await _hashed(request, fields)
    settings = request.parts.settings

    async def act(tx: Tx) -> User:
        await refuse_dead(request, tx)
        now = tx.clock.now()
        federated = federated_users.check(given.get("federated", []))
        await federation.check_known(tx, federated)
        new = User(
            id=tx.ids.hex(),
            name=given["name"],
            domain_id=given.get("domain_id") or users.default_domain(request.caller),
            enabled=given.get("enabled", True),
            default_project_id=given.get("default_project_id"),
            description=given.get("description"),
            email=given.get("email"),
            passwords=users.with_password((), hashed, now, settings, by_owner=False) if hashed else (),
            password_ends_at=users.ends_at(options, now, settings) if hashed else None,
            federated=federated,
            options=options,
            extra=extra,
        )
        return await users.create(tx, request.caller, new)

    return Reply(201, {"user": view(request, await transact(request.parts.store, act))})


@resource.on("GET", "/v3/users/{user_id}", may="token", decides="person")
async def show(request: Request) -> Reply:
    return Reply(
        200, {"user": view(request, await users.visible(request.tx, request.caller, request.values["user_id"]))}
    )


@resource.on("PATCH", "/v3/users/{user_id}", may="token", decides="domain", tx="none")
async def update(request: Request) -> Reply:
    fields, extra = views.read(request, "user", UserFields)
    views.check_change(request, "user")
    id = request.values["user_id"]
    async with request.parts.store.read() as tx:
        await users.managed(tx, request.caller, id, "identity:update_user")
    hashed = await _hashed(request, fields)
    settings = request.parts.settings

    async def act(tx: Tx) -> User:
        await refuse_dead(request, tx)
        changes = fields.given()
        now = tx.clock.now()
        before = await users.need(tx, id)
        if "options" in changes:
            changes["options"] = check_options(changes["options"], keep_none=True)
        options = {**before.options, **changes.get("options", {})}
        if "password" in changes:
            del changes["password"]
            kept = users.with_password(before.passwords, hashed, now, settings, by_owner=False) if hashed else ()
            changes |= {"passwords": kept, "password_ends_at": users.ends_at(options, now, settings)}
        elif "options" in changes and options.get("ignore_password_expiry") is True:
            changes["password_ends_at"] = None
        if "federated" in changes:
            changes["federated"] = federated_users.check(changes["federated"])
            await federation.check_known(tx, changes["federated"])
        if extra:
            changes["extra"] = extra
        return await users.update(tx, request.caller, id, changes)

    return Reply(200, {"user": view(request, await transact(request.parts.store, act))})


@writes(resource, "DELETE", "/v3/users/{user_id}", may="token", decides="domain")
async def delete(request: Request) -> Reply:
    await removal.user(request.tx, request.caller, request.values["user_id"])
    return Reply(204)


@resource.on("GET", "/v3/users/{user_id}/groups", may="token", decides="person")
async def list_groups(request: Request) -> Reply:
    id = request.values["user_id"]
    await users.visible(request.tx, request.caller, id, "identity:list_groups_for_user")
    where = groups.of_user(id)
    if request.caller.domain_id is not None:
        where.equal("domain_id", request.caller.domain_id)
    return await views.page(request, "groups", groups.GROUPS, group_dialect.view, where, columns=("name", "domain_id"))


@resource.on("GET", "/v3/users/{user_id}/projects", may="token", decides="person")
async def list_projects(request: Request) -> Reply:
    id = request.values["user_id"]
    await users.visible(request.tx, request.caller, id, "identity:list_user_projects")
    return await views.page(
        request,
        "projects",
        PROJECTS,
        project_dialect.view,
        scopes.projects_of(id),
        columns=project_dialect.FILTERS,
    )


class OwnPassword(Fields, frozen=True):
    password: Password
    original_password: str


@resource.on("POST", "/v3/users/{user_id}/password", may="public", tx="none")
async def change_own_password(request: Request) -> Reply:
    """No token: who knows the old password may set a new one, also when the old one has run out."""
    fields, _ = views.read(request, "user", OwnPassword)
    parts = request.parts
    await own_password.change(parts, request.values["user_id"], fields.original_password, fields.password)
    return Reply(204)
