"""Naming: whom a client means by an id, or by a name and a domain, found only where enabled.

A wrong name and a wrong password look (and take) the same to a client: nobody is told which it was.
"""

import msgspec

from trivet.domain.identity.people.users import USERS, User
from trivet.errors import Forbidden, Invalid
from trivet.store.tx import Tx

MESSAGE = "The request you have made requires authentication."


class DomainRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None


class UserRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


def unauthorized(message: str = MESSAGE) -> Forbidden:
    return Forbidden("auth.failed", message, status=401)


class Condition(msgspec.Struct, frozen=True):
    """On the rows of one table."""

    sql: str
    values: tuple[str, ...]


def user_condition(who: UserRef) -> Condition:
    """Enabled, in an enabled domain."""
    if who.id is not None:
        of_domain = "(SELECT enabled FROM projects WHERE id = users.domain_id) = 1"
        return Condition(f"id = ? AND enabled = 1 AND {of_domain}", (who.id,))
    if who.name is None or who.domain is None:
        raise Invalid("auth.user", "A user is named by its id, or by its name and its domain.")
    domain = enabled_domain(who.domain)
    return Condition(f"domain_id = {domain.sql} AND name = ? AND enabled = 1", (domain.value, who.name))


async def find_user(tx: Tx, who: UserRef) -> User | None:
    """None if there is no such one that is enabled."""
    wanted = user_condition(who)
    return await tx.find(USERS, wanted.sql, *wanted.values)


class EnabledDomain(msgspec.Struct, frozen=True):
    """A subquery for a domain's id, nothing if it is not there or disabled."""

    sql: str
    value: str


def enabled_domain(which: DomainRef) -> EnabledDomain:
    # By COALESCE, as the index has it that keeps names apart.
    named = "COALESCE(domain_id, '') = '' AND name = ?"
    if which.id is None and which.name is None:
        raise Invalid("auth.domain", "A domain is named by its id or its name.")
    condition, value = ("id = ? AND is_domain = 1", which.id) if which.id is not None else (named, which.name)
    return EnabledDomain(f"(SELECT id FROM projects WHERE {condition} AND enabled = 1)", value or "")
