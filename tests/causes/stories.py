"""Stories: faults that begin, what probes, monitors and tenants say of them and when, and what is said for nothing.

How often who says what is drawn anew for each story, by other rules than inference believes in: between a tenth and
nine tenths of those whom a fault meets report it, some late, some by the wrong word; some who are not met report
something too, one in some stories without end; probes fail, and look at some hosts not at all.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from tests.causes import worlds
from tests.causes.worlds import Machine, World
from trivet.domain.causes.words import Symptom

BEGINS_S = 60.0
LASTS_S = 600.0
WITNESSES = 3
"""So many must have reported what the cloud itself does not see: fewer are never believed, whatever they say."""

_KINDS = {
    "nic": 20, "host": 12, "engine": 12, "chassis": 12, "switch": 14, "feed": 10, "storage": 13, "network": 7,
}  # fmt: skip
_SAID: dict[str, tuple[Symptom, ...]] = {
    "network": ("unreachable", "unreachable", "packet_loss", "slow_network"),
    "compute": ("unresponsive", "unresponsive", "crashed", "slow"),
    "storage": ("io_error", "io_error", "slow_io", "data_corrupted", "unresponsive"),
    "power": ("unreachable", "unreachable", "unresponsive", "crashed"),
}
_ALL: tuple[Symptom, ...] = (
    "unreachable", "packet_loss", "slow_network", "unresponsive", "crashed", "slow", "io_error", "slow_io", "other",
)  # fmt: skip


class Fact(NamedTuple):
    at: float
    what: str
    """probe, monitor or report"""
    where: str
    """HOST PROBE, a component, or a server."""
    says: str
    """up, down, unknown, or a symptom."""
    user: str = ""


@dataclass
class Story:
    seed: int
    world: World
    faults: set[str] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)
    healing: list[Fact] = field(default_factory=list)

    @property
    def manifest(self) -> set[str]:
        """Faults that show: in a sign of the cloud's own, or in what enough tenants say."""
        return {fault for fault in self.faults if fault in self._shown}

    _shown: set[str] = field(default_factory=set)

    def show(self, fault: str) -> None:
        self._shown.add(fault)


def tell(seed: int) -> Story:
    chance = Random(seed)
    story = Story(seed, worlds.make(chance))
    (count,) = chance.choices((0, 1, 2, 3), (15, 60, 20, 5))
    for _ in range(count):
        _choose(story, chance)
    _well(story)
    says = chance.uniform(0.1, 0.9)
    for fault in sorted(story.faults):
        _happen(story, chance, fault, says)
    _noise(story, chance)
    story.facts.sort()
    story.healing.sort()
    return story


def _choose(story: Story, chance: Random) -> None:
    """A fault that no other one hides."""
    (kind,) = chance.choices(list(_KINDS), list(_KINDS.values()))
    of_kind = [component for component in sorted(story.world.components()) if component.startswith(f"{kind}:")]
    chance.shuffle(of_kind)
    for component in of_kind:
        own = _effect(story.world, component)
        if own.is_empty() or any(_hides(_effect(story.world, other), own) for other in story.faults):
            continue
        if not any(_hides(own, _effect(story.world, other)) for other in story.faults):
            story.faults.add(component)
            return


class Effect(NamedTuple):
    """What a fault does to whom."""

    family: str
    hosts: frozenset[str]
    """That are dead."""
    cut: frozenset[str]
    """Hosts whose packets between hosts do not pass."""
    unmanaged: frozenset[str]
    machines: frozenset[Machine]

    def is_empty(self) -> bool:
        return not (self.hosts or self.cut or self.unmanaged or self.machines)


def _hides(one: Effect, other: Effect) -> bool:
    """Whether nothing of the other can be seen beside it, or hardly anything."""
    dead = one.hosts | other.hosts
    met = {machine for machine in other.machines if machine.host not in one.hosts}
    if one.family in (other.family, "power"):
        met -= one.machines
    if other.unmanaged and not other.cut:
        return other.unmanaged <= one.unmanaged | dead
    return len(met) * 2 < len(other.machines) or (bool(other.cut) and other.cut <= (one.cut | dead))


def _effect(world: World, component: str) -> Effect:
    kind, _, name = component.partition(":")
    dead: set[str] = set()
    cut: set[str] = set()
    unmanaged: set[str] = set()
    family = {"engine": "compute", "storage": "storage", "host": "power", "feed": "power"}.get(kind, "network")
    met: set[Machine] = set()
    if kind in ("host", "feed"):
        dead = (
            {name} if kind == "host" else {h for h in world.hosts if (f"feed:{name}", False) in world.on(f"host:{h}")}
        )
        cut = unmanaged = dead
    elif kind in ("nic", "switch"):
        cards = {component} if kind == "nic" else {above for above, _ in world.carried(component)}
        unmanaged = {h for h in world.hosts if f"nic:{h}:management" in cards}
        cut = {h for h in world.hosts if any(on in cards and not r for on, r in world.on(f"chassis:{h}"))}
    elif kind in ("chassis", "engine"):
        met = {machine for machine in world.machines if machine.host == name}
    elif kind == "storage":
        met = {machine for machine in world.machines if name in machine.backends}
    else:
        met = {machine for machine in world.machines if name in machine.networks}
    met |= {machine for machine in world.machines if machine.host in cut}
    return Effect(family, frozenset(dead), frozenset(cut), frozenset(unmanaged), frozenset(met))


