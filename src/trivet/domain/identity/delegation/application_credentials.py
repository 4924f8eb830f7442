"""Application credentials: a secret that lets a program act as its user, in one project, with some of its roles.

A secret that we chose has 256 bits and needs no slow hash; one that the user chose gets that of a password.
"""

import hashlib
import hmac

import msgspec

from trivet.domain.callers import EC2_METHOD, Caller
from trivet.domain.identity import assignments, personas
from trivet.domain.identity.delegation import access_rules, bounds
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.projects import need as need_project
from trivet.domain.identity.people.roles import ROLES, Role, RoleMap
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_OURS = "sha256:"


class AppCredential(Record, frozen=True, kw_only=True):
    name: str
    user_id: str
    project_id: str
    secret_hash: str
    description: str | None = None
    role_ids: tuple[str, ...] = ()
    unrestricted: bool = False
    """May make and delete application credentials and trusts itself."""
    ends_at: float | None = None
    access_rule_ids: tuple[str, ...] | None = None
    """What it may call; None is everything."""


APP_CREDENTIALS = Table("app_credentials", AppCredential)


class RoleRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.id is None and self.name is None:
            raise ValueError("A role is named by its id or by its name")


def hash_ours(secret: str) -> str:
    return _OURS + hashlib.sha256(secret.encode()).hexdigest()


async def matches(passwords: Passwords, secret: str, hashed: str) -> bool:
    if hashed.startswith(_OURS):
        return hmac.compare_digest(hash_ours(secret), hashed)
    return await passwords.matches(secret, hashed)


async def told(tx: Tx, id: str) -> dict[str, object]:
    """What a token says of the one it was made with. Services elsewhere hold the program to its rules themselves."""
    found = await tx.need(APP_CREDENTIALS, id, "application credential")
    told: dict[str, object] = {"id": found.id, "name": found.name, "restricted": not found.unrestricted}
    rules = await rules_of(tx, found)
    if rules:
        told["access_rules"] = [
            {"id": rule.id, "path": rule.path, "method": rule.method, "service": rule.service} for rule in rules
        ]
    return told


# -- acts


def _may_see(caller: Caller, user_id: str, action: str) -> None:
    if user_id != caller.user_id:
        if caller.domain_id is not None:
            raise personas.refusal(action)
        personas.need_sees_all(caller, action)


def listed(caller: Caller, user_id: str) -> Where:
    _may_see(caller, user_id, "identity:list_application_credentials")
    return Where().equal("user_id", user_id)


async def visible(tx: Tx, caller: Caller, user_id: str, id: str) -> AppCredential:
    _may_see(caller, user_id, "identity:get_application_credential")
    found = await tx.get(APP_CREDENTIALS, id)
    if found is not None and found.user_id != user_id:
        raise personas.refusal("identity:get_application_credential")
    if found is None:
        raise NotFound("app_credential.absent", f"Could not find Application Credential: {id[:64]}.")
    return found


async def refuse_restricted(tx: Tx, caller: Caller) -> None:
    """A program must not give itself, or others, another way in."""
    if caller.oauth_token_id is not None or EC2_METHOD in caller.methods:
        raise Forbidden("app_credential.lent", "An OAuth token or an EC2 key gives nobody another way in.")
    if caller.app_credential_id is None:
        return
    own = await tx.get(APP_CREDENTIALS, caller.app_credential_id)
    if own is None or not own.unrestricted:
        raise Forbidden(
            "app_credential.restricted",
            "Using method 'application_credential' is not allowed for managing additional application credentials.",
        )


async def create(tx: Tx, caller: Caller, new: AppCredential) -> AppCredential:
    if new.ends_at is not None and new.ends_at <= tx.clock.now():
        raise Invalid("app_credential.ended", "Invalid application credential: it would have ended already.")
    if await tx.find(APP_CREDENTIALS, "user_id = ? AND name = ?", new.user_id, new.name) is not None:
        raise Conflict("app_credential.exists", f"Duplicate entry found with name {new.name[:64]}.")
    await bounds.check(tx, bounds.APP_CREDENTIALS, new.user_id)
    await hold(tx, PROJECTS, (await need_project(tx, new.project_id)).id)
    for rule_id in sorted(new.access_rule_ids or ()):
        await hold(tx, access_rules.ACCESS_RULES, rule_id)
    return await tx.insert(APP_CREDENTIALS, new)


async def delete(tx: Tx, caller: Caller, user_id: str, id: str) -> AppCredential:
    if user_id != caller.user_id:
        _may_see(caller, user_id, "identity:delete_application_credential")
        personas.need_operator(caller, "identity:delete_application_credential")
    if caller.trust_id is not None:
        raise personas.refusal("identity:delete_application_credential")
    found = await visible(tx, caller, user_id, id)
    await tx.delete(APP_CREDENTIALS, found)
    return found


async def chosen_roles(tx: Tx, known: RoleMap, caller: Caller, asked: list[RoleRef] | None) -> tuple[str, ...]:
    """Some of the roles that the caller has in its project; those of its token if none is named."""
    of_token = {known.ids[name] for name in caller.roles if name in known.ids}
    if not asked:
        return tuple(sorted(of_token))
    assert caller.project_id is not None
    mine = known.closed(await assignments.roles_on(tx, caller.user_id, "project", caller.project_id))
    if caller.app_credential_id is not None:
        mine &= of_token
    chosen = [ref.id if ref.id is not None else known.ids.get(ref.name or "", "") for ref in asked]
    for ref, id in zip(asked, chosen, strict=True):
        if ref.id is None and id not in known.by_id:
            raise NotFound("role.absent", f"Could not find role: {(ref.name or '')[:64]}.")
        if id not in mine:
            raise Invalid("app_credential.role", f"Could not find role assignment with role: {id[:64]}.")
    return tuple(dict.fromkeys(chosen))


async def roles_of(tx: Tx, credential: AppCredential) -> list[Role]:
    return await tx.select(ROLES, Where().any_of("id", credential.role_ids), order="name")


async def rules_of(tx: Tx, credential: AppCredential) -> list[access_rules.AccessRule] | None:
    """In the order in which they were given. None is everything; so is a list of none, which the stock client sends
    where nobody asked for rules."""
    if not credential.access_rule_ids:
        return None
    where = Where().any_of("id", credential.access_rule_ids)
    found = {rule.id: rule for rule in await tx.select(access_rules.ACCESS_RULES, where)}
    return [found[id] for id in credential.access_rule_ids if id in found]
