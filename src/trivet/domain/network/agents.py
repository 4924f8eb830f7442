"""Network agents: what an operator says about the network's half of a host. The rest is the host's own."""

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.network.words import Text
from trivet.store.tx import Tx


class Said(Struct, frozen=True):
    description: str | None = None
    admin_state_up: bool = True


class AgentChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    description: Text | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET


NOTHING = Said()


async def all_said(tx: Tx) -> dict[str, Said]:
    rows = await tx.rows("SELECT host_id, description, admin_state_up FROM network_agents")
    return {str(row[0]): Said(row[1], bool(row[2])) for row in rows}


async def say(tx: Tx, host_id: str, change: AgentChange) -> None:
    old = (await all_said(tx)).get(host_id, NOTHING)
    await tx.run(
        "INSERT INTO network_agents (host_id, description, admin_state_up) VALUES (?, ?, ?) ON CONFLICT (host_id)"
        " DO UPDATE SET description = excluded.description, admin_state_up = excluded.admin_state_up",
        host_id,
        old.description if change.description is UNSET else change.description,
        int(old.admin_state_up if change.admin_state_up is UNSET else change.admin_state_up),
    )
