"""Accounts: one a project, made when its first container is, with what its owner says of it."""

import msgspec

from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import limits, quotas
from trivet.domain.numbers import whole_number
from trivet.domain.objects import names
from trivet.domain.row_locks import hold_known
from trivet.errors import Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

CONTAINERS, OBJECTS, BYTES = "object_containers", "objects", "object_bytes"
LIMITS = {CONTAINERS: 10_000, OBJECTS: 1_000_000, BYTES: 1 << 40}
"""What a project may have unless somebody says otherwise."""
"""What is counted of a project, and limited."""
META = "x-account-meta-"
ACL = "x-account-access-control"
QUOTAS = {f"{META}quota-bytes": BYTES, "x-account-quota-bytes": BYTES, "x-account-quota-count": OBJECTS}
"""Swift's words for limits of the project, which its operator sets."""


class Account(Record, frozen=True, kw_only=True):
    """`id` is the project's."""

    metadata: dict[str, str] = {}
    created_at: float


class Totals(msgspec.Struct, frozen=True):
    containers: int
    objects: int
    bytes: int


ACCOUNTS = Table("object_accounts", Account, logged=False)


async def find(tx: Tx, project_id: str) -> Account:
    """As it is, or as it would be."""
    return await tx.get(ACCOUNTS, project_id) or Account(id=project_id, created_at=tx.clock.now())


async def ensure(tx: Tx, project_id: str) -> Account:
    found = await tx.get(ACCOUNTS, project_id)
    if found is None:
        await hold_known(tx, PROJECTS, project_id, "project")
        found = Account(id=project_id, created_at=tx.clock.now())
        if not await tx.insert_new(ACCOUNTS, found):
            found = await tx.need(ACCOUNTS, project_id, "account")
    return found


async def totals(tx: Tx, project_id: str) -> Totals:
    used = await quotas.used_all(tx, project_id)
    return Totals(*(max(0, used.get(what, 0)) for what in (CONTAINERS, OBJECTS, BYTES)))


async def describe(tx: Tx, project_id: str, changes: dict[str, str]) -> None:
    account = await ensure(tx, project_id)
    await tx.update(ACCOUNTS, account, metadata=merged(META, account.metadata, changes))


def merged(prefix: str, before: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """An empty value takes a header away. What has come together over many requests is bounded like one."""
    after = {name: value for name, value in (before | changes).items() if value}
    if changes:
        names.check_metadata(prefix, changes)
        try:
            names.check_metadata(prefix, after)
        except Invalid:
            # Whoever only takes away is let: it was too much before.
            if any(changes.values()):
                raise
    return after


async def set_quotas(tx: Tx, project_id: str, said: dict[str, str]) -> None:
    """An empty one takes the project back to the default."""
    if said and await tx.get(PROJECTS, project_id) is None:
        raise NotFound("account.absent", "The resource could not be found.")
    for header, text in said.items():
        resource, most = QUOTAS[header], whole_number(text)
        if most is not None:
            await limits.set_limit(tx, project_id, resource, most)
        elif text:
            raise Invalid("account.quota", f"{header} must be a whole number.")
        else:
            await limits.reset_limits(tx, project_id, [resource])


async def quotas_of(tx: Tx, project_id: str) -> dict[str, str]:
    """Those that were set for this project."""
    found = await tx.rows(
        "SELECT resource_name, resource_limit FROM limits WHERE scope_id = ? AND resource_name IN (?, ?)"
        " AND resource_limit >= 0",
        project_id,
        BYTES,
        OBJECTS,
    )
    words = {BYTES: f"{META}quota-bytes", OBJECTS: "x-account-quota-count"}
    return {words[str(name)]: str(limit) for name, limit in found}
