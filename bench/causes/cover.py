"""Weighted cover: the cheapest set of faults that covers what is seen, taken greedily. What is well although it stands
on a fault, and who has something there and is silent, makes it dearer. Its weights were tuned on the stories 1000-1299,
as inference's were."""

from trivet.domain.causes.inference import WITNESSES, Case, Sign
from trivet.domain.causes.words import kind_of

COST = {
    "host": 1.0, "engine": 1.0, "chassis": 1.0, "nic": 0.9, "network": 1.5, "storage": 1.2, "switch": 1.5, "feed": 1.7,
}  # fmt: skip
_UP = 1.0
_SILENT = 0.15
_WORTH = 1.0
"""What a fault covers must be worth so many times its cost."""


def find(case: Case) -> set[str]:
    left = [sign for sign in case.signs if sign.down]
    ups = [sign for sign in case.signs if not sign.down]
    found: set[str] = set()
    while True:
        candidates = sorted({component for sign in left for component in sign.beneath} - found)
        worth = [(_value(component, left) / _cost(component, case, ups, left), component) for component in candidates]
        fit = [one for one in worth if one[0] >= _WORTH and _may(one[1], left)]
        if not fit:
            return found
        best = max(fit)[1]
        found.add(best)
        left = [sign for sign in left if sign.beneath.get(best, 0.0) < 0.5]


def _value(component: str, left: list[Sign]) -> float:
    own = sum(
        _weight(sign) * sign.beneath[component] for sign in left if not sign.witness and component in sign.beneath
    )
    said: dict[str, float] = {}
    for sign in left:
        if sign.witness and component in sign.beneath:
            said[sign.witness] = max(said.get(sign.witness, 0.0), sign.beneath[component])
    return own + sum(said.values())


def _weight(sign: Sign) -> float:
    return 4.0 if sign.id.startswith("monitor:") else 1.0 if sign.id.endswith(":agent") else 3.0


def _cost(component: str, case: Case, ups: list[Sign], left: list[Sign]) -> float:
    well = sum(sign.beneath[component] for sign in ups if component in sign.beneath)
    said = {sign.witness for sign in left if sign.witness and component in sign.beneath}
    silent = max(0, case.projects.get(component, 0) - len(said))
    return COST[kind_of(component)] + _UP * well + _SILENT * silent


def _may(component: str, left: list[Sign]) -> bool:
    signs = [sign for sign in left if component in sign.beneath]
    return any(not sign.witness for sign in signs) or len({sign.witness for sign in signs}) >= WITNESSES
