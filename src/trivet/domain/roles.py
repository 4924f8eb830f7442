"""Roles: names for what one may do. Some imply others: reader < member < manager < admin.

A role of a domain never stands in a token; only what it implies does.
"""

from typing import Any

from trivet.store.tables import Record, Table


class Role(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str | None = None
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


ROLES = Table("roles", Role)

LADDER = ("reader", "member", "manager", "admin")
"""Each implies the one before. These rules are the cloud's own and cannot be removed."""
