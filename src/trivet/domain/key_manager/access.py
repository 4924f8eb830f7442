"""Who may do what with a secret or a container of secrets.

A member of its project may use it, unless it is private: then only who made it, and the project's administrators.
Whoever is in its access list reads it, from whatever project. Clouds that were made before those roles use others:
creator, observer and audit are here what they were there.
"""

from typing import Protocol

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.key_manager.words import not_allowed

CREATE = frozenset(("creator",))
READ = frozenset(("creator", "observer"))
LOOK = frozenset(("creator", "observer", "audit", "key-manager:service-admin"))
"""Older roles: who makes; who reads what is secret, too; who sees what there is."""


class Owned(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def project_id(self) -> str: ...
    @property
    def creator_id(self) -> str: ...


class Owner(msgspec.Struct, frozen=True):
    """Of what is made: the project, and who made it in there."""

    project_id: str
    creator_id: str


class Rules(msgspec.Struct, frozen=True):
    """Of one thing: whether its project has access, and who else reads it."""

    project_access: bool = True
    users: tuple[str, ...] = ()


def acts_in_project(caller: Caller, role: str, older: frozenset[str]) -> bool:
    return caller.project_id is not None and (caller.has(role) or bool(older & caller.roles))


def need_in_project(caller: Caller, role: str, older: frozenset[str], doing: str) -> str:
    """The project that he acts in."""
    if caller.project_id is None or not acts_in_project(caller, role, older):
        raise not_allowed(doing)
    return caller.project_id


def may_use(caller: Caller, thing: Owned, rules: Rules, older: frozenset[str]) -> bool:
    if not caller.owns(thing.project_id):
        return False
    if caller.has("admin"):
        return True
    made = caller.user_id == thing.creator_id and (caller.has("member") or "creator" in caller.roles)
    return made or (rules.project_access and acts_in_project(caller, "member", older))


def may_read(caller: Caller, thing: Owned, rules: Rules, older: frozenset[str]) -> bool:
    return may_use(caller, thing, rules, older) or caller.user_id in rules.users
