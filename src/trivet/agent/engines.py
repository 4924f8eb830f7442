"""Engines: the drivers that serve one host."""

from dataclasses import dataclass, field

from trivet.domain.servers import Kind
from trivet.drivers.contracts.machine import MachineDriver
from trivet.drivers.contracts.network import WireDriver


@dataclass(frozen=True, slots=True)
class Engines:
    machines: dict[Kind, MachineDriver]
    wires: WireDriver
    halted: set[str] = field(default_factory=set)
    """Servers that we stopped ourselves when the host went down: they come back with it."""
