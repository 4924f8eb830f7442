"""Users: who may log in, and how they prove who they are."""

import re
from typing import Any

import msgspec

from trivet.clock import parse_iso
from trivet.domain.callers import Caller
from trivet.domain.identity import extras, operators, personas
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS
from trivet.domain.identity.people.projects import need as need_project
from trivet.domain.identity.tokens import revocations
from trivet.errors import Conflict, Invalid, NotFound
from trivet.settings import Settings
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

DAY_S = 86_400.0


class PasswordOf(msgspec.Struct, frozen=True):
    hash: str
    at: float
    by_owner: bool = False
    """Chosen by the user, not set by an administrator."""


class User(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str
    enabled: bool = True
    default_project_id: str | None = None
    description: str | None = None
    email: str | None = None
    passwords: tuple[PasswordOf, ...] = ()
    """Newest first; the others are the history that may not be chosen again."""
    password_ends_at: float | None = None
    federated: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


USERS = Table("users", User)


async def need(tx: Tx, id: str) -> User:
    found = await tx.get(USERS, id)
    if found is None:
        raise NotFound("user.absent", f"Could not find user: {id[:64]}.")
    return found


async def visible(tx: Tx, caller: Caller, id: str, action: str = "identity:get_user") -> User:
    """Oneself, or one that the caller looks after."""
    found = await tx.get(USERS, id)
    if id != caller.user_id:
        personas.need_look(caller, found.domain_id if found else None, action)
    return found or await need(tx, id)


async def managed(tx: Tx, caller: Caller, id: str, action: str) -> User:
    """Not an operator, for who manages only the domain: whoever sets a user's password can be that user."""
    found = await tx.get(USERS, id)
    personas.need_manage(caller, found.domain_id if found else None, action)
    await operators.refuse_acting_on(tx, caller, action, actor_id=id)
    return found or await need(tx, id)


def default_domain(caller: Caller) -> str:
    """The domain for what is made without naming one."""
    return caller.domain_id or caller.project_domain_id or DEFAULT_DOMAIN


async def create(tx: Tx, caller: Caller, new: User) -> User:
    await need_project(tx, new.domain_id, noun="domain")
    await _free_name(tx, new.name, new.domain_id)
    await _check_default_project(tx, new.default_project_id)
    return await tx.insert(USERS, new)


async def _free_name(tx: Tx, name: str, domain_id: str) -> None:
    if await tx.find(USERS, "domain_id = ? AND name = ?", domain_id, name) is not None:
        raise Conflict("user.exists", f"Duplicate entry found with name {name[:64]} at domain ID {domain_id}.")


async def _check_default_project(tx: Tx, project_id: str | None) -> None:
    """That it exists is not asked; that it is no domain is."""
    project = await tx.get(PROJECTS, project_id) if project_id is not None else None
    if project is not None and project.is_domain:
        raise Invalid("user.default_project", "A domain cannot be a user's default project.")


async def update(tx: Tx, caller: Caller, id: str, changes: dict[str, Any]) -> User:
    found = await managed(tx, caller, id, "identity:update_user")
    if changes.get("domain_id", found.domain_id) != found.domain_id:
        raise Invalid("user.fixed", "The domain of a user cannot be changed.")
    if changes.get("name", found.name) != found.name:
        await _free_name(tx, changes["name"], found.domain_id)
    if "default_project_id" in changes:
        await _check_default_project(tx, changes["default_project_id"])
    if (changes.get("enabled") is False and found.enabled) or "passwords" in changes:
        await revocations.cut(tx, "user", id)
    if "passwords" in changes or changes.get("enabled") is True:
        await tx.run("DELETE FROM failed_logins WHERE user_id = ?", id)
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    if "options" in changes:
        changes["options"] = extras.options(found.options, changes["options"])
    return await tx.update(USERS, found, **changes)


# -- passwords


def check_shape(password: str, settings: Settings) -> None:
    if settings.password_regex and not re.match(settings.password_regex, password):
        raise Invalid("password.shape", f"The password does not match the requirements: {settings.password_regex}.")


def with_password(
    found: tuple[PasswordOf, ...], hashed: str, now: float, settings: Settings, *, by_owner: bool
) -> tuple[PasswordOf, ...]:
    """Newest first, and as many old ones as may not come back."""
    kept = found[: max(settings.password_history - 1, 0)]
    return (PasswordOf(hash=hashed, at=now, by_owner=by_owner), *kept)


def ends_at(options: dict[str, Any], now: float, settings: Settings) -> float | None:
    if not settings.password_days or options.get("ignore_password_expiry") is True:
        return None
    return now + settings.password_days * DAY_S


_COMPARE = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "eq": "=", "neq": "<>"}


def narrow_by_password_end(where: Where, asked: str | None) -> Where:
    """To those whose password ends as asked: lt:2030-01-01T00:00:00Z, or a time alone."""
    if asked is None:
        return where
    how, colon, text = asked.partition(":")
    if how not in _COMPARE:
        if colon and how.isalpha():
            raise Invalid("query.invalid", f"The given operator {how[:16]} is not one of {', '.join(_COMPARE)}.")
        how, text = "eq", asked
    try:
        at = parse_iso(text)
    except ValueError as error:
        raise Invalid("query.invalid", "Timestamp not in expected format.") from error
    return where.add(f"password_ends_at {_COMPARE[how]} ?", at)
