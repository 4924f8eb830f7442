"""Hosting: what a process needs to know of the hosts it can look after."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from trivet.agent.engines import Engines
from trivet.domain.servers.consoles import ATTACHED, SESSION, ConsoleTarget
from trivet.domain.servers.words import Kind
from trivet.domain.volumes.backends import Backend
from trivet.drivers.contracts.container import Containers
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import GraphicalConsole, MachineDriver, SerialConsole
from trivet.drivers.contracts.network import NetworkDriver
from trivet.drivers.contracts.patience import Calls, patient
from trivet.drivers.contracts.volume import VOLUMES, VolumeDriver
from trivet.drivers.sim.machines import Temper
from trivet.parts import Parts

_TEND_S = 180.0


@dataclass(slots=True)
class Hosting:
    name: str
    """The name of the duty to look after these hosts."""
    engines: dict[str, Engines]
    network: NetworkDriver
    metadata: bool = True
    tend: Callable[[], Awaitable[None]] | None = None
    """Called now and then: brings back what died of the engines."""
    adopt: Callable[[], Awaitable[None]] | None = None
    """Done before the agent begins: what must be known of a world that no engine remembers."""
    volumes: VolumeDriver | None = None
    backend: Backend | None = None
    """What is said of the volumes' back end."""
    adopt_volumes: Callable[[], Awaitable[None]] | None = None
    temper: Temper | None = None
    """How a simulation misbehaves; None for real engines."""
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Every call of a driver is bounded, whoever makes it."""
        self.network = patient(self.network, (NetworkDriver,))
        self.volumes = patient(self.volumes, VOLUMES) if self.volumes is not None else None
        if self.tend is not None:
            tend, calls = self.tend, Calls()
            self.tend = lambda: calls.ended("the engines", tend, _TEND_S)

    def driver(self, host_id: str, kind: Kind) -> MachineDriver | None:
        engines = self.engines.get(host_id)
        return engines.machines.get(kind) if engines else None

    def console_path(self, target: ConsoleTarget) -> str | None:
        """The path of a console's stream on this machine; None if another process has the server."""
        driver = self.driver(target.host_id, target.kind)
        try:
            if target.type == ATTACHED or target.type.startswith(SESSION):
                session = target.type.removeprefix(SESSION) if target.type != ATTACHED else None
                return driver.session_path(target.server_id, session) if isinstance(driver, Containers) else None
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


def backend_of(parts: Parts, id: str, driver: str, host_id: str | None) -> Backend:
    """How large it is, it says itself."""
    now = parts.clock.now()
    return Backend(
        id=id,
        host_id=host_id,
        driver=driver,
        abilities=("multiattach", "thin_provisioning_support", "online_extend_support"),
        total_gib=0,
        free_gib=0,
        seen_at=now,
        created_at=now,
        updated_at=now,
    )
