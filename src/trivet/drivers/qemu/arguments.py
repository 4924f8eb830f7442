"""The command line of a machine's QEMU: one pure function from what is wanted to words.

Every device has a fixed place on the bus. QEMU would choose one by itself, but then a card that was
plugged in later would sit elsewhere after a restart, and a suspended guest could not be resumed.
"""

import re

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, Nic, VolumeDisk
from trivet.drivers.qemu import empty_disks, guest_agent, inside, passthrough
from trivet.drivers.qemu.layout import Layout, Record, Saved
from trivet.drivers.qemu.rescue import rescue_disk, rescue_node

FIRMWARE_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
FIRMWARE_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

_MACHINE = re.compile(r"pc|q35|pc-(i440fx|q35)-[0-9.]{1,8}")
_NIC_MODELS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e"}
_VGA, _RNG, DISK_SLOT, _SCSI, _BESIDE, _PORTS, FIRST_SLOT = 2, 3, 4, 5, 6, 7, 8
_SLOTS_PC, _SLOTS_Q35 = 23, 16
_RECONNECT_S, _OPEN_S = 60, 30
"""How long a guest waits for the daemon of a volume: when that has died, and before it is there."""
_ERRORS = "werror=report,rerror=report"
"""A full host disk is the guest's I/O error, not a machine that stands still and says nothing."""
_TRANSLATED_MIB = 128
"""TCG keeps translated code up to this much; its own default is up to 1 GiB a guest."""


class Ground(msgspec.Struct, frozen=True):
    """What the machine stands on: the same for all machines of a host."""

    accelerator: str
    host_checksum: bool


def arguments(record: Record, layout: Layout, ground: Ground, saved: Saved | None = None) -> list[str]:
    spec = record.spec
    machine = saved.machine if saved else machine_type(spec)
    accelerator = saved.accelerator if saved else ground.accelerator
    return [
        *_nature(spec, machine, accelerator),
        *_doors(layout),
        *_firmware(spec, layout),
        *_disks(record, layout, q35=_is_q35(machine)),
        *_agent(spec, layout, q35=_is_q35(machine)),
        *_empty(record, layout),
        *_volumes(record),
        *_cards(record, ground, q35=_is_q35(machine)),
    ]


def machine_type(spec: MachineSpec) -> str:
    """pc unless asked: it starts in half the time of q35 under TCG, and every guest has its drivers."""
    wanted = spec.properties.get("hw_machine_type", "pc")
    if not _MACHINE.fullmatch(wanted):
        raise DriverError(f"No machine type {wanted[:40]!r} here; pc and q35 are.", again=False)
    return wanted


def is_q35(spec: MachineSpec) -> bool:
    return _is_q35(machine_type(spec))


def has_uefi(spec: MachineSpec) -> bool:
    return spec.properties.get("hw_firmware_type") == "uefi"


def slots_for(spec: MachineSpec, taken: dict[str, int]) -> dict[str, int]:
    """A slot for each network card, each empty disk and each volume that does not boot, by port, name or attachment;
    what has one keeps it."""
    wanted = [nic.port_id for nic in spec.nics] + [disk.name for disk in spec.empty]
    wanted += [volume.id for volume in spec.volumes if not volume.boots]
    wanted += passthrough.functions(spec)
    slots = {id: taken[id] for id in wanted if id in taken}
    free = (slot for slot in range(_SLOTS_Q35 if is_q35(spec) else _SLOTS_PC) if slot not in slots.values())
    for id in wanted:
        if id not in slots:
            slot = next(free, None)
            if slot is None:
                raise DriverError("The machine has no slot left for another network card or volume.", again=False)
            slots[id] = slot
    return slots


def netdev_of(nic: Nic, slot: int) -> dict[str, str]:
    return {"type": "tap", "id": f"net{slot}", "ifname": nic.device, "script": "no", "downscript": "no"}


def card_of(spec: MachineSpec, nic: Nic, slot: int, ground: Ground) -> dict[str, str | int | bool]:
    asked = spec.properties.get("hw_vif_model", "virtio")
    if asked not in _NIC_MODELS:
        raise DriverError(f"No network card model {asked[:40]!r} here; {', '.join(_NIC_MODELS)} are.", again=False)
    card: dict[str, str | int | bool] = {
        "driver": _NIC_MODELS[asked],
        "id": f"nic{slot}",
        "netdev": f"net{slot}",
        "mac": nic.mac,
    }
    card |= _place(spec, slot)
    # Without its own ROM the card cannot be booted from, and the firmware starts a second sooner.
    card["romfile"] = ""
    if asked == "virtio":
        if nic.mtu:
            card["host_mtu"] = nic.mtu
        if not ground.host_checksum:
            card["csum"] = False
    return card


