"""Worlds: racks with switches and power feeds, hosts with cards, back ends, and tenants with servers on all of it."""

from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True)
class Machine:
    """A server."""

    id: str
    project: str
    host: str
    networks: tuple[str, ...]
    backends: tuple[str, ...]


@dataclass
class World:
    hosts: list[str] = field(default_factory=list)
    links: list[tuple[str, str, bool]] = field(default_factory=list)
    """(component, what it stands on, whether something stands in for that)"""
    backends: dict[str, str | None] = field(default_factory=dict)
    """Name -> the host that it is on."""
    shared_networks: list[str] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    probes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Host -> what looks at it."""
    monitored: set[str] = field(default_factory=set)

    def on(self, component: str) -> list[tuple[str, bool]]:
        return [(on, redundant) for above, on, redundant in self.links if above == component]

    def carried(self, component: str) -> list[tuple[str, bool]]:
        return [(above, redundant) for above, on, redundant in self.links if on == component]

    def components(self) -> set[str]:
        parts = {f"{kind}:{host}" for host in self.hosts for kind in ("host", "engine", "chassis")}
        parts |= {f"storage:{backend}" for backend in self.backends}
        parts |= {f"network:{network}" for network in self.shared_networks}
        return parts | {name for above, on, _ in self.links for name in (above, on)}


def make(chance: Random) -> World:
    world = World()
    if chance.random() < 0.6:
        world.monitored.add("feed:main")
    for rack in range(chance.randint(2, 4)):
        _rack(world, chance, rack)
    for number in range(chance.randint(1, 3)):
        world.backends[f"san{number}@ceph"] = None
    for host in world.hosts:
        if chance.random() < 0.3:
            world.backends[f"{host}@qsd"] = host
    world.shared_networks = [f"shared{number}" for number in range(chance.randint(1, 2))]
    _monitor(world, chance)
    _people(world, chance)
    return world


def _rack(world: World, chance: Random, rack: int) -> None:
    """Cards on one switch or on two, power from one feed or from two."""
    two_switches, two_feeds = chance.random() < 0.25, chance.random() < 0.4
    switches = [f"switch:tor{rack}{side}" for side in "ab"[: 1 + two_switches]]
    feeds = [f"feed:pdu{rack}{side}" for side in "ab"[: 1 + two_feeds]]
    for switch in switches:
        world.links.append((switch, feeds[0], two_feeds))
    for number in range(chance.randint(3, 6)):
        host = f"h{rack}{number}"
        world.hosts.append(host)
        for switch in switches:
            card = f"nic:{host}:eno{switches.index(switch)}"
            world.links.append((f"chassis:{host}", card, two_switches))
            world.links.append((card, switch, False))
        world.links.append((f"nic:{host}:management", "switch:management", False))
        world.links += [(f"host:{host}", feed, two_feeds) for feed in feeds]


def _monitor(world: World, chance: Random) -> None:
    for host in world.hosts:
        probes = ["agent", "management"]
        if chance.random() < 0.85:
            probes.append("tenant")
        if chance.random() < 0.6:
            probes.append("power")
        world.probes[host] = tuple(probes)
    shares = {"switch": 0.5, "feed": 0.5, "storage": 0.4}
    for component in sorted(world.components()):
        if chance.random() < shares.get(component.partition(":")[0], 0.0):
            world.monitored.add(component)


def _people(world: World, chance: Random) -> None:
    """Most tenants are small, some have something everywhere."""
    projects = [f"p{number:02d}" for number in range(chance.randint(20, 60))]
    weights = [chance.paretovariate(1.2) for _ in projects]
    for host in world.hosts:
        for number in range(chance.randint(5, 20)):
            (project,) = chance.choices(projects, weights)
            shared = [chance.choice(world.shared_networks)] if chance.random() < 0.3 else []
            backends = [name for name, on in world.backends.items() if on in (None, host) and chance.random() < 0.35]
            world.machines.append(
                Machine(
                    id=f"{host}-s{number}",
                    project=project,
                    host=host,
                    networks=(f"own-{project}", *shared),
                    backends=tuple(backends),
                )
            )
