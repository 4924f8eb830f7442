"""Inference: the set of faults that explains best what is seen, as a noisy-or network says (decision 0175). Pure.

A fault shows in each sign of what stands on it with some chance, and each sign shows by itself now and then. The set
with the highest posterior is sought greedily, with exchange and removal; how sure one of its faults is, is told by how
much worse all sets are that do without it. Signs that are well speak against a fault as much as those that are not
speak for it, and so do projects that have something there and say nothing.

What tenants say weighs by witnesses who do not depend on each other, and never by how often or about how much one
speaks: one's words about a component together weigh as one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from trivet.domain.causes.words import host_in, kind_of

PRIOR = {
    "host": 2e-3,
    "engine": 2e-3,
    "chassis": 2e-3,
    "nic": 4e-3,
    "network": 6e-4,
    "storage": 1e-3,
    "switch": 6e-4,
    "feed": 4e-4,
}
"""How likely one of such is at fault, before anything is seen. A card stands for its cable and plugs, too."""
SHOWS = 0.9995
"""How surely a probe or a monitor sees a fault: what is dead does not answer."""
SAID_ANYWAY = 0.01
"""How often a project reports something in that hour that is no fault of ours."""
SAYS_LEAST, SAYS_MOST = 0.08, 0.8
"""How many of those whom a fault meets say so; where between is taken from the case itself."""
SURE = 0.8
WITNESSES = 3
"""So many at least, where nothing is seen by the cloud itself."""
_SUSPECT = 0.1
_EVEN = 1e-9
_FAULTS_MOST = 64
_ROUNDS = 8


class Sign(msgspec.Struct, frozen=True):
    id: str
    down: bool
    beneath: Mapping[str, float]
    """Component -> how strongly its fault would show here."""
    alone: float = SAID_ANYWAY
    """How often it shows without any fault."""
    witness: str = ""
    """Who says so; empty: the cloud saw it itself."""


class Case(msgspec.Struct, frozen=True):
    signs: Sequence[Sign]
    projects: Mapping[str, int]
    """Component -> how many projects have something that stands on it."""


class Found(msgspec.Struct, frozen=True):
    component: str
    confidence: float
    signs: tuple[str, ...]
    """Those that it explains."""
    witnesses: int
    seen: bool
    """The cloud itself sees it, in one sign at least."""
    instead: tuple[str, ...] = ()
    """What of the same host nothing tells from it."""


def find(case: Case) -> list[Found]:
    """The faults that are sure enough, by component."""
    search = _Search(case)
    search.run()
    found = [told for component in sorted(search.faults) if (told := search.told(component)) is not None]
    return [one for one in found if one.seen or one.witnesses >= WITNESSES]


class _Search:
    def __init__(self, case: Case) -> None:
        self._signs = case.signs
        self._shows: dict[str, list[tuple[int, float, float]]] = {}
        """Candidate -> signs that stand on it, with the chance that its fault shows there, and what each weighs."""
        self._cost: dict[str, float] = {}
        candidates = {component for sign in case.signs if sign.down for component in sign.beneath}
        standing: dict[str, list[int]] = {component: [] for component in candidates}
        for number, sign in enumerate(case.signs):
            for component in sign.beneath:
                if component in standing:
                    standing[component].append(number)
        for component, numbers in standing.items():
            self._describe(component, numbers, case.projects.get(component, 0))
        self._quiet = [1.0] * len(case.signs)
        """The chance that none of the faults so far shows in a sign."""
        self.faults: set[str] = set()

    def _describe(self, component: str, numbers: list[int], projects: int) -> None:
        said = Counter(self._signs[n].witness for n in numbers if self._signs[n].witness)
        projects = max(projects, len(said), 1)
        says = min(max(len(said) / projects, SAYS_LEAST), SAYS_MOST)
        prior = PRIOR[kind_of(component)]
        silent = (projects - len(said)) * math.log((1 - says) / (1 - SAID_ANYWAY))
        self._cost[component] = math.log(prior / (1 - prior)) + silent
        self._shows[component] = [
            (n, sign.beneath[component] * (says if sign.witness else SHOWS), 1.0 / said.get(sign.witness, 1))
            for n in numbers
            for sign in [self._signs[n]]
        ]

    # -- the posterior

    def _worth(self, number: int, quiet: float) -> float:
        """The sign's part of the posterior, against that of no fault at all."""
        sign = self._signs[number]
        if not sign.down:
            return math.log(quiet)
        return math.log((1 - (1 - sign.alone) * quiet) / sign.alone)

    def _gain(self, component: str, weighs: Mapping[int, float] = {}) -> float:
        """What the posterior gains by one more fault. `weighs`: what signs weigh for what it takes the place of, so
        that a witness's words do not count for more because they are divided among several."""
        gain = self._cost[component]
        for number, chance, weight in self._shows[component]:
            quiet = self._quiet[number]
            gain += min(weight, weighs.get(number, 1.0)) * (
                self._worth(number, quiet * (1 - chance)) - self._worth(number, quiet)
            )
        return gain

    def _add(self, component: str) -> None:
        self.faults.add(component)
        for number, chance, _ in self._shows[component]:
            self._quiet[number] *= 1 - chance

    def _remove(self, component: str) -> None:
        self.faults.discard(component)
        for number, chance, _ in self._shows[component]:
            self._quiet[number] /= 1 - chance

    # -- the search

    def run(self) -> None:
        for _ in range(_ROUNDS):
            grown, _ = self._grow()
            if not self._mend() and not grown:
                return

    def _grow(self, instead_of: str = "") -> tuple[list[str], float]:
        """Adds what improves it, the best first; what that was, and what it gained."""
        added: list[str] = []
        gained = 0.0
        weighs = {number: weight for number, _, weight in self._shows.get(instead_of, ())}
        while len(self.faults) < _FAULTS_MOST:
            best, gain = self._best(self._shows.keys() - self.faults - {instead_of}, weighs)
            if best is None or gain <= 0.0:
                break
            self._add(best)
            added.append(best)
            gained += gain
        return added, gained

    def _mend(self) -> bool:
        """Leaves out, or exchanges for another or for several, what these explain better by now."""
        changed = False
        for component in sorted(self.faults):
            self._remove(component)
            own = self._gain(component)
            added, gained = self._grow(component)
            if gained > max(own, 0.0) + _EVEN or own <= 0.0:
                changed = True
                continue
            for one in added:
                self._remove(one)
            self._add(component)
        return changed

    def _best(self, components: Iterable[str], weighs: Mapping[int, float]) -> tuple[str | None, float]:
        best, most = None, -math.inf
        for component in sorted(components):
            gain = self._gain(component, weighs)
            if gain > most + _EVEN:
                best, most = component, gain
        return best, most

    def _rivals(self, component: str) -> set[str]:
        """What else would explain something of the same."""
        signs = (self._signs[number] for number, _, _ in self._shows[component])
        return {other for sign in signs if sign.down for other in sign.beneath} - self.faults - {component}

    def told(self, component: str) -> Found | None:
        """None: it is not sure enough. Where it is only unsure which part of a host it is, that is told along."""
        rivals = self._rivals(component)
        explained = [n for n, _, _ in self._shows[component] if self._signs[n].down and self._explains(component, n)]
        self._remove(component)
        own = self._gain(component)
        odds = {other: math.exp(min(self._gain(other) - own, 50.0)) for other in sorted(rivals)}
        several = self._several(component, own)
        self._add(component)
        share = 1.0 / (1.0 + math.exp(min(-own, 50.0)) + sum(odds.values()) + several)
        host = host_in(component)
        here = {other: odds[other] * share for other in odds if host is not None and host_in(other) == host}
        if share + sum(here.values()) < SURE:
            return None
        return Found(
            component=component,
            confidence=round(share, 3),
            signs=tuple(self._signs[n].id for n in explained),
            witnesses=len({self._signs[n].witness for n in explained} - {""}),
            seen=any(not self._signs[n].witness for n in explained),
            instead=tuple(other for other, chance in here.items() if chance >= _SUSPECT),
        )

    def _several(self, component: str, own: float) -> float:
        """The odds of several faults in the place of this one."""
        added, gained = self._grow(component)
        for one in added:
            self._remove(one)
        return math.exp(min(gained - own, 50.0)) if len(added) > 1 else 0.0

    def _explains(self, component: str, number: int) -> bool:
        """Whether the sign is this fault's rather than another's."""
        beneath = self._signs[number].beneath
        return all(beneath[component] >= beneath.get(other, 0.0) for other in self.faults)


def independent(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(who counts as one, user) -> witness. Whoever shares either with another is one witness with him."""
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    known = sorted(set(pairs))
    for whose, user in known:
        leader[lead(f"whose:{whose}")] = lead(f"user:{user}")
    return {(whose, user): lead(f"user:{user}") for whose, user in known}
