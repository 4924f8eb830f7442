"""Where a guest finds its devices: what `arguments.py` says to QEMU, in the words in which a guest sees it."""

from trivet.drivers.contracts.machine import DevicePlace, MachineSpec
from trivet.drivers.qemu.arguments import DISK_SLOT, FIRST_SLOT, is_q35


def places_of(spec: MachineSpec, slots: dict[str, int]) -> dict[str, DevicePlace]:
    scsi = spec.properties.get("hw_disk_bus") == "scsi"
    found = {"root": DevicePlace("scsi") if scsi else DevicePlace("pci", f"0000:00:{DISK_SLOT:02x}.0")}
    disks = {disk.name for disk in spec.empty} | {volume.id for volume in spec.volumes}
    for id, slot in slots.items():
        # SCSI numbers its targets as they come.
        found[id] = DevicePlace("scsi") if scsi and id in disks else DevicePlace("pci", _address(spec, slot))
    return found


def _address(spec: MachineSpec, slot: int) -> str:
    """On q35 each card is alone behind a port, and the firmware numbers the buses of these in their order."""
    return f"0000:{slot + 1:02x}:00.0" if is_q35(spec) else f"0000:00:{FIRST_SLOT + slot:02x}.0"
