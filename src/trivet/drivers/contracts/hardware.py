"""Hardware: what a machine is made of inside, as far as servers can be given parts of it.

A host says it of itself, and what is said is bounded: an agent elsewhere may be anybody's by now.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

SMALL_KIB = 4
"""Ordinary pages."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
_Cpus = Annotated[tuple[_Number, ...], msgspec.Meta(max_length=4096)]
_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}\Z")]
FunctionKind = Literal["type-PCI", "type-PF", "type-VF"]


class HostNode(msgspec.Struct, frozen=True):
    """A NUMA node: processors, and the memory that is near to them."""

    number: _Number
    socket: _Number
    cores: Annotated[tuple[_Cpus, ...], msgspec.Meta(max_length=4096)]
    """The CPUs of each core together: its threads."""
    memory_mib: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
    """In ordinary pages, for servers."""
    pages: Annotated[
        dict[Annotated[int, msgspec.Meta(gt=SMALL_KIB, le=1 << 30)], Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]],
        msgspec.Meta(max_length=16),
    ] = {}
    """How many huge pages are set aside, by their size in KiB."""

    @property
    def cpus(self) -> frozenset[int]:
        return frozenset(cpu for core in self.cores for cpu in core)


class Function(msgspec.Struct, frozen=True):
    """A PCI function that the operator hands to servers."""

    address: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z")]
    vendor_id: _Hex
    product_id: _Hex
    alias: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
    """What a flavor calls it."""
    kind: FunctionKind = "type-PCI"
    node: _Number | None = None
    """The one that it is near to, if the machine tells."""
    isolated: bool = True
    """The machine has an IOMMU that keeps it apart from all else: without, nothing can be handed through."""


class Hardware(msgspec.Struct, frozen=True):
    nodes: Annotated[tuple[HostNode, ...], msgspec.Meta(min_length=1, max_length=256)]
    dedicated: _Cpus = ()
    """CPUs that servers may have for themselves."""
    shared: _Cpus = ()
    """CPUs that servers share. Those in neither set are the host's own."""
    functions: Annotated[tuple[Function, ...], msgspec.Meta(max_length=4096)] = ()

    @property
    def huge_mib(self) -> dict[int, int]:
        """Memory in huge pages, by their size in KiB."""
        found: dict[int, int] = {}
        for node in self.nodes:
            for size, count in node.pages.items():
                found[size] = found.get(size, 0) + size * count // 1024
        return found

    @property
    def has_threads(self) -> bool:
        return any(len(core) > 1 for node in self.nodes for core in node.cores)


def flaws(hardware: Hardware) -> Iterator[str]:
    """What cannot be so, however it came about."""
    seen: set[int] = set()
    for node in hardware.nodes:
        numbers = [cpu for core in node.cores for cpu in core]
        if len(numbers) != len(node.cpus) or seen & node.cpus:
            yield f"node {node.number} has a CPU that is counted twice"
        seen |= node.cpus
    if len({node.number for node in hardware.nodes}) != len(hardware.nodes):
        yield "two nodes have one number"
    for name, cpus in (("dedicated", hardware.dedicated), ("shared", hardware.shared)):
        if absent := sorted(set(cpus) - seen):
            yield f"CPU {absent[0]} is {name}, and there is none of that number"
    if both := sorted(set(hardware.dedicated) & set(hardware.shared)):
        yield f"CPU {both[0]} is dedicated and shared"
    addresses = [function.address for function in hardware.functions]
    if len(addresses) != len(set(addresses)):
        yield "a PCI function is named twice"
