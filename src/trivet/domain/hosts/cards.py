"""Cards: the network cards of hosts that are servers themselves, and where their cables end."""

from collections.abc import Collection, Sequence

import msgspec

from trivet.store.tx import Tx
from trivet.store.where import Where


class Card(msgspec.Struct, frozen=True):
    mac: str
    fabric: str
    """The physical network that its switch is part of."""
    first_vlan: int
    last_vlan: int
    """Which of its VLANs are for tenants' networks."""


async def set_cards(tx: Tx, host_id: str, cards: Sequence[Card]) -> None:
    """All that the host has, in order."""
    if await of_host(tx, host_id) == list(cards):
        return
    await tx.run("DELETE FROM host_cards WHERE host_id = ?", host_id)
    for number, card in enumerate(cards):
        values = (host_id, number, card.mac, card.fabric, card.first_vlan, card.last_vlan)
        await tx.run("INSERT INTO host_cards VALUES (?, ?, ?, ?, ?, ?)", *values)


async def of_host(tx: Tx, host_id: str) -> list[Card]:
    return (await of_hosts(tx, (host_id,))).get(host_id, [])


async def of_hosts(tx: Tx, host_ids: Collection[str]) -> dict[str, list[Card]]:
    found: dict[str, list[Card]] = {}
    if not host_ids:
        return found
    where = Where().any_of("host_id", sorted(host_ids))
    columns = "host_id, mac, fabric, first_vlan, last_vlan"
    for row in await tx.rows(f"SELECT {columns} FROM host_cards{where.sql} ORDER BY host_id, number", *where.values):
        found.setdefault(str(row[0]), []).append(Card(str(row[1]), str(row[2]), int(row[3]), int(row[4])))
    return found
