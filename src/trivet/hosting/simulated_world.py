"""A simulated host whose API is elsewhere."""

from trivet.agent.engines import Engines
from trivet.agent.http_link import HttpLink
from trivet.clock import Clock
from trivet.domain.host_link.words import Facts, Registered
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.hosting.simulated import SIM_DISK_GIB, SIM_KINDS, SIM_MEMORY_MIB, SIM_VCPUS, recall


class SimulatedWorld:
    has_guests = False

    def __init__(self, clock: Clock) -> None:
        self._machines = SimMachines(clock, Temper())
        self._wires = SimWires(SimNetwork())
        self.engines = Engines({kind: self._machines for kind in SIM_KINDS}, self._wires)
        self._remembers = False

    def facts(self, holder: str) -> Facts:
        return Facts(
            holder=holder,
            kinds=SIM_KINDS,
            vcpus=SIM_VCPUS,
            memory_mib=SIM_MEMORY_MIB,
            disk_gib=SIM_DISK_GIB,
            hypervisor_type="sim",
        )

    async def enter(self, registered: Registered, link: HttpLink) -> None:
        """A simulated machine is what its orders say that it was, since no engine remembers it."""
        if not self._remembers:
            orders = (await link.orders([registered.host_id])).orders
            recall(orders, {registered.host_id: self._machines}, {registered.host_id: self._wires})
            self._remembers = True

    async def tend(self) -> None:
        return

    async def leave(self) -> None:
        return
