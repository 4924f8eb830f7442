"""The floors of domain: a room imports only from rooms below it, so the rooms of one family never form a circle.

Each line is a floor, from below; rooms on one line do not know each other. The longest name that fits counts.
"""

from itertools import pairwise

from tests.house.house import PATHS, imports

FLOORS = (
    ("callers", "numbers", "ranks", "secrets", "shares"),
    ("orphans", "row_locks"),
    ("placement",),
    ("identity.personas", "identity.assignments", "identity.memory"),
    ("identity.operators", "identity.extras"),
    ("identity.tokens",),
    ("identity.people",),
    ("identity.catalog",),
    ("identity.delegation",),
    ("identity.grants",),
    ("identity.login",),
    ("limits",),
    ("alarms", "key_manager"),
    ("hosts", "images", "objects"),
    ("health", "registry", "volumes"),
    ("network.words", "network.limits", "network.tags", "network.addresses", "network.rbac_policies"),
    ("network.groups",),
    ("network.nets", "network.agents"),
    ("network.ports",),
    ("network.routers",),
    ("network.specs",),
    ("servers",),
    ("servers.containers",),
    ("causes", "recovery"),
    ("host_link",),
    ("removal", "seeds", "upgrade_check", "watch"),
)
ROOMS = {room: height for height, floor in enumerate(FLOORS) for room in floor}


def room_of(module: str) -> str | None:
    """The room of domain that a module stands in; none for what is not of domain, and for a family's own page."""
    inner = module.removeprefix("trivet.domain.")
    if inner == module or PATHS[module].name == "__init__.py":
        return None
    fitting = [room for room in ROOMS if inner == room or inner.startswith(f"{room}.")]
    assert fitting, f"{module} stands on no floor: say which, in FLOORS"
    return max(fitting, key=len)


def test_rooms_of_domain_import_only_downward() -> None:
    wrong = []
    for module in PATHS:
        here = room_of(module)
        for needed in imports(module):
            there = room_of(needed) if needed in PATHS else None
            if here and there and here != there and ROOMS[here] <= ROOMS[there]:
                wrong.append(f"{module} ({here}) imports {needed} ({there})")
    assert wrong == []


def test_every_room_on_the_plan_is_there() -> None:
    there = {room_of(module) for module in PATHS}
    assert [room for room in ROOMS if room not in there] == []


def test_a_family_stands_together() -> None:
    """What is between two rooms of one family is of that family, too, or the plan cannot be drawn as a house."""
    families = [floor[0].split(".")[0] for floor in FLOORS]
    runs = [families[0], *(after for before, after in pairwise(families) if before != after)]
    assert len(runs) == len(set(runs))
