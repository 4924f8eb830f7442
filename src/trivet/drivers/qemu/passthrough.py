"""PCI functions of the host that a machine has: whether they can be handed through, and the words for it."""

from pathlib import Path

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec

_DEVICES = Path("/sys/bus/pci/devices")


def functions(spec: MachineSpec) -> tuple[str, ...]:
    return spec.topology.functions if spec.topology is not None else ()


def check(spec: MachineSpec, devices: Path = _DEVICES) -> None:
    """Before QEMU would say it in words that nobody understands, or take from the host what it works with."""
    for address in functions(spec):
        folder = devices / address
        if not folder.exists():
            raise _refused(address, "it is not there any more")
        if not (folder / "iommu_group").exists():
            raise _refused(address, "the host has no IOMMU, or it is switched off")
        driver = (folder / "driver").resolve().name if (folder / "driver").exists() else "none"
        if driver != "vfio-pci":
            raise _refused(address, f"its driver is {driver}, and must be vfio-pci")


def _refused(address: str, why: str) -> DriverError:
    return DriverError(f"The host cannot hand PCI function {address} through: {why}.", again=False)