def _well(story: Story) -> None:
    """Before anything happens."""
    for host, probes in story.world.probes.items():
        story.facts += [Fact(0.0, "probe", f"{host} {probe}", "up") for probe in probes]
    story.facts += [Fact(0.0, "monitor", component, "up") for component in sorted(story.world.monitored)]


def _happen(story: Story, chance: Random, fault: str, says: float) -> None:
    begins = BEGINS_S + chance.uniform(0, 120)
    effect = _effect(story.world, fault)
    for component in sorted(_taken_along(story.world, fault, effect) & story.world.monitored):
        story.show(fault)
        _turn(story, Fact(begins + chance.uniform(0, 10), "monitor", component, "down"))
    for host in sorted(effect.cut | effect.unmanaged | effect.hosts):
        for probe in story.world.probes[host]:
            sees = {"tenant": effect.cut, "power": effect.hosts}.get(probe, effect.unmanaged)
            if host in sees:
                said = "down" if chance.random() > 0.03 else "unknown"
                if said == "down" and probe != "agent":
                    story.show(fault)
                _turn(story, Fact(begins + chance.uniform(0.2, 3.0), "probe", f"{host} {probe}", said))
    _report(story, chance, begins, (fault, effect), says)


def _taken_along(world: World, fault: str, effect: Effect) -> set[str]:
    """What a monitor sees down with it: a switch has no power without its feed, a disk none without its host."""
    disks = {f"storage:{backend}" for backend, host in world.backends.items() if host in effect.hosts}
    switches = {above for above, redundant in world.carried(fault) if not redundant and above.startswith("switch:")}
    return {fault} | disks | (switches if fault.startswith("feed:") else set())


def _turn(story: Story, fact: Fact) -> None:
    story.facts.append(fact)
    story.healing.append(fact._replace(at=LASTS_S + _lag(fact), says="up"))


def _lag(fact: Fact) -> float:
    """What was seen late is seen late to be well."""
    return fact.at % 10.0


def _report(story: Story, chance: Random, begins: float, what: tuple[str, Effect], says: float) -> None:
    fault, effect = what
    by_project: dict[str, list[Machine]] = {}
    for machine in sorted(effect.machines, key=lambda machine: machine.id):
        by_project.setdefault(machine.project, []).append(machine)
    speak = [project for project in sorted(by_project) if chance.random() < says]
    right = 0
    for project in speak:
        machines = by_project[project]
        told = chance.sample(machines, min(len(machines), chance.randint(1, 3)))
        wrong = chance.random() < 0.12
        right += not wrong
        at = begins + (chance.expovariate(1 / 4) if chance.random() < 0.5 else chance.expovariate(1 / 60))
        for machine in told:
            symptom = chance.choice(_ALL if wrong else _SAID[effect.family])
            story.facts.append(Fact(min(at, LASTS_S - 1), "report", machine.id, symptom, f"u-{project}"))
    if right >= WITNESSES:
        story.show(fault)


def _noise(story: Story, chance: Random) -> None:
    """What is said for nothing: guests that crash by themselves, one who complains of all that he has, two who conspire
    against a host, a probe that is mistaken."""
    share = chance.uniform(0.0, 0.03)
    projects = sorted({machine.project for machine in story.world.machines})
    for project in projects:
        if chance.random() < share:
            _complain(story, chance, project, chance.randint(1, 2))
    if chance.random() < 0.15:
        _complain(story, chance, chance.choice(projects), 25)
    if chance.random() < 0.08:
        host = chance.choice(story.world.hosts)
        there = sorted({machine.project for machine in story.world.machines if machine.host == host})
        for project in chance.sample(there, min(2, len(there))):
            _complain(story, chance, project, 5, host)
    for host, probes in sorted(story.world.probes.items()):
        for probe in probes:
            if chance.random() < (0.002 if probe == "agent" else 0.0001):
                story.facts.append(Fact(chance.uniform(1, LASTS_S), "probe", f"{host} {probe}", "down"))


def _complain(story: Story, chance: Random, project: str, most: int, host: str = "") -> None:
    own = [machine for machine in story.world.machines if machine.project == project and host in ("", machine.host)]
    for machine in chance.sample(own, min(len(own), most)):
        at = chance.uniform(1, LASTS_S - 1)
        story.facts.append(Fact(at, "report", machine.id, chance.choice(_ALL), f"u-{project}"))
