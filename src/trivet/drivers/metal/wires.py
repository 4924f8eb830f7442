"""A physical machine has its wires already: its cables. What they carry is its machine driver's doing, which knows
when the machine may be in which network."""

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import Wire


class Cables:
    """WireDriver of one machine."""

    async def plug(self, wire: Wire) -> None:
        if wire.kind != "switch":
            raise DriverError("A physical machine is plugged into a switch.", again=False)

    async def unplug(self, port_id: str, netns: str | None = None) -> None:
        return None

    async def plugged(self) -> set[str]:
        return set()

    async def open_metadata(self, network_id: str) -> int:
        raise DriverError("A physical machine has its metadata on its config drive.", again=False)

    async def close_metadata(self, network_id: str) -> None:
        return None
