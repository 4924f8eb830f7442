"""Links: what operators declare of the machines: on which card, switch and power feed something stands."""

import msgspec

from trivet.domain.causes.words import STANDS_ON, checked, host_in, kind_of
from trivet.errors import Invalid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

ONE_MOST = 32
"""Of one component."""
IN_ORDER = (("component", False), ("stands_on", False), ("id", False))

_ORDER = "component, stands_on"


class Link(Record, frozen=True, kw_only=True):
    component: str
    stands_on: str
    redundant: bool = False
    """Another one stands in for it: it goes on when this one fails, if not as well."""
    created_at: float


TOPOLOGY_LINKS = Table("topology_links", Link)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    stands_on: str
    redundant: bool = False


async def declare(tx: Tx, component: str, wanted: tuple[Wanted, ...]) -> list[Link]:
    """All that it stands on from now on, besides what rows say."""
    component = checked(component)
    allowed = STANDS_ON.get(kind_of(component), frozenset())
    for one in wanted:
        if kind_of(checked(one.stands_on)) not in allowed or one.stands_on == component:
            may = ", ".join(sorted(allowed)) or "nothing that is declared"
            raise Invalid("topology_link.invalid", f"{component} may stand on: {may}; not on {one.stands_on[:64]}.")
        if kind_of(component) == "chassis" and host_in(one.stands_on) != host_in(component):
            raise Invalid("topology_link.invalid", f"{one.stands_on[:64]} is no card of {host_in(component)}.")
    if len({one.stands_on for one in wanted}) < len(wanted):
        raise Invalid("topology_link.twice", "Each component that it stands on is named once.")
    known = {link.stands_on: link for link in await of(tx, component)}
    for name, link in sorted(known.items()):
        if name not in {one.stands_on for one in wanted}:
            await tx.delete(TOPOLOGY_LINKS, link)
    for one in sorted(wanted, key=lambda one: one.stands_on):
        if one.stands_on in known:
            await tx.update(TOPOLOGY_LINKS, known[one.stands_on], redundant=one.redundant)
        else:
            new = Link(
                id=tx.ids.uuid(),
                component=component,
                stands_on=one.stands_on,
                redundant=one.redundant,
                created_at=tx.clock.now(),
            )
            await tx.insert(TOPOLOGY_LINKS, new, detail=component)
    return await of(tx, component)


async def of(tx: Tx, component: str) -> list[Link]:
    return await tx.select(TOPOLOGY_LINKS, Where().equal("component", component), order="stands_on")


async def below(tx: Tx, components: set[str]) -> list[Link]:
    return await tx.select(
        TOPOLOGY_LINKS, Where().any_of("component", sorted(components)), order="component, stands_on"
    )


async def above(tx: Tx, components: set[str]) -> list[Link]:
    return await tx.select(
        TOPOLOGY_LINKS, Where().any_of("stands_on", sorted(components)), order="component, stands_on"
    )


async def page(tx: Tx, where: Where, asked: Asked) -> list[Link]:
    return await lists.page(tx, TOPOLOGY_LINKS, where, asked, seen=Where())