def _place(spec: MachineSpec, slot: int) -> dict[str, str]:
    if is_q35(spec):
        return {"bus": f"port{slot}"}
    return {"bus": "pci.0", "addr": hex(FIRST_SLOT + slot)}


def node_of(volume: VolumeDisk, name: str) -> dict[str, object]:
    """The way to a volume. Its daemon may be away for a while; the guest waits, and does not see an error at once."""
    return {
        "driver": "nbd",
        "node-name": name,
        "server": {"type": "unix", "path": volume.connection.path},
        "export": volume.connection.export,
        "reconnect-delay": _RECONNECT_S,
        "open-timeout": _OPEN_S,
        "read-only": volume.read_only,
        "discard": "unmap",
    }


def disk_of(spec: MachineSpec, volume: VolumeDisk, slot: int) -> dict[str, object]:
    disk = _disk_at(spec, slot, volume.volume_id)
    if volume.shared:
        disk["share-rw"] = True
    return disk


def _disk_at(spec: MachineSpec, slot: int, serial: str) -> dict[str, object]:
    disk: dict[str, object] = {
        "id": f"volume{slot}",
        "drive": f"vol{slot}",
        "serial": serial,
        "werror": "report",
        "rerror": "report",
    }
    if spec.properties.get("hw_disk_bus") == "scsi":
        return {"driver": "scsi-hd", "bus": "scsi.0"} | disk
    return {"driver": "virtio-blk-pci"} | _place(spec, slot) | disk


# -- groups of words


def _nature(spec: MachineSpec, machine: str, accelerator: str) -> list[str]:
    kvm = accelerator == "kvm"
    chipset = "ICH9-LPC" if _is_q35(machine) else "PIIX4_PM"
    return [
        *("-name", f"guest={spec.id}"),
        *("-uuid", spec.id),
        *("-smbios", f"type=1,manufacturer=Trivet,product=Trivet,serial={spec.id},uuid={spec.id}"),
        *("-machine", f"{machine},usb=off,vmport=off"),
        *("-accel", "kvm" if kvm else f"tcg,thread=multi,tb-size={_TRANSLATED_MIB}"),
        *("-cpu", inside.processor(spec, kvm=kvm)),
        *inside.words(spec),
        *("-nodefaults", "-no-user-config", "-S"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-rtc", "base=utc,driftfix=slew"),
        # A guest that sleeps looks like one that hangs, and nobody could wake it.
        *("-global", f"{chipset}.disable_s3=1"),
        *("-global", f"{chipset}.disable_s4=1"),
        *("-boot", "strict=on"),
    ]


def _doors(layout: Layout) -> list[str]:
    serial = f"socket,id=serial,path={_word(layout.serial)},server=on,wait=off"
    return [
        *("-pidfile", str(layout.pid)),
        *("-chardev", f"socket,id=qmp,path={_word(layout.qmp)},server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=eye,path={_word(layout.eye)},server=on,wait=off"),
        *("-mon", "chardev=eye,mode=control"),
        *("-chardev", f"{serial},logfile={_word(layout.console_log)},logappend=on"),
        *("-device", "isa-serial,chardev=serial"),
        *("-display", "none"),
        *("-vnc", f"unix:{_word(layout.vnc)}"),
    ]


def _firmware(spec: MachineSpec, layout: Layout) -> list[str]:
    if not has_uefi(spec):
        return []
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE_CODE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={_word(layout.firmware_vars)}"),
    ]


def _disks(record: Record, layout: Layout, *, q35: bool) -> list[str]:
    spec, rescue = record.spec, record.rescue
    first = rescue is not None and rescue.bus is None
    words = [
        *("-blockdev", _json(_root(spec, layout))),
        *("-device", f"virtio-scsi-pci,id=scsi,bus={_bus(q35=q35)},addr={_SCSI:#x}"),
        *(_rescue_first(spec, layout, q35=q35) if first else ()),
        *("-device", _root_disk(spec, addr=_BESIDE if first else DISK_SLOT, order=0 if rescue is None else 1, q35=q35)),
        *(rescue_disk(rescue, layout, q35=q35) if rescue is not None and not first else ()),
    ]
    if spec.config_drive is not None:
        drive = layout.rescue_drive if rescue is not None and layout.rescue_drive.exists() else layout.config_drive
        iso = {
            "driver": "raw",
            "node-name": "config",
            "read-only": True,
            "file": {"driver": "file", "filename": str(drive)},
        }
        words += ["-blockdev", _json(iso), "-device", _cd(spec, q35=q35)]
    return words


