"""Simulated hosts: as many as one likes, in memory."""

from pathlib import Path

from trivet.agent.engines import Engines
from trivet.domain.host_link import order_building
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import Host
from trivet.domain.servers.orders import Order
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.hardware import Hardware
from trivet.drivers.contracts.machine import Power
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.drivers.sim.volumes import SimVolumes
from trivet.hosting import inside
from trivet.hosting.hosts_here import Hosting, backend_of
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.store import transact
from trivet.store.tx import Tx

SIM_KINDS: tuple[Kind, ...] = ("vm", "container", "metal")
_MACHINES = {hosts.MACHINE: 64}
"""Physical ones, of which a simulated host has as many as it has processors."""
SIM_VCPUS, SIM_MEMORY_MIB, SIM_DISK_GIB = 64, 262_144, 4_000


async def simulated(parts: Parts) -> Hosting:
    temper = Temper()
    hardware = _hardware(parts.settings)

    async def register(tx: Tx) -> list[Host]:
        names = [f"sim-{number:05}" for number in range(1, parts.settings.sim_hosts + 1)]
        found = [_sim_host(parts, name, hardware) for name in names]
        return [await hosts.register(tx, host, more=_MACHINES, hardware=hardware) for host in found]

    found = await transact(parts.store, register)
    machines = {host.id: SimMachines(parts.clock, temper) for host in found}
    network = SimNetwork()
    wires = {host_id: SimWires(network) for host_id in machines}
    volumes = SimVolumes(parts.clock, temper)

    async def adopt() -> None:
        await _remember(parts, machines, wires)

    return Hosting(
        name="of the simulation",
        engines={
            host_id: Engines({kind: driver for kind in SIM_KINDS}, wires[host_id])
            for host_id, driver in machines.items()
        },
        network=network,
        metadata=False,
        adopt=adopt,
        volumes=volumes,
        backend=backend_of(parts, "sim@sim", "sim", None),
        adopt_volumes=lambda: _remember_volumes(parts, volumes),
        temper=temper,
    )


def _hardware(settings: Settings) -> Hardware | None:
    if not settings.sim_hardware:
        return None
    return inside.found(inside.given(settings), Path(settings.sim_hardware))


def _memory_mib(hardware: Hardware) -> int:
    return sum(node.memory_mib for node in hardware.nodes) + sum(hardware.huge_mib.values())


def _sim_host(parts: Parts, name: str, hardware: Hardware | None) -> Host:
    now = parts.clock.now()
    cpus = sum(len(node.cpus) for node in hardware.nodes) if hardware is not None else SIM_VCPUS
    memory_mib = _memory_mib(hardware) if hardware is not None else SIM_MEMORY_MIB
    return Host(
        id=parts.ids.uuid(),
        name=name,
        kinds=SIM_KINDS,
        vcpus=cpus,
        memory_mib=memory_mib,
        disk_gib=SIM_DISK_GIB,
        hypervisor_type="sim",
        created_at=now,
        updated_at=now,
        agent_seen_at=now,
        booted_at=now,
    )


async def _remember(parts: Parts, machines: dict[str, SimMachines], wires: dict[str, SimWires]) -> None:
    async with parts.store.read() as tx:
        recall((await order_building.build(tx, machines)).orders, machines, wires)


async def _remember_volumes(parts: Parts, volumes: SimVolumes) -> None:
    async with parts.store.read() as tx:
        made = await tx.rows(
            "SELECT id, size_gib FROM volumes WHERE launched_at IS NOT NULL"
            " UNION SELECT id, size_gib FROM deleted_volumes"
        )
        kept = await tx.rows("SELECT id, size_gib FROM volume_snapshots WHERE status <> 'creating'")
    volumes.adopt({str(id): int(size) for id, size in made}, {str(id): int(size) for id, size in kept})


def recall(orders: list[Order], machines: dict[str, SimMachines], wires: dict[str, SimWires]) -> None:
    """A simulated machine outlives the process that simulates it, as a real one would, and so does what it is plugged
    into: settled rows are its memory."""
    powers: dict[str, Power] = {
        "running": "running",
        "stopped": "stopped",
        "paused": "paused",
        "suspended": "suspended",
        "shelved": "stopped",
    }
    for order in orders:
        if order.keeps:
            marks = {"boots": "0", "builds": str(order.builds), "shape": order.shape}
            machines[order.host_id].adopt(order.server_id, order.hostname, "stopped", marks)
        elif order.settled and order.want in powers:
            nics = ",".join(wire.port_id for wire in order.wires)
            marks = {"boots": str(order.boots), "builds": str(order.builds), "shape": order.shape, "nics": nics}
            marks |= {"interrupts": str(order.interrupts), "passwords": str(order.passwords)}
            marks["rescue"] = order.rescue_mark
            marks["volumes"] = ",".join(f"{volume.id}={volume.size_gib}" for volume in order.volumes)
            machines[order.host_id].adopt(order.server_id, order.hostname, powers[order.want], marks)
            for wire in order.wires:
                wires[order.host_id].remember(wire.port_id)
