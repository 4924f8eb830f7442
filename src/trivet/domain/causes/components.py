"""Components: how a card, a switch, a feed or the like is, as a monitor outside says it."""

from typing import Literal

from trivet.domain.causes.words import checked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Value = Literal["up", "down", "unknown"]
DETAIL_MAX = 500


class ComponentState(Record, frozen=True, kw_only=True):
    component: str
    value: Value
    detail: str = ""
    since: float
    said_at: float


COMPONENT_STATES = Table("component_states", ComponentState)


async def say(tx: Tx, component: str, value: Value, detail: str) -> ComponentState:
    now = tx.clock.now()
    known = await tx.find(COMPONENT_STATES, "component = ?", checked(component))
    detail = detail[:DETAIL_MAX]
    if known is None:
        new = ComponentState(id=tx.ids.uuid(), component=component, value=value, detail=detail, since=now, said_at=now)
        return await tx.insert(COMPONENT_STATES, new, detail=component)
    since = known.since if known.value == value else now
    return await tx.update(
        COMPONENT_STATES, known, note=component, value=value, detail=detail, since=since, said_at=now
    )


async def of(tx: Tx, components: set[str]) -> list[ComponentState]:
    return await tx.select(COMPONENT_STATES, Where().any_of("component", sorted(components)), order="component")
