"""Hosting: what a process needs to know of the hosts it can look after."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from trivet.agent.engines import Engines
from trivet.domain.servers.consoles import ConsoleTarget
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import GraphicalConsole, MachineDriver, SerialConsole
from trivet.drivers.contracts.network import NetworkDriver
from trivet.drivers.contracts.patience import Calls, patient
from trivet.drivers.sim.machines import Temper

_TEND_S = 180.0


@dataclass(slots=True)
class Hosting:
    name: str
    """Of the duty to look after these hosts."""
    engines: dict[str, Engines]
    network: NetworkDriver
    metadata: bool = True
    tend: Callable[[], Awaitable[None]] | None = None
    """Called now and then: brings back what died of the engines."""
    adopt: Callable[[], Awaitable[None]] | None = None
    """Done before the agent begins: what must be known of a world that no engine remembers."""
    temper: Temper | None = None
    """Of a simulation."""
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Whoever calls them, every call ends."""
        self.network = patient(self.network, (NetworkDriver,))
        if self.tend is not None:
            tend, calls = self.tend, Calls()
            self.tend = lambda: calls.ended("the engines", tend, _TEND_S)

    def driver(self, host_id: str, kind: Kind) -> MachineDriver | None:
        engines = self.engines.get(host_id)
        return engines.machines.get(kind) if engines else None

    def console_path(self, target: ConsoleTarget) -> str | None:
        """Where the stream lies on this machine; None if the machine is another process's."""
        driver = self.driver(target.host_id, target.kind)
        try:
            if target.type == "serial" and isinstance(driver, SerialConsole):
                return driver.serial_path(target.server_id)
            if target.type != "serial" and isinstance(driver, GraphicalConsole):
                return driver.vnc_path(target.server_id)
        except DriverError:
            return None
        return None

    async def close(self) -> None:
        for closer in reversed(self.closers):
            await closer()
