"""Rules on the graph: what a monitor calls down is at fault; a host whose echoes are gone is; where several of what
stands on one thing are, it is that thing; and where enough tenants complain of one thing, it is that."""

from collections.abc import Collection

from trivet.domain.causes.inference import WITNESSES, Case, Sign
from trivet.domain.causes.words import kind_of

_SHARE = 0.4
"""So many of those who have something there must complain."""
_FULL = 0.9
_LIFTED = {"feed": ("host", "switch"), "switch": ("nic",)}
"""What is lifted to which kind."""


def find(case: Case) -> set[str]:
    downs = [sign for sign in case.signs if sign.down]
    own = [sign for sign in downs if not sign.witness]
    ups = [sign for sign in case.signs if not sign.down]
    found = {sign.id.removeprefix("monitor:") for sign in own if sign.id.startswith("monitor:")}
    found |= _by_echoes(own, ups)
    found = _lowest(_lifted(found, own, ups), own)
    left = [sign for sign in downs if sign.witness and not found & sign.beneath.keys()]
    return found | _by_complaints(case, left, ups)


def _by_echoes(own: Collection[Sign], ups: Collection[Sign]) -> set[str]:
    down = _by_host(own)
    up = _by_host(ups)
    found = set()
    for host, probes in down.items():
        silent = probes & {"management", "tenant"}
        if silent and not up.get(host, set()) & {"management", "tenant"}:
            found.add(f"host:{host}")
        elif silent:
            signs = [sign for sign in own if sign.id in {f"probe:{host}:{probe}" for probe in silent}]
            found |= {c for sign in signs for c, full in sign.beneath.items() if kind_of(c) == "nic" and full >= _FULL}
    return found


def _by_host(signs: Collection[Sign]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sign in signs:
        kind, _, rest = sign.id.partition(":")
        if kind == "probe":
            host, _, probe = rest.partition(":")
            found.setdefault(host, set()).add(probe)
    return found


def _lifted(found: set[str], own: Collection[Sign], ups: Collection[Sign]) -> set[str]:
    """Two or more that stand on one thing, of which nothing else is well, are that thing."""
    contradicted = _contradicted(ups)
    for kind, lifted in _LIFTED.items():
        candidates = {c for sign in own for c in sign.beneath if kind_of(c) == kind} - contradicted
        for candidate in sorted(candidates, key=lambda c: (-_carries(c, own), c)):
            over = [sign for sign in own if sign.beneath.get(candidate, 0) >= _FULL]
            above = {one for sign in over for one in found & sign.beneath.keys() if kind_of(one) in lifted}
            if len(above) >= 2:
                found = (found - above) | {candidate}
    return found


def _lowest(found: set[str], own: Collection[Sign]) -> set[str]:
    """What a monitor calls down goes without saying where something beneath it is at fault."""
    for sign in own:
        if sign.id.startswith("monitor:"):
            component = sign.id.removeprefix("monitor:")
            if any(one in found and full >= _FULL for one, full in sign.beneath.items() if one != component):
                found = found - {component}
    return found


def _carries(component: str, signs: Collection[Sign]) -> int:
    return sum(1 for sign in signs if sign.beneath.get(component, 0) >= _FULL)


def _contradicted(ups: Collection[Sign]) -> set[str]:
    return {component for sign in ups for component, full in sign.beneath.items() if full >= _FULL}


def _by_complaints(case: Case, left: list[Sign], ups: Collection[Sign]) -> set[str]:
    contradicted = _contradicted(ups)
    found: set[str] = set()
    while True:
        said: dict[str, set[str]] = {}
        for sign in left:
            for component, strength in sign.beneath.items():
                if component not in contradicted and strength >= 0.5:
                    said.setdefault(component, set()).add(sign.witness)
        fit = [
            (len(witnesses), -case.projects.get(component, 0), component)
            for component, witnesses in said.items()
            if len(witnesses) >= WITNESSES and len(witnesses) >= _SHARE * case.projects.get(component, 0)
        ]
        if not fit:
            return found
        best = max(fit)[2]
        found.add(best)
        left = [sign for sign in left if best not in sign.beneath]
