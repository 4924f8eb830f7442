"""Traits: what a provider can do, in one word. Standard ones are known to all; others begin with CUSTOM_."""

import re
from collections.abc import Iterable

from trivet.domain.placement.standard_traits import STANDARD_TRAITS
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx
from trivet.store.where import Where

SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""Such a provider lends its inventory to the trees that share an aggregate with it."""

_CUSTOM = re.compile(r"^CUSTOM_[A-Z0-9_]+\Z")
_LENGTH_MAX = 255


async def exists(tx: Tx, name: str) -> bool:
    return not await missing(tx, (name,))


async def missing(tx: Tx, names: Iterable[str]) -> set[str]:
    """The names among `names` that are no traits."""
    custom = set(names) - STANDARD_TRAITS
    if custom:
        where = Where().any_of("name", sorted(custom))
        custom -= {str(row[0]) for row in await tx.rows(f"SELECT name FROM custom_traits{where.sql}", *where.values)}
    return custom


async def need(tx: Tx, name: str) -> float | None:
    """When a trait was made (None: it always was); NotFound if it is none."""
    if name in STANDARD_TRAITS:
        return None
    row = await tx.row("SELECT created_at FROM custom_traits WHERE name = ?", name)
    if row is None:
        raise NotFound("trait.absent", f"No such trait(s): {name}.")
    return float(row[0])


async def create(tx: Tx, name: str) -> bool:
    """Whether it is new."""
    if not _CUSTOM.match(name) or len(name) > _LENGTH_MAX:
        raise Invalid(
            "trait.invalid",
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            '"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"',
        )
    return bool(await tx.run("INSERT INTO custom_traits VALUES (?, ?) ON CONFLICT DO NOTHING", name, tx.clock.now()))


async def delete(tx: Tx, name: str) -> None:
    await need(tx, name)
    if name in STANDARD_TRAITS:
        raise Invalid("trait.standard", f"Cannot delete standard trait {name}.")
    if await tx.row("SELECT 1 FROM provider_traits WHERE trait = ? LIMIT 1", name) is not None:
        raise Conflict("trait.in_use", f"The trait {name} is in use by a resource provider.")
    await tx.run("DELETE FROM custom_traits WHERE name = ?", name)


async def find(tx: Tx, *, names: set[str] | None, prefix: str | None, associated: bool | None) -> list[str]:
    """All that fit, sorted."""
    found = set(STANDARD_TRAITS)
    found |= {str(row[0]) for row in await tx.rows("SELECT name FROM custom_traits")}
    if names is not None:
        found &= names
    if prefix is not None:
        found = {name for name in found if name.startswith(prefix)}
    if associated is not None:
        used = {str(row[0]) for row in await tx.rows("SELECT DISTINCT trait FROM provider_traits")}
        found = found & used if associated else found - used
    return sorted(found)


async def of_provider(tx: Tx, provider_id: str) -> list[str]:
    rows = await tx.rows("SELECT trait FROM provider_traits WHERE provider_id = ? ORDER BY trait", provider_id)
    return [str(row[0]) for row in rows]


async def set_of_provider(tx: Tx, provider_id: str, names: set[str]) -> None:
    """The provider's generation is the caller's to move on."""
    has = set(await of_provider(tx, provider_id))
    for name in sorted(has - names):
        await tx.run("DELETE FROM provider_traits WHERE provider_id = ? AND trait = ?", provider_id, name)
    for name in sorted(names - has):
        await tx.run("INSERT INTO provider_traits VALUES (?, ?)", provider_id, name)