def _root_disk(spec: MachineSpec, *, addr: int, order: int, q35: bool) -> str:
    disk = _plain_disk(spec, "id=disk,drive=root", addr, order, q35=q35)
    boots = next((volume for volume in spec.volumes if volume.boots), None)
    if boots is not None:
        disk += f",serial={boots.volume_id}" + (",share-rw=on" if boots.shared else "")
    return disk


def _rescue_first(spec: MachineSpec, layout: Layout, *, q35: bool) -> list[str]:
    disk = _plain_disk(spec, "id=rescue,drive=rescue", DISK_SLOT, 0, q35=q35)
    return ["-blockdev", _json(rescue_node(layout, read_only=False)), "-device", disk]


def _plain_disk(spec: MachineSpec, what: str, addr: int, order: int, *, q35: bool) -> str:
    if spec.properties.get("hw_disk_bus") == "scsi":
        return f"scsi-hd,{what},bus=scsi.0,bootindex={order},{_ERRORS}"
    return f"virtio-blk-pci,{what},bus={_bus(q35=q35)},addr={addr:#x},bootindex={order},{_ERRORS}"


def _root(spec: MachineSpec, layout: Layout) -> dict[str, object]:
    boots = next((volume for volume in spec.volumes if volume.boots), None)
    if boots is not None:
        return node_of(boots, "root")
    return {
        "driver": "qcow2",
        "node-name": "root",
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(layout.root)},
    }


def _agent(spec: MachineSpec, layout: Layout, *, q35: bool) -> list[str]:
    """A port for the agent inside the guest, whether one listens there or not."""
    if not guest_agent.is_on(spec.properties):
        return []
    return [
        *("-chardev", f"socket,id=agent,path={_word(layout.agent)},server=on,wait=off"),
        *("-device", f"virtio-serial-pci,id=ports,bus={_bus(q35=q35)},addr={_PORTS:#x},max_ports=2"),
        *("-device", "virtserialport,bus=ports.0,chardev=agent,name=org.qemu.guest_agent.0"),
    ]


def _empty(record: Record, layout: Layout) -> list[str]:
    words = []
    for disk in record.spec.empty:
        slot = record.slots[disk.name]
        words += ["-blockdev", _json(empty_disks.node_of(layout.folder, disk, f"vol{slot}"))]
        words += ["-device", _json(_disk_at(record.spec, slot, disk.name))]
    return words


def _volumes(record: Record) -> list[str]:
    words = []
    for volume in record.spec.volumes:
        if not volume.boots:
            slot = record.slots[volume.id]
            words += ["-blockdev", _json(node_of(volume, f"vol{slot}"))]
            words += ["-device", _json(disk_of(record.spec, volume, slot))]
    return words


def _cd(spec: MachineSpec, *, q35: bool) -> str:
    """Small cloud kernels know pc's IDE and virtio-scsi, but not q35's AHCI."""
    bus = spec.properties.get("hw_cdrom_bus", "scsi" if q35 else "ide")
    if bus in ("scsi", "virtio"):
        return "scsi-cd,id=cd,drive=config,bus=scsi.0"
    return "ide-cd,id=cd,drive=config,bus=ide.1"


def _cards(record: Record, ground: Ground, *, q35: bool) -> list[str]:
    bus = _bus(q35=q35)
    words = [
        *("-device", f"VGA,id=vga,bus={bus},addr={_VGA:#x}"),
        *("-object", "rng-random,id=random,filename=/dev/urandom"),
        *("-device", f"virtio-rng-pci,rng=random,bus={bus},addr={_RNG:#x}"),
    ]
    if q35:
        # PCI Express cards can only be plugged into ports that were there from the start.
        for slot in range(_SLOTS_Q35):
            place = f"addr={FIRST_SLOT + slot // 8:#x}.{slot % 8:#x},multifunction=on"
            words += ["-device", f"pcie-root-port,id=port{slot},chassis={slot + 1},bus={bus},{place}"]
    for address in passthrough.functions(record.spec):
        slot = record.slots[address]
        words += [
            "-device",
            _json({"driver": "vfio-pci", "id": f"pci{slot}", "host": address} | _place(record.spec, slot)),
        ]
    for nic in record.spec.nics:
        slot = record.slots[nic.port_id]
        words += ["-netdev", _json(netdev_of(nic, slot))]
        words += ["-device", _json(card_of(record.spec, nic, slot, ground))]
    return words


def _bus(*, q35: bool) -> str:
    return "pcie.0" if q35 else "pci.0"


def _is_q35(machine: str) -> bool:
    return "q35" in machine


def _word(value: object) -> str:
    """QEMU ends a value at a comma; two of them are one."""
    return str(value).replace(",", ",,")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
