"""Guest nodes: how a machine's CPUs and memory are divided, evenly or as the flavor or the image says."""

from itertools import takewhile

import msgspec

from trivet.domain.numbers import whole_number
from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology.words import NODES_MAX, Words
from trivet.drivers.contracts import cpu_sets
from trivet.errors import Invalid


class GuestCell(msgspec.Struct, frozen=True):
    cpus: frozenset[int]
    memory_mib: int
    pinned: frozenset[int] = frozenset()
    """Those that want one of the host's for themselves."""

    @property
    def floating(self) -> frozenset[int]:
        return self.cpus - self.pinned


def cells_of(flavor: FlavorOf, words: Words, pinned: frozenset[int]) -> tuple[GuestCell, ...]:
    count = _count(words)
    cpus, memory = _listed(words, "numa_cpus"), _listed(words, "numa_mem")
    if not cpus and not memory:
        return _even(flavor, count, pinned)
    if len(cpus) != count or len(memory) != count:
        raise Invalid("flavor.numa_incomplete", "CPU and memory allocation must be provided for all NUMA nodes")
    return _as_said(flavor, [_cpus(text) for text in cpus], [_memory(text) for text in memory], pinned)


def _count(words: Words) -> int:
    ours, theirs = words.flavor("numa_nodes"), words.image("numa_nodes")
    if ours and theirs:
        _forbid("hw_numa_nodes")
    text = ours or theirs or "1"
    count = whole_number(text)
    if not count:
        raise Invalid(
            "flavor.numa_nodes",
            f"The property 'numa_nodes' cannot be '{text[:64]}'. It must be a number greater than 0",
        )
    return count


def _listed(words: Words, name: str) -> list[str]:
    keys = [f"{name}.{number}" for number in range(NODES_MAX)]
    ours, theirs = (list(takewhile(bool, map(read, keys))) for read in (words.flavor, words.image))
    if ours and theirs:
        _forbid(f"hw_{name}")
    return ours or theirs


def _even(flavor: FlavorOf, count: int, pinned: frozenset[int]) -> tuple[GuestCell, ...]:
    if flavor.vcpus % count or flavor.ram_mib % count:
        raise Invalid(
            "flavor.numa_uneven",
            "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment "
            "of CPUs and memory to nodes is required",
        )
    each = flavor.vcpus // count
    sets = [frozenset(range(number * each, (number + 1) * each)) for number in range(count)]
    return tuple(GuestCell(cpus, flavor.ram_mib // count, cpus & pinned) for cpus in sets)


def _as_said(
    flavor: FlavorOf, cpus: list[frozenset[int]], memory: list[int], pinned: frozenset[int]
) -> tuple[GuestCell, ...]:
    seen: set[int] = set()
    for node in cpus:
        for cpu in sorted(node):
            if cpu >= flavor.vcpus:
                raise Invalid("flavor.numa_cpus", f"CPU number {cpu} is larger than max {flavor.vcpus - 1}")
            if cpu in seen:
                raise Invalid("flavor.numa_cpus", f"CPU number {cpu} is assigned to two nodes")
            seen.add(cpu)
    if len(seen) < flavor.vcpus:
        left = cpu_sets.written(set(range(min(flavor.vcpus, cpu_sets.NUMBER_MAX))) - seen)
        raise Invalid("flavor.numa_cpus", f"CPU number {left} is not assigned to any node")
    if sum(memory) != flavor.ram_mib:
        raise Invalid("flavor.numa_mem", f"{sum(memory)} MB of memory assigned, but expected {flavor.ram_mib} MB")
    if not all(cpus):
        raise Invalid("flavor.numa_cpus", "Each NUMA node needs a CPU: one of them has none")
    return tuple(GuestCell(node, mib, node & pinned) for node, mib in zip(cpus, memory, strict=True))


def _cpus(text: str) -> frozenset[int]:
    found = cpu_sets.parsed(text)
    if found is None:
        raise Invalid("flavor.numa_cpus", f"Invalid range expression {text[:64]!r}")
    return found


def _memory(text: str) -> int:
    found = whole_number(text)
    if not found:
        raise Invalid("flavor.numa_mem", f"{text[:64]!r} is no amount of memory for a NUMA node")
    return found


def _forbid(name: str) -> None:
    raise Invalid(
        "image.numa",
        f"Image property '{name}' is not permitted to override NUMA configuration set against the flavor",
    )
