"""Network agents: what an operator says about the network's half of a host. The rest is the host's own."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.network.words import Text
from trivet.store.tx import Tx
from trivet.store.where import Where


class Said(Struct, frozen=True):
    description: str | None = None
    admin_state_up: bool = True


class AgentChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    description: Text | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET


NOTHING = Said()


async def said_of(tx: Tx, host_ids: Sequence[str]) -> dict[str, Said]:
    where = Where().any_of("host_id", host_ids)
    rows = await tx.rows(f"SELECT host_id, description, admin_state_up FROM network_agents{where.sql}", *where.values)
    return {str(row[0]): Said(row[1], bool(row[2])) for row in rows}


def switched(where: Where, on: Sequence[bool]) -> None:
    """Narrow hosts to those whose agent is one of these, on or off."""
    off = "id IN (SELECT host_id FROM network_agents WHERE admin_state_up = 0)"
    where.either([Where().add(f"NOT {off}" if each else off) for each in on])


async def say(tx: Tx, host_id: str, change: AgentChange) -> None:
    old = (await said_of(tx, [host_id])).get(host_id, NOTHING)
    await tx.run(
        "INSERT INTO network_agents (host_id, description, admin_state_up) VALUES (?, ?, ?) ON CONFLICT (host_id)"
        " DO UPDATE SET description = excluded.description, admin_state_up = excluded.admin_state_up",
        host_id,
        old.description if change.description is UNSET else change.description,
        int(old.admin_state_up if change.admin_state_up is UNSET else change.admin_state_up),
    )
