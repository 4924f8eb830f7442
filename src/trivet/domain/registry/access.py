"""Access: who logs in at the registry, and what his token is good for.

A token says for which repositories it is, what may be done there, and as whom: as the project that the repository is
in, or, where an image was shared or made public, as the project that sees it. It lives for some minutes, dies with
whatever it rests on, and is good for nothing but the registry.
"""

import re

import msgspec

from trivet.domain.callers import Caller, expanded
from trivet.domain.identity.delegation.application_credentials import APP_CREDENTIALS
from trivet.domain.identity.login import methods as auth_methods
from trivet.domain.identity.login import scopes as auth_scopes
from trivet.domain.identity.login import scoping
from trivet.domain.identity.login.methods import AppCredentialProof, Identity, PasswordProof, PasswordUser
from trivet.domain.identity.login.proven import Place
from trivet.domain.identity.login.receipts import MoreNeeded
from trivet.domain.identity.login.scoping import Scope
from trivet.domain.identity.people.naming import DomainRef, unauthorized
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.registry import adoption, manifests, names, repositories
from trivet.errors import Forbidden, Invalid
from trivet.parts import Parts
from trivet.store.tx import Tx

TOKEN_S = 300.0
TOKEN_USER = "token"  # noqa: S105 - the user's name of who has a token for a password
CATALOG = ("registry", "catalog", "*")
SCOPES_MAX = 16
PULL, PUSH, DELETE = "pull", "push", "delete"
_PROJECTS_MAX = 100
_ID = re.compile(r"^[0-9a-f]{32}\Z")


class Asked(msgspec.Struct, frozen=True):
    """What a token is wanted for."""

    type: str
    name: str
    actions: tuple[str, ...]


def scope(text: str) -> Asked:
    """Of `repository:NAME:pull,push`."""
    kind, _, rest = text.partition(":")
    name, _, actions = rest.rpartition(":")
    if not name or len(text) > 2 * names.NAME_MAX:
        raise Invalid("scope.invalid", f"The scope {text[:100]!r} is not like repository:NAME:pull,push.")
    return Asked(kind.partition("(")[0], name, tuple(dict.fromkeys(actions.split(","))))


# -- who


async def login(parts: Parts, user: str, password: str) -> Caller:
    """A user of identity, an application credential by its id, or `token` with a token."""
    if user == TOKEN_USER:
        return parts.tokens.caller(password)
    async with parts.store.read() as tx:
        by_credential = _ID.match(user) and await tx.get(APP_CREDENTIALS, user) is not None
        name, domain = user, DomainRef(id=DEFAULT_DOMAIN)
        if not by_credential and "@" in user:
            name, domain = await _split(tx, user)
    if by_credential:
        proof = AppCredentialProof(secret=password, id=user)
        identity = Identity(methods=("application_credential",), application_credential=proof)
        return await auth_methods.login(parts, identity, auth_methods.ScopeAsked())
    shown = PasswordUser(name=name, domain=domain, password=password)
    identity = Identity(methods=("password",), password=PasswordProof(shown))
    try:
        return await auth_methods.login(parts, identity, auth_methods.ScopeAsked(unscoped=True))
    except MoreNeeded as error:
        why = "A password is not enough for this user: log in with a token or an application credential."
        raise unauthorized(why) from error


async def _split(tx: Tx, user: str) -> tuple[str, DomainRef]:
    """`user@domain`, where there is such a domain; names of users may look like that, too."""
    name, _, domain = user.rpartition("@")
    sql = "SELECT id FROM projects WHERE is_domain = 1 AND (id = ? OR name = ?)"
    row = await tx.row(f"{sql} ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END LIMIT 1", domain, domain, domain)
    return (user, DomainRef(id=DEFAULT_DOMAIN)) if row is None else (name, DomainRef(id=str(row[0])))


# -- what for


