"""Users: who may log in, and how they prove who they are."""

from typing import Any

import msgspec

from trivet.store.tables import Record, Table


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
