"""Consumers: who says that he uses a secret or a container, so that nobody takes it away from under him."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.key_manager import limits, listing
from trivet.domain.key_manager.listing import Page
from trivet.errors import Forbidden, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Consumer(Record, frozen=True, kw_only=True):
    project_id: str
    target_id: str
    service: str
    """Of a container's: its name."""
    resource_type: str = ""
    resource_id: str
    """Of a container's: a URL."""
    created_at: float
    updated_at: float


class Use(msgspec.Struct, frozen=True):
    """What a consumer says of itself; of a container's there is no type."""

    service: str
    resource_type: str
    resource_id: str


CONSUMERS = Table("secret_consumers", Consumer)
_SHOWN_MAX = 1000


async def of(tx: Tx, target_id: str) -> list[Consumer]:
    where = Where().equal("target_id", target_id)
    return await tx.select(CONSUMERS, where, order=listing.OLDEST_FIRST, limit=_SHOWN_MAX)


async def page(tx: Tx, target_id: str, wanted: Page) -> tuple[list[Consumer], int]:
    return await listing.page(tx, CONSUMERS, Where().equal("target_id", target_id), wanted)


async def add(tx: Tx, project_id: str, target_id: str, use: Use) -> None:
    """Who is there already stays."""
    now = tx.clock.now()
    new = Consumer(
        id=tx.ids.uuid(),
        project_id=project_id,
        target_id=target_id,
        service=use.service,
        resource_type=use.resource_type,
        resource_id=use.resource_id,
        created_at=now,
        updated_at=now,
    )
    if await tx.insert_new(CONSUMERS, new):
        limits.take(tx, project_id, "consumers")


async def remove(tx: Tx, caller: Caller, target_project_id: str, target_id: str, use: Use) -> None:
    found = await tx.find(
        CONSUMERS,
        "target_id = ? AND service = ? AND resource_type = ? AND resource_id = ?",
        target_id,
        use.service,
        use.resource_type,
        use.resource_id,
    )
    if found is None:
        raise NotFound("consumer.absent", "Consumer not found.")
    if not caller.owns(found.project_id) and not caller.owns(target_project_id):
        raise Forbidden("consumer.not_yours", "Not Allowed. Sorry, only the creator of a consumer can delete it.")
    await tx.delete(CONSUMERS, found)
    limits.give_back(tx, found.project_id, "consumers")


async def drop_all(tx: Tx, target_id: str) -> None:
    """Of what goes, one by one in the order of their ids."""
    for found in await tx.select(CONSUMERS, Where().equal("target_id", target_id), order="id"):
        await tx.delete(CONSUMERS, found)
        limits.give_back(tx, found.project_id, "consumers")
