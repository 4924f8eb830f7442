"""This host, with its real engines: found, started, tended, and halted on the way out."""

import hashlib
import ipaddress
import logging
import os
import shutil
import socket
from pathlib import Path

from trivet.agent.engines import Engines
from trivet.agent.halting import halt, remember
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import Host
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.machine import MachineDriver
from trivet.drivers.ovn.central.northbound import OvnNetwork
from trivet.drivers.ovn.chassis.wires import OvnWires
from trivet.drivers.ovn.engine import External, OvnEngine
from trivet.drivers.ovn.engine import missing as ovn_missing
from trivet.drivers.podman import PodmanMachines
from trivet.drivers.podman import missing as podman_missing
from trivet.drivers.qemu import Options, QemuMachines
from trivet.drivers.qemu import missing as qemu_missing
from trivet.drivers.qemu import version as qemu_version
from trivet.drivers.qsd import QsdVolumes
from trivet.drivers.qsd import missing as qsd_missing
from trivet.errors import Invalid
from trivet.hosting.hosts_here import Hosting, backend_of
from trivet.hosting.processor import cpu_info
from trivet.parts import Parts
from trivet.store.store import transact

_OWN_MEMORY_MIB = 512
"""What the host keeps for itself."""
_logger = logging.getLogger(__name__)


async def real(parts: Parts) -> Hosting:
    settings = parts.settings
    data = Path(settings.data).absolute()
    kinds = _kinds_here(data)
    tag = "t" + hashlib.sha256(str(data).encode()).hexdigest()[:4]
    outside = External(_host_address(settings.external_cidr), masquerade=shutil.which("iptables") is not None)
    ovn = OvnEngine(data, tag, outside, physical=settings.physical)
    await ovn.up()
    network = OvnNetwork(ovn)
    wires = OvnWires(ovn)
    engines = Engines(kinds, wires)
    memory = data / "halted.json"
    remember(engines, memory)
    version = await qemu_version() if "vm" in kinds else 1
    host = await transact(parts.store, lambda tx: hosts.register(tx, _this_host(parts, tuple(kinds), data, version)))

    volumes = _volumes_here(data)

    async def close() -> None:
        if not settings.leave_running:
            await halt(engines, memory)
            if volumes is not None:
                await volumes.halt()
        await network.close()
        await wires.close()
        if not settings.leave_running:
            await ovn.down()

    return Hosting(
        name=f"of {host.name}",
        engines={host.id: engines},
        network=network,
        tend=ovn.up,
        volumes=volumes,
        backend=backend_of(parts, f"{host.name}@files", "files", host.id),
        closers=[close],
    )


def _volumes_here(data: Path) -> QsdVolumes | None:
    if lacks := qsd_missing():
        _logger.warning("This host keeps no volumes: %s", ", ".join(lacks))
        return None
    return QsdVolumes(data / "volumes")


def _kinds_here(data: Path) -> dict[Kind, MachineDriver]:
    """The kinds that this machine can run. Without a network there is no use in any."""
    lacks = ovn_missing()
    kinds: dict[Kind, MachineDriver] = {}
    if found := qemu_missing():
        lacks += [f"for VMs: {why}" for why in found]
    else:
        kinds["vm"] = QemuMachines(data / "qemu", Options(host_checksum=False))
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


def _this_host(parts: Parts, kinds: tuple[Kind, ...], data: Path, version: int) -> Host:
    now = parts.clock.now()
    return Host(
        id=parts.ids.uuid(),
        name=socket.gethostname(),
        kinds=kinds,
        vcpus=os.cpu_count() or 1,
        memory_mib=max(_memory_mib() - _OWN_MEMORY_MIB, 1),
        disk_gib=_disk_gib(data),
        hypervisor_type="QEMU",
        hypervisor_version=version,
        cpu_info=cpu_info(),
        created_at=now,
        updated_at=now,
        agent_seen_at=now,
        booted_at=now - float(Path("/proc/uptime").read_text().split()[0]),
    )


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def _disk_gib(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_frsize * found.f_blocks >> 30
