"""Fitting: on which nodes, CPUs and pages of a host a machine could run, given what others have. Pure.

Each node of the machine goes to a node of the host of its own. Whether one bears another does not depend on where the
rest goes, so this is a matching in a graph, and one is found whenever there is one, however many nodes there are.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, islice

import msgspec

from trivet.domain.servers.topology import devices
from trivet.domain.servers.topology.asks import Ask, Pages
from trivet.domain.servers.topology.cores import CorePins, pinned_on
from trivet.domain.servers.topology.guest_nodes import GuestCell
from trivet.drivers.contracts.hardware import SMALL_KIB, Hardware, HostNode
from trivet.drivers.contracts.topology import GuestNode, Topology

_COMBINATIONS = 4096
"""Of nodes that are tried for who wants devices near to it: all of those of any machine of today."""


class Taken(msgspec.Struct):
    """What machines have of a host already."""

    cpus: set[int] = msgspec.field(default_factory=set)
    memory: dict[tuple[int, int], int] = msgspec.field(default_factory=dict)
    """(node, size of its pages in KiB) -> MiB"""
    load: dict[int, int] = msgspec.field(default_factory=dict)
    """Node -> CPUs of machines that share those of the node."""
    functions: set[str] = msgspec.field(default_factory=set)

    def add(self, topology: Topology) -> None:
        self.cpus.update(topology.pins.values(), topology.reserved)
        self.functions.update(topology.functions)
        for node in topology.nodes:
            at = (node.host_node, node.page_kib)
            self.memory[at] = self.memory.get(at, 0) + node.memory_mib
            shared = sum(cpu not in topology.pins for cpu in node.cpus)
            self.load[node.host_node] = self.load.get(node.host_node, 0) + shared


class Fitted(msgspec.Struct, frozen=True):
    nodes: tuple[GuestNode, ...]
    pins: dict[int, int]
    reserved: tuple[int, ...]
    emulator: tuple[int, ...]
    threads: int
    """How many of its CPUs share each core of the host; 1 if that is not the same everywhere."""
    functions: tuple[str, ...] = ()


class _Borne(msgspec.Struct, frozen=True):
    """One node of the machine on one of the host."""

    node: GuestNode
    cores: CorePins


class Ground(msgspec.Struct, frozen=True):
    """A host as it is offered to a machine."""

    hardware: Hardware
    taken: Taken
    ratio: float = 1.0
    """How many CPUs of machines share one."""

    @property
    def free(self) -> set[int]:
        """CPUs that a machine can have for itself."""
        return set(self.hardware.dedicated) - self.taken.cpus


def fit(ground: Ground, ask: Ask) -> Fitted | None:
    nodes = sorted(ground.hardware.nodes, key=_preference(ground, ask))
    if not ask.devices:
        return _on_nodes(ground, ask, nodes)
    return _near(ground, ask, nodes) or (_anywhere(ground, ask, nodes) if ask.affinity == "preferred" else None)


def _near(ground: Ground, ask: Ask, nodes: Sequence[HostNode]) -> Fitted | None:
    """On nodes that have the devices, as near as they are to be."""
    if not ask.cells:
        return _anywhere(ground, ask, nodes)
    for some in islice(combinations(nodes, len(ask.cells)), _COMBINATIONS):
        found = devices.chosen(ground.hardware, ground.taken.functions, ask.devices, some, ask.affinity)
        if found is not None and (fitted := _on_nodes(ground, ask, some)) is not None:
            return msgspec.structs.replace(fitted, functions=found)
    return None


def _anywhere(ground: Ground, ask: Ask, nodes: Sequence[HostNode]) -> Fitted | None:
    found = devices.chosen(ground.hardware, ground.taken.functions, ask.devices, None, ask.affinity)
    fitted = _on_nodes(ground, ask, nodes) if found is not None else None
    return msgspec.structs.replace(fitted, functions=found) if fitted is not None and found is not None else None


def _on_nodes(ground: Ground, ask: Ask, nodes: Sequence[HostNode]) -> Fitted | None:
    known: dict[tuple[int, int], _Borne | None] = {}

    def bears(cell: int, node: HostNode) -> bool:
        at = (cell, node.number)
        if at not in known:
            known[at] = _borne(ground, ask, cell, node)
        return known[at] is not None

    matched = matching(len(ask.cells), nodes, bears)
    if matched is None:
        return None
    return _joined(ground.hardware, ask, [found for n, node in enumerate(matched) if (found := known[n, node.number])])


def matching(count: int, nodes: Sequence[HostNode], bears: Callable[[int, HostNode], bool]) -> list[HostNode] | None:
    """A node for each of `count`, no two the same; those that come first are tried first."""
    holder: dict[int, int] = {}

    def place(cell: int, tried: set[int]) -> bool:
        for at, node in enumerate(nodes):
            if at in tried or not bears(cell, node):
                continue
            tried.add(at)
            if at not in holder or place(holder[at], tried):
                holder[at] = cell
                return True
        return False

    if count > len(nodes) or not all(place(cell, set()) for cell in range(count)):
        return None
    found = {cell: nodes[at] for at, cell in holder.items()}
    return [found[cell] for cell in range(count)]


def _preference(ground: Ground, ask: Ask) -> Callable[[HostNode], tuple[int, ...]]:
    """Who pins goes where least is left, so that a large machine finds a node whole later; who shares, where most is
    idle. Nodes near to devices are left to those who want one."""
    free = ground.free
    near = {function.node for function in ground.hardware.functions} if not ask.devices else set()

    def key(node: HostNode) -> tuple[int, ...]:
        load = ground.taken.load.get(node.number, 0)
        return (node.number in near, len(node.cpus & free) if ask.pinned else load, node.number)

    return key


def _borne(ground: Ground, ask: Ask, number: int, node: HostNode) -> _Borne | None:
    cell, taken = ask.cells[number], ground.taken
    page = next((size for size in sizes(ask.pages, node) if _has_memory(taken, cell, node, size)), None)
    if page is None:
        return None
    shared = sorted(node.cpus & set(ground.hardware.shared))
    if cell.floating:
        load = taken.load.get(node.number, 0) + len(cell.floating)
        # However many share a CPU, no machine shares one with itself.
        if len(cell.floating) > len(shared) or load > len(shared) * ground.ratio:
            return None
    free, emulator = ground.free, int(ask.isolated_emulator and number == 0)
    cores = pinned_on([set(core) & free for core in node.cores], node.cores, ask.threads, sorted(cell.pinned), emulator)
    if cores is None:
        return None
    guest = GuestNode(
        cpus=tuple(sorted(cell.cpus)),
        memory_mib=cell.memory_mib,
        host_node=node.number,
        page_kib=page,
        floats=tuple(shared) if cell.floating else (),
    )
    return _Borne(guest, cores)


def sizes(wanted: Pages | None, node: HostNode) -> Iterable[int]:
    """Which sizes of pages would do, the best first."""
    huge = sorted(node.pages, reverse=True)
    match wanted:
        case None | "small":
            return [SMALL_KIB]
        case "large":
            return huge
        case "any":
            return [*huge, SMALL_KIB]
        case size:
            return [size] if size == SMALL_KIB or size in node.pages else []


def _has_memory(taken: Taken, cell: GuestCell, node: HostNode, size: int) -> bool:
    has = node.memory_mib if size == SMALL_KIB else node.pages[size] * size // 1024
    even = size == SMALL_KIB or cell.memory_mib * 1024 % size == 0
    return even and taken.memory.get((node.number, size), 0) + cell.memory_mib <= has


def _joined(hardware: Hardware, ask: Ask, borne: list[_Borne]) -> Fitted:
    pins: dict[int, int] = {}
    reserved: list[int] = []
    for one in borne:
        pins |= one.cores.pins
        reserved += one.cores.reserved
    emulator = {cpu for one in borne for cpu in one.cores.emulator}
    if not emulator:
        on = {cpu for one in borne for cpu in one.node.floats} | set(pins.values())
        emulator = set(hardware.shared) if pins and ask.shares_emulator and hardware.shared else on
    threads = {one.cores.threads for one in borne}
    return Fitted(
        nodes=tuple(one.node for one in borne),
        pins=dict(sorted(pins.items())),
        reserved=tuple(sorted({*reserved, *(cpu for one in borne for cpu in one.cores.emulator)})),
        emulator=tuple(sorted(emulator)),
        threads=threads.pop() if len(threads) == 1 else 1,
    )