async def token(parts: Parts, who: Caller, asked: list[Asked]) -> Caller:
    """What may not be is left out, and told by the request that needs it."""
    if len(asked) > SCOPES_MAX:
        raise Invalid("scope.too_many", f"A token is for {SCOPES_MAX} repositories at most.")
    now = parts.clock.now()
    async with parts.store.read() as tx:
        granted = [found for one in asked if (found := await _granted(tx, parts, who, one)) is not None]
    return msgspec.structs.replace(
        who,
        repositories=tuple(granted),
        issued_at=min(who.issued_at, now),
        ends_at=min(who.ends_at, now + TOKEN_S),
        audit_id=parts.ids.secret()[:22],
        parent_audit_id=who.parent_audit_id or who.audit_id,
    )


def _is_free(who: Caller) -> bool:
    """Speaks for a user wherever he has roles, and not for one project of his."""
    return not (who.project_id or who.domain_id or who.system or who.is_lent)


async def _granted(tx: Tx, parts: Parts, who: Caller, asked: Asked) -> tuple[str, str, str] | None:
    if (asked.type, asked.name) == CATALOG[:2]:
        return ":".join(CATALOG[:2]), "*", who.project_id or ""
    if asked.type != "repository":
        return None
    try:
        path = names.path(asked.name)
    except Invalid:
        return None
    project = await repositories.project_of(tx, path)
    if project is None:
        return None
    allowed = await _in_project(tx, parts, who, project)
    if allowed:
        return _grant(asked, allowed, project.id)
    repository = await repositories.of_project(tx, project.id, path.name)
    if not {PULL, "*"} & set(asked.actions):
        return None
    for project_id in await _projects(tx, who):
        viewer = Caller(user_id=who.user_id, roles=expanded(("reader",)), project_id=project_id)
        if repository is not None and await manifests.shown_to(tx, repository, project_id):
            return asked.name, PULL, project_id
        if await adoption.shown_to(tx, project.id, path.name, viewer):
            return asked.name, PULL, project_id
    return None


def _grant(asked: Asked, allowed: frozenset[str], project_id: str) -> tuple[str, str, str] | None:
    wanted = {PULL, PUSH, DELETE} if "*" in asked.actions else set(asked.actions)
    granted = [one for one in (PULL, PUSH, DELETE) if one in wanted & allowed]
    return (asked.name, ",".join(granted), project_id) if granted else None


async def _in_project(tx: Tx, parts: Parts, who: Caller, project: Project) -> frozenset[str]:
    if who.is_operator:
        return frozenset((PULL, PUSH, DELETE))
    roles = who.roles if who.project_id == project.id else frozenset[str]()
    if _is_free(who):
        place = Scope(project=Place(project.id, project.domain_id))
        roles = expanded(tuple(await scoping.roles_in(tx, parts.identity_memory, who.user_id, place)))
    if "member" in roles:
        return frozenset((PULL, PUSH, DELETE))
    return frozenset((PULL,)) if "reader" in roles else frozenset()


async def _projects(tx: Tx, who: Caller) -> list[str]:
    """As which he may look at what others show."""
    if _is_free(who):
        found = await tx.select(PROJECTS, auth_scopes.projects_of(who.user_id), order="id", limit=_PROJECTS_MAX)
        return [project.id for project in found]
    return [who.project_id] if who.project_id is not None and who.has("reader") else []


async def viewers(tx: Tx, caller: Caller) -> list[str]:
    """The projects whose repositories a catalog shows."""
    return await _projects(tx, caller)


# -- what a token that is shown lets do


def at(parts: Parts, caller: Caller, name: str | None) -> Caller:
    """Who the registry's token speaks for at this repository: a reader or a member of one project, and no more."""
    if name is None:
        return msgspec.structs.replace(caller, repositories=None)
    for granted, actions, project_id in caller.repositories or ():
        if granted == name:
            return _acting(parts, caller, actions, project_id)
    raise insufficient()


def _acting(parts: Parts, caller: Caller, actions: str, project_id: str) -> Caller:
    roles = expanded(("member",) if PUSH in actions or DELETE in actions else ("reader",))
    acting = msgspec.structs.replace(
        caller, repositories=None, roles=roles, project_id=project_id, domain_id=None, system=False
    )
    if parts.tokens.revocations.hit(acting):
        raise unauthorized()
    return acting


def insufficient() -> Forbidden:
    return Forbidden(
        "registry.scope", "The token is not for this repository, or not for what is asked of it.", status=401
    )
