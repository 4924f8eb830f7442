"""The disk that a machine in rescue boots from, where it is shown behind all others, which keep their names.

Guests name disks by their place on the bus, so it takes the last one: the highest PCI slot (on q35 a port of its own),
the highest SCSI target, or another bus.
"""

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import RescueDisk
from trivet.drivers.qemu.layout import Layout

_LAST_PC, _LAST_Q35, _CONTROLLER = 31, 10, 6
_LAST_TARGET = 200


def rescue_node(layout: Layout, *, read_only: bool) -> dict[str, object]:
    return {
        "driver": "qcow2",
        "node-name": "rescue",
        "discard": "unmap",
        "read-only": read_only,
        "file": {"driver": "file", "filename": str(layout.rescue), "read-only": read_only},
    }


def rescue_disk(rescue: RescueDisk, layout: Layout, *, q35: bool) -> list[str]:
    cdrom = rescue.device == "cdrom"
    said = "drive=rescue,bootindex=0"
    kind = "cd" if cdrom else "hd"
    match rescue.bus:
        case "virtio" if not cdrom and q35:
            port = f"pcie-root-port,id=rescueport,chassis=99,bus=pcie.0,addr={_LAST_Q35:#x}"
            devices = [port, f"virtio-blk-pci,id=rescue,bus=rescueport,{said}"]
        case "virtio" if not cdrom:
            devices = [f"virtio-blk-pci,id=rescue,bus=pci.0,addr={_LAST_PC:#x},{said}"]
        case "scsi":
            devices = [f"scsi-{kind},id=rescue,bus=scsi.0,scsi-id={_LAST_TARGET},{said}"]
        case "ide" if not q35:
            devices = [f"ide-{kind},id=rescue,bus=ide.0,{said}"]
        case "ide" | "sata" if q35:
            # The chipset's own ports are SATA.
            devices = [f"ide-{kind},id=rescue,bus=ide.5,{said}"]
        case "sata":
            controller = f"ich9-ahci,id=sata,bus=pci.0,addr={_CONTROLLER:#x}"
            devices = [controller, f"ide-{kind},id=rescue,bus=sata.0,{said}"]
        case "usb" if not cdrom:
            controller = f"qemu-xhci,id=usb,bus={'pcie.0' if q35 else 'pci.0'},addr={_CONTROLLER:#x}"
            devices = [controller, f"usb-storage,id=rescue,bus=usb.0,{said}"]
        case _:
            raise DriverError(f"No {rescue.device} on the bus {rescue.bus} here to rescue a server with.", again=False)
    words = ["-blockdev", msgspec.json.encode(rescue_node(layout, read_only=cdrom)).decode()]
    for device in devices:
        words += ["-device", device]
    return words
