"""This machine with its real engines: what it has, its servers' engines, its place in the network, and a clean end.

The process of a cloud and the agent of a host elsewhere look after their machine by the same means.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import Self

import msgspec

from trivet.agent.engines import Engines
from trivet.agent.halting import halt, remember
from trivet.domain.hosts.admission import Admitted
from trivet.domain.servers.words import Kind
from trivet.drivers import durable
from trivet.drivers.contracts.hardware import Hardware
from trivet.drivers.contracts.machine import MachineDriver
from trivet.drivers.ovn.chassis.wires import OvnWires
from trivet.drivers.ovn.engine import missing as ovn_missing
from trivet.drivers.ovn.seats import Keys
from trivet.drivers.podman.engine import missing as podman_missing
from trivet.drivers.podman.machines import PodmanMachines
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options
from trivet.drivers.qemu.options import missing as qemu_missing
from trivet.drivers.qemu.options import version as qemu_version
from trivet.errors import Invalid
from trivet.hosting import inside
from trivet.hosting.inside import Given
from trivet.hosting.processor import cpu_info

_OWN_MEMORY_MIB = 512
"""What the host keeps for itself."""
_logger = logging.getLogger(__name__)


class Has(msgspec.Struct, frozen=True):
    """What the machine has to offer."""

    kinds: tuple[Kind, ...]
    vcpus: int
    memory_mib: int
    disk_gib: int
    hypervisor_version: int
    cpu_info: str
    up_s: float
    """How long it has been running."""
    hardware: Hardware
    hypervisor_type: str = "QEMU"


class ThisMachine:
    def __init__(self, kinds: dict[Kind, MachineDriver], has: Has, data: Path) -> None:
        self.has = has
        self._kinds = kinds
        self._memory = data / "halted.json"

    @classmethod
    async def found(cls, data: Path, given: Given) -> Self:
        """Refused, with what is missing, where real engines cannot run."""
        hardware = inside.found(given, memory_mib=_memory_mib(), own_mib=_OWN_MEMORY_MIB)
        # Where none is set aside, servers may run on all, and need not be told so.
        kinds = _kinds_here(data, frozenset(hardware.shared) if given.dedicated or given.shared else frozenset())
        version = await qemu_version() if "vm" in kinds else 1
        return cls(kinds, _has(tuple(kinds), data, version, hardware), data)

    def engines(self, wires: OvnWires) -> Engines:
        """Those that were halted at the last end are known to be meant to run."""
        engines = Engines(self._kinds, wires)
        remember(engines, self._memory)
        return engines

    async def halt(self, engines: Engines) -> None:
        await halt(engines, self._memory)


def tag_of(data: Path) -> str:
    """What the links and bridges of the cloud under this directory begin with."""
    return "t" + hashlib.sha256(str(data).encode()).hexdigest()[:4]


def keep_keys(keys: Keys, private_key: str, admitted: Admitted) -> None:
    """Where the daemons of the network find them; they read them again when they change."""
    keys.private_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.write(keys.private_key, private_key.encode(), mode=0o600)
    durable.write(keys.certificate, admitted.certificate.encode())
    durable.write(keys.authority, admitted.authority.encode())


def _kinds_here(data: Path, shared: frozenset[int]) -> dict[Kind, MachineDriver]:
    """The kinds that this machine can run. Without a network there is no use in any. `shared`: on which CPUs those
    run that have none for themselves; all, if there are none."""
    lacks = ovn_missing()
    kinds: dict[Kind, MachineDriver] = {}
    if found := qemu_missing():
        lacks += [f"for VMs: {why}" for why in found]
    else:
        kinds["vm"] = QemuMachines(data / "qemu", Options(host_checksum=False, shared_cpus=shared))
    if found := podman_missing():
        lacks += [f"for containers: {why}" for why in found]
    else:
        kinds["container"] = PodmanMachines(data / "podman", shared)
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


def _has(kinds: tuple[Kind, ...], data: Path, version: int, hardware: Hardware) -> Has:
    return Has(
        kinds=kinds,
        vcpus=os.cpu_count() or 1,
        memory_mib=max(_memory_mib() - _OWN_MEMORY_MIB, 1),
        disk_gib=_disk_gib(data),
        hypervisor_version=version,
        cpu_info=cpu_info(),
        up_s=float(Path("/proc/uptime").read_text().split()[0]),
        hardware=hardware,
    )


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def _disk_gib(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_frsize * found.f_blocks >> 30
