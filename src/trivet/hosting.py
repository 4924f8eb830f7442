"""Hosting: the hosts that this process can look after, real or simulated, put together from drivers."""

import hashlib
import ipaddress
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from trivet.agent.engines import Engines
from trivet.agent.halting import halt, remember
from trivet.domain import hosts, order_building
from trivet.domain.consoles import ConsoleTarget
from trivet.domain.hosts import Host
from trivet.domain.servers import Kind
from trivet.drivers.contracts.machine import GraphicalConsole, MachineDriver, Power, SerialConsole
from trivet.drivers.contracts.network import NetworkDriver
from trivet.drivers.ovn.engine import External, OvnEngine
from trivet.drivers.ovn.engine import missing as ovn_missing
from trivet.drivers.ovn.northbound import OvnNetwork
from trivet.drivers.ovn.wires import OvnWires
from trivet.drivers.podman import PodmanMachines
from trivet.drivers.podman import missing as podman_missing
from trivet.drivers.qemu import QemuMachines
from trivet.drivers.qemu import missing as qemu_missing
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.errors import Invalid
from trivet.parts import Parts

_SIM_KINDS: tuple[Kind, ...] = ("vm", "container", "metal")
_SIM_VCPUS, _SIM_MEMORY_MIB, _SIM_DISK_GIB = 64, 262_144, 4_000
_logger = logging.getLogger(__name__)
_OWN_MEMORY_MIB = 512
"""What the host keeps for itself."""


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

    def console_path(self, target: ConsoleTarget) -> str | None:
        engines = self.engines.get(target.host_id)
        driver: MachineDriver | None = engines.machines.get(target.kind) if engines else None
        if target.type == "serial" and isinstance(driver, SerialConsole):
            return driver.serial_path(target.server_id)
        if target.type != "serial" and isinstance(driver, GraphicalConsole):
            return driver.vnc_path(target.server_id)
        return None

    async def close(self) -> None:
        for closer in reversed(self.closers):
            await closer()


async def host_engines(parts: Parts) -> Hosting:
    return await (_simulated(parts) if parts.settings.sim else _real(parts))


# -- simulated


async def _simulated(parts: Parts) -> Hosting:
    temper = Temper()
    async with parts.store.write() as tx:
        found = [
            await hosts.register(tx, _sim_host(parts, f"sim-{number:05}"))
            for number in range(1, parts.settings.sim_hosts + 1)
        ]
    machines = {host.id: SimMachines(parts.clock, temper) for host in found}
    network = SimNetwork()

    async def adopt() -> None:
        await _remember(parts, machines)

    return Hosting(
        name="of the simulation",
        engines={
            host_id: Engines({kind: driver for kind in _SIM_KINDS}, SimWires(network))
            for host_id, driver in machines.items()
        },
        network=network,
        metadata=False,
        adopt=adopt,
        temper=temper,
    )


def _sim_host(parts: Parts, name: str) -> Host:
    now = parts.clock.now()
    return Host(
        id=parts.ids.uuid(),
        name=name,
        kinds=_SIM_KINDS,
        vcpus=_SIM_VCPUS,
        memory_mib=_SIM_MEMORY_MIB,
        disk_gib=_SIM_DISK_GIB,
        hypervisor_type="sim",
        created_at=now,
        updated_at=now,
        agent_seen_at=now,
    )


async def _remember(parts: Parts, machines: dict[str, SimMachines]) -> None:
    """A simulated machine outlives the process that simulates it, as a real one would: settled rows are its memory."""
    async with parts.store.read() as tx:
        for order in await order_building.build(tx, machines):
            powers: dict[str, Power] = {
                "running": "running",
                "stopped": "stopped",
                "paused": "paused",
                "suspended": "suspended",
            }
            if order.settled and order.want in powers:
                nics = ",".join(wire.port_id for wire in order.wires)
                marks = {"boots": str(order.boots), "builds": str(order.builds), "shape": order.shape, "nics": nics}
                machines[order.host_id].adopt(order.server_id, order.hostname, powers[order.want], marks)


# -- real


async def _real(parts: Parts) -> Hosting:
    settings = parts.settings
    data = Path(settings.data).absolute()
    kinds = _kinds_here(data)
    tag = "t" + hashlib.sha256(str(data).encode()).hexdigest()[:4]
    ovn = OvnEngine(data, tag, External(_host_address(settings.external_cidr)))
    await ovn.up()
    network = OvnNetwork(ovn)
    engines = Engines(kinds, OvnWires(ovn))
    memory = data / "halted.json"
    remember(engines, memory)
    async with parts.store.write() as tx:
        host = await hosts.register(tx, _this_host(parts, tuple(kinds), data))

    async def close() -> None:
        if not settings.leave_running:
            await halt(engines, memory)
            await ovn.down()

    return Hosting(
        name=f"of {host.name}", engines={host.id: engines}, network=network, tend=ovn.up, closers=[close]
    )  # fmt: skip


def _kinds_here(data: Path) -> dict[Kind, MachineDriver]:
    """The kinds that this machine can run. Without a network there is no use in any."""
    lacks = ovn_missing()
    kinds: dict[Kind, MachineDriver] = {}
    if found := qemu_missing():
        lacks += [f"for VMs: {why}" for why in found]
    else:
        kinds["vm"] = QemuMachines(data / "qemu", host_checksum=False)
    if found := podman_missing():
        lacks += [f"for containers: {why}" for why in found]
    else:
        kinds["container"] = PodmanMachines(data / "podman")
    if ovn_missing() or not kinds:
        raise Invalid(
            "engine.missing",
            "Real engines cannot run on this machine:\n  - "
            + "\n  - ".join(lacks)
            + "\nAs root, tools/setup-system.sh installs what is missing. The same API over simulated hosts runs "
            "anywhere: trivet up --sim",
        )
    for why in lacks:
        _logger.warning("This host goes without: %s", why)
    return kinds


def _host_address(cidr: str) -> str:
    """The host's own on the external network: the first one, which servers use as their way out."""
    network = ipaddress.ip_network(cidr)
    return f"{next(network.hosts())}/{network.prefixlen}"


def _this_host(parts: Parts, kinds: tuple[Kind, ...], data: Path) -> Host:
    now = parts.clock.now()
    return Host(
        id=parts.ids.uuid(),
        name=socket.gethostname(),
        kinds=kinds,
        vcpus=os.cpu_count() or 1,
        memory_mib=max(_memory_mib() - _OWN_MEMORY_MIB, 1),
        disk_gib=_disk_gib(data),
        hypervisor_type="QEMU",
        created_at=now,
        updated_at=now,
        agent_seen_at=now,
    )


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def _disk_gib(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_frsize * found.f_blocks >> 30
