"""Tags: short words that a tenant hangs on things of the network service, kept with the thing and findable."""

from typing import Any

from trivet.errors import Invalid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_TAG_MAX = 255
_COUNT_MAX = 50


async def put(tx: Tx, table: Table[Any], record: Any, tags: tuple[str, ...]) -> Any:
    """Make these its tags."""
    for tag in tags:
        if not 0 < len(tag) <= _TAG_MAX:
            raise Invalid("tag.invalid", f"Invalid input for tags. Reason: '{tag[:32]}...' is not 1 to 255 characters.")
    if len(tags) > _COUNT_MAX:
        raise Invalid("tag.invalid", f"Invalid input for tags. Reason: more than {_COUNT_MAX} tags.")
    if len(set(tags)) != len(tags):
        raise Invalid("tag.invalid", "Invalid input for tags. Reason: tags must be unique.")
    await tx.run("DELETE FROM network_tags WHERE noun = ? AND noun_id = ?", table.name, record.id)
    for tag in tags:
        await tx.run("INSERT INTO network_tags (noun, noun_id, tag) VALUES (?, ?, ?)", table.name, record.id, tag)
    return await tx.update(table, record, tags=tags, updated_at=tx.clock.now())


async def forget(tx: Tx, noun: str, record: Record) -> None:
    if getattr(record, "tags", ()):
        await tx.run("DELETE FROM network_tags WHERE noun = ? AND noun_id = ?", noun, record.id)


def filtered(where: Where, noun: str, said: dict[str, list[str]]) -> None:
    """tags: all of them; tags-any: one of them; not-tags: not all of them; not-tags-any: none of them."""
    for name, tags in said.items():
        negated = name.startswith("not-")
        marks = ", ".join("?" for _ in tags)
        having = "" if name.endswith("-any") else f" GROUP BY noun_id HAVING COUNT(*) = {len(set(tags))}"
        where.add(
            f"id {'NOT ' if negated else ''}IN"
            f" (SELECT noun_id FROM network_tags WHERE noun = ? AND tag IN ({marks}){having})",
            noun,
            *tags,
        )
