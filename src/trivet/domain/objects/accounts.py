"""Accounts: one a project, made when its first container is, with what its owner says of it."""

import msgspec

from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import quotas
from trivet.domain.objects import names
from trivet.domain.row_locks import hold_known
from trivet.errors import Invalid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

CONTAINERS, OBJECTS, BYTES = "object_containers", "objects", "object_bytes"
"""What is counted of a project, and limited."""
META = "x-account-meta-"
ACL = "x-account-access-control"


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
