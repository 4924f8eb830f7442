"""Topology: which parts of its host a machine has for itself, and how its own inside looks."""

import msgspec


class GuestNode(msgspec.Struct, frozen=True):
    """One NUMA node of a machine, and the node of the host that bears it."""

    cpus: tuple[int, ...]
    """The machine's own."""
    memory_mib: int
    host_node: int
    page_kib: int
    floats: tuple[int, ...] = ()
    """CPUs of the host, on any of which those of the machine run that have none for themselves."""


class Topology(msgspec.Struct, frozen=True):
    name: str
    """Tells it from the one that the machine has after a resize."""
    sockets: int
    cores: int
    threads: int
    nodes: tuple[GuestNode, ...] = ()
    """None: the machine sees no nodes, and runs where it finds room."""
    pins: dict[int, int] = {}
    """CPU of the machine -> the one of the host that it has for itself."""
    reserved: tuple[int, ...] = ()
    """CPUs of the host that nobody else is given, and that run none of the machine's."""
    emulator: tuple[int, ...] = ()
    """CPUs of the host on which whatever else its engine does for it runs."""
    functions: tuple[str, ...] = ()
    """Addresses of the PCI functions that it is given."""

    @property
    def host_cpus(self) -> frozenset[int]:
        """All that it runs on."""
        return frozenset(self.pins.values()).union(*(node.floats for node in self.nodes))

    @property
    def host_nodes(self) -> frozenset[int]:
        return frozenset(node.host_node for node in self.nodes)
