"""Whether a machine fits into a host, and where: properties over generated hosts, what others have there, and wishes.

A host of two nodes is tried against every way there is, so a machine that would fit and is refused would be found.
"""

from itertools import permutations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.domain.servers.topology.asks import Ask, Pages, Policy, Threads
from trivet.domain.servers.topology.cores import pinned_on
from trivet.domain.servers.topology.fitting import Fitted, Ground, Taken, fit, matching, sizes
from trivet.domain.servers.topology.guest_nodes import GuestCell
from trivet.drivers.contracts.hardware import SMALL_KIB, Hardware, HostNode
from trivet.drivers.contracts.topology import Topology

HUGE_KIB = 2048
POLICIES: tuple[Policy, ...] = ("shared", "dedicated", "mixed")
THREADS: tuple[Threads, ...] = ("prefer", "isolate", "require")
PAGES: tuple[Pages | None, ...] = (None, "small", "large", "any", HUGE_KIB, 1 << 20)


@st.composite
def hosts(draw: st.DrawFn) -> Hardware:
    threads = draw(st.sampled_from((1, 2, 4)))
    nodes, first = [], 0
    for number in range(draw(st.integers(1, 4))):
        cores = []
        for _ in range(draw(st.integers(1, 4))):
            cores.append(tuple(range(first, first + threads)))
            first += threads
        pages = draw(st.sampled_from(({}, {HUGE_KIB: 64}, {HUGE_KIB: 512, 1 << 20: 2})))
        nodes.append(HostNode(number, number // 2, tuple(cores), draw(st.sampled_from((0, 256, 1024, 4096))), pages))
    every = frozenset(range(first))
    whole = frozenset(cpu for cpu in every if cpu // threads % 3)
    dedicated = draw(st.one_of(st.just(every), st.just(whole), st.sets(st.integers(0, first - 1))))
    shared = draw(st.sets(st.integers(0, first - 1))) - dedicated
    return Hardware(tuple(nodes), tuple(sorted(dedicated)), tuple(sorted(shared)))


@st.composite
def wishes(draw: st.DrawFn) -> Ask:
    policy = draw(st.sampled_from(POLICIES))
    cells, first = [], 0
    for _ in range(draw(st.integers(1, 3))):
        cpus = frozenset(range(first, first + draw(st.integers(1, 4))))
        first += len(cpus)
        pinned = {"shared": frozenset[int](), "dedicated": cpus}.get(policy, frozenset(sorted(cpus)[::2]))
        cells.append(GuestCell(cpus, draw(st.sampled_from((64, 128, 130, 1024))), pinned))
    own = policy != "shared"
    return Ask(
        cells=tuple(cells),
        policy=policy,
        threads=draw(st.sampled_from(THREADS)) if own else "prefer",
        pages=draw(st.sampled_from(PAGES)),
        isolated_emulator=own and draw(st.booleans()),
        shares_emulator=own and draw(st.booleans()),
    )


def held(fitted: Fitted) -> Topology:
    return Topology("a", 1, 1, 1, fitted.nodes, fitted.pins, fitted.reserved, fitted.emulator)


def filled(hardware: Hardware, asks: list[Ask], ratio: float) -> tuple[Taken, list[tuple[Ask, Fitted]]]:
    taken, found = Taken(), []
    for ask in asks:
        fitted = fit(Ground(hardware, taken, ratio), ask)
        if fitted is not None:
            taken.add(held(fitted))
            found.append((ask, fitted))
    return taken, found


@settings(max_examples=400, deadline=None)
@given(hosts(), st.lists(wishes(), min_size=1, max_size=6), st.sampled_from((1.0, 4.0)))
def test_what_fits_is_there_and_nobody_elses(hardware: Hardware, asks: list[Ask], ratio: float) -> None:
    by_number = {node.number: node for node in hardware.nodes}
    taken, all_fitted = filled(hardware, asks, ratio)
    own = [cpu for _, fitted in all_fitted for cpu in (*fitted.pins.values(), *fitted.reserved)]
    assert len(own) == len(set(own)), "a CPU was given twice"
    assert set(own) <= set(hardware.dedicated)
    for (number, size), mib in taken.memory.items():
        node = by_number[number]
        assert mib <= (node.memory_mib if size == SMALL_KIB else node.pages[size] * size // 1024)
    for number, load in taken.load.items():
        assert load <= len(by_number[number].cpus & set(hardware.shared)) * ratio
    for ask, fitted in all_fitted:
        _check(hardware, ask, fitted)


def _check(hardware: Hardware, ask: Ask, fitted: Fitted) -> None:
    by_number = {node.number: node for node in hardware.nodes}
    assert len({node.host_node for node in fitted.nodes}) == len(ask.cells), "two nodes of one machine on one"
    siblings = {cpu: set(core) for node in hardware.nodes for core in node.cores for cpu in core}
    for cell, node in zip(ask.cells, fitted.nodes, strict=True):
        near = by_number[node.host_node]
        assert (set(node.cpus), node.memory_mib) == (set(cell.cpus), cell.memory_mib)
        assert {fitted.pins[cpu] for cpu in cell.pinned} <= near.cpus
        assert set(node.floats) <= near.cpus & set(hardware.shared)
        assert len(node.floats) >= len(cell.floating)
        assert node.page_kib in sizes(ask.pages, near)
        assert node.page_kib == SMALL_KIB or node.memory_mib * 1024 % node.page_kib == 0
        if ask.threads == "require" and len(cell.pinned) > 1:
            used = {fitted.pins[cpu] for cpu in cell.pinned}
            lonely = [cpu for cpu in used if len(siblings[cpu] & used) == 1]
            assert len(lonely) <= 1
    assert fitted.pins.keys() == frozenset().union(*(cell.pinned for cell in ask.cells))
    assert fitted.emulator
    if ask.threads == "isolate":
        for cpu in fitted.pins.values():
            assert siblings[cpu] <= {cpu, *fitted.reserved}, "somebody else may be on its core"
    if ask.isolated_emulator:
        assert len(fitted.emulator) == 1
        assert set(fitted.emulator) <= set(fitted.reserved)
        assert not set(fitted.emulator) & set(fitted.pins.values())


@settings(max_examples=400, deadline=None)
@given(hosts(), st.lists(wishes(), max_size=3), wishes(), st.sampled_from((1.0, 4.0)))
def test_what_is_refused_fits_in_no_way(hardware: Hardware, before: list[Ask], ask: Ask, ratio: float) -> None:
    taken, _ = filled(hardware, before, ratio)
    found = fit(Ground(hardware, taken, ratio), ask)
    ways = permutations(hardware.nodes, len(ask.cells))
    fits_somehow = any(
        all(_bears(hardware, taken, ask, number, node, ratio) for number, node in enumerate(way)) for way in ways
    )
    assert (found is not None) == fits_somehow


def _bears(hardware: Hardware, taken: Taken, ask: Ask, number: int, node: HostNode, ratio: float) -> bool:
    """By counting: whether one node bears one of the machine's."""
    cell = ask.cells[number]
    shared = node.cpus & set(hardware.shared)
    if cell.floating and len(cell.floating) > min(len(shared), len(shared) * ratio - taken.load.get(node.number, 0)):
        return False
    if not any(
        taken.memory.get((node.number, size), 0) + cell.memory_mib
        <= (node.memory_mib if size == SMALL_KIB else node.pages[size] * size // 1024)
        and (size == SMALL_KIB or cell.memory_mib * 1024 % size == 0)
        for size in sizes(ask.pages, node)
    ):
        return False
    return _has_cpus(hardware, taken, ask, node, len(cell.pinned), int(ask.isolated_emulator and number == 0))


def _has_cpus(hardware: Hardware, taken: Taken, ask: Ask, node: HostNode, count: int, emulator: int) -> bool:
    if not count and not emulator:
        return True
    free = [set(core) & set(hardware.dedicated) - taken.cpus for core in node.cores]
    if ask.threads == "isolate":
        return sum(len(some) == len(core) for some, core in zip(free, node.cores, strict=True)) >= count + emulator
    if sum(map(len, free)) < count + emulator:
        return False
    widths = range(2, max(map(len, free), default=0) + 1)
    in_pairs = any(sum(width for some in free if len(some) >= width) >= count for width in widths)
    return in_pairs or ask.threads != "require"


@given(st.integers(0, 5), st.lists(st.sets(st.integers(0, 4)), max_size=5))
def test_a_matching_is_found_whenever_there_is_one(count: int, edges: list[set[int]]) -> None:
    nodes = [HostNode(number, 0, ((number,),), 0) for number in range(len(edges))]
    found = matching(count, nodes, lambda cell, node: cell in edges[node.number])
    ways = permutations(range(len(edges)), count)
    assert (found is not None) == any(all(cell in edges[at] for cell, at in enumerate(way)) for way in ways)
    if found is not None:
        assert len({node.number for node in found}) == count
        assert all(cell in edges[node.number] for cell, node in enumerate(found))


def test_neighbours_share_cores_and_a_lone_one_takes_what_is_left_of_one() -> None:
    cores = [(0, 8), (1, 9), (2, 10)]
    packed = pinned_on([{0}, {1, 9}, {2, 10}], cores, "prefer", [0, 1, 2, 3], 0)
    assert packed is not None
    assert (packed.pins, packed.threads) == ({0: 1, 1: 9, 2: 2, 3: 10}, 2)
    lone = pinned_on([{0}, {1, 9}], cores[:2], "prefer", [0, 1, 2], 0)
    assert lone is not None
    assert (set(lone.pins.values()), lone.threads) == ({0, 1, 9}, 1)
    assert pinned_on([{0}, {1}], cores[:2], "require", [0, 1], 0) is None


def test_an_engine_that_shares_runs_where_all_do_and_else_beside_its_machine() -> None:
    host = Hardware((HostNode(0, 0, ((0,), (1,), (2,)), 1024),), dedicated=(1, 2), shared=(0,))
    ask = Ask((GuestCell(frozenset((0,)), 64, frozenset((0,))),), policy="dedicated")
    beside = fit(Ground(host, Taken()), ask)
    sharing = fit(Ground(host, Taken()), msgspec.structs.replace(ask, shares_emulator=True))
    assert beside is not None and sharing is not None
    assert (beside.emulator, sharing.emulator) == ((1,), (0,))


def test_who_pins_fills_one_node_before_the_next() -> None:
    host = Hardware(
        tuple(HostNode(n, n, ((4 * n,), (4 * n + 1,), (4 * n + 2,), (4 * n + 3,)), 4096) for n in range(2)),
        dedicated=tuple(range(8)),
    )
    taken = Taken()
    one = Ask((GuestCell(frozenset((0,)), 64, frozenset((0,))),), policy="dedicated")
    nodes = []
    for _ in range(4):
        fitted = fit(Ground(host, taken), one)
        assert fitted is not None
        taken.add(held(fitted))
        nodes.append(fitted.nodes[0].host_node)
    assert nodes == [0, 0, 0, 0]
    whole = Ask((GuestCell(frozenset(range(4)), 64, frozenset(range(4))),), policy="dedicated")
    assert fit(Ground(host, taken), whole) is not None
