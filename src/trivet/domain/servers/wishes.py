"""Wishes: what a flavor, an image, a hint or a port asks of the host beside its size, and whether any host does it.

Here a word either does something or stands in nobody's way by asking for what is so anyhow. All others are unmet: the
server is made in error, with a fault that names the wish. A word that is stored and forgotten would be a lie.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trivet.domain.network.ports.ports import Port
from trivet.domain.numbers import whole_number
from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology import asks, guest_cpus, words
from trivet.domain.servers.words import Kind
from trivet.errors import Invalid

_AMOUNT_MAX = 0x7FFF_FFFF
Met = Callable[[str, FlavorOf], bool]


def _one_of(*words: str) -> Met:
    return lambda said, flavor: said.lower() in words


def _always(said: str, flavor: FlavorOf) -> bool:
    return True


def _number(said: str) -> int:
    found = whole_number(said)
    return found if found is not None and found <= _AMOUNT_MAX else -1


_OFF = _one_of("false", "no", "off", "f", "n", "0")
_ON = _one_of("true", "yes", "on", "t", "y", "1")

_PLAIN: dict[str, Met] = {
    "watchdog_action": _one_of("disabled"),
    "usb_model": _one_of("none"),
    "redirected_usb_ports": _one_of("0"),
    "auto_disk_config": _always,
    # These say how to do what nothing here does, and what would ask for it is refused by itself.
    "pci_numa_affinity_policy": _always,
    "ephemeral_encryption_format": _always,
    "floppy_bus": _always,
    "rescue_bus": _always,
    "rescue_device": _always,
} | dict.fromkeys(
    (
        "boot_menu", "cpu_realtime", "ephemeral_encryption", "hide_hypervisor_id", "ipxe_boot", "locked_memory",
        "mem_encryption", "vif_multiqueue_enabled", "virtio_packed_ring",
    ),
    _OFF,
)  # fmt: skip
"""Hardware words, without their hw: or hw_, that ask for nothing special, of any kind of server."""

_EITHER = _one_of("true", "yes", "on", "t", "y", "1", "false", "no", "off", "f", "n", "0")
_MACHINES = re.compile(r"pc|q35|pc-(i440fx|q35)-[0-9.]{1,8}")
_VM: dict[str, Met] = {
    "architecture": _one_of("x86_64", "amd64"),
    "cdrom_bus": _one_of("ide", "sata", "scsi", "virtio"),
    "disk_bus": _one_of("virtio", "scsi"),
    "firmware_type": _one_of("bios", "uefi"),
    "qemu_guest_agent": _EITHER,
    "machine_type": lambda said, flavor: _MACHINES.fullmatch(said) is not None,
    "rng_model": _one_of("virtio"),
    "scsi_model": _one_of("virtio-scsi"),
    "serial_port_count": _one_of("1"),
    "video_model": _one_of("vga"),
    "vif_model": _one_of("virtio", "e1000", "e1000e"),
    "vm_mode": _one_of("hvm"),
}
"""What the virtual machines here have or can have."""

_OTHER: dict[str, Met] = {
    "group_policy": _always,
    "hide_hypervisor_id": _OFF,
    "hw_rng:allowed": _ON,
    "hw_video:ram_max_mb": _always,
    "os:secure_boot": _one_of("disabled"),
    "trivet:isolation": _one_of("namespaces", "vm"),
    "trivet:kind": _always,
}
"""Extra specs outside hw:. How much memory a screen may have matters only to an image that asks for some."""
_INSIDE_CONTAINER: dict[str, Met] = {
    "cpu_policy": _one_of("shared", "dedicated"),
    "cpu_thread_policy": _always,
    "emulator_threads_policy": _one_of("share"),
    "mem_page_size": _one_of("small", "any"),
    "numa_nodes": _always,
}
"""Of what is asked of a host's inside. A container has no kernel of its own to show nodes and huge pages to, but runs
on the CPUs and in the memory that it is given."""
_CONTAINER: dict[str, Met] = {
    "hw_rng:allowed": _always,
    "trivet:net_admin": _always,
}
_SPEC_SCOPES = re.compile(
    r"accel|aggregate_instance_extra_specs|capabilities|hw_rng|hw_video|os|pci_passthrough|powervm|quota|"
    r"(resources|trait)([a-zA-Z0-9_-]{1,64})?|trivet|vmware"
)
"""Words of other scopes are an operator's own notes, as everywhere."""

_PROPERTIES: dict[str, Met] = {
    "img_config_drive": _one_of("optional", "mandatory"),
    "img_hide_hypervisor_id": _OFF,
    "img_hv_requested_version": _one_of(""),
    "img_hv_type": _one_of("kvm", "qemu"),
    "kernel_id": _one_of(""),
    "os_require_quiesce": _OFF,
    "os_secure_boot": _one_of("disabled", "optional"),
    "os_shutdown_timeout": lambda said, flavor: _number(said) >= 0,
    "ramdisk_id": _one_of(""),
}
"""Image properties that ask for something. Any other one only says what the image is."""
_OLD_NAMES = {
    "architecture": "hw_architecture",
    "hypervisor_type": "img_hv_type",
    "hypervisor_version_requires": "img_hv_requested_version",
    "ipxe_boot": "hw_ipxe_boot",
    "vm_mode": "hw_vm_mode",
}
_VALUES: dict[str, str] = {
    "cdrom_bus|disk_bus|floppy_bus|rescue_bus": "fdc ide lxc sata scsi sd uml usb virtio xen",
    "cpu_policy": "dedicated mixed shared",
    "cpu_thread_policy": "isolate prefer require",
    "firmware_type": "bios uefi",
    "rng_model": "virtio",
    "scsi_model": "buslogic ibmvscsi lsilogic lsisas1068 lsisas1078 virtio-scsi vmpvscsi",
    "video_model": "bochs cirrus gop none qxl vga virtio vmvga xen",
    "vif_model": "e1000 e1000e igb lan9118 ne2k_pci netfront pcnet rtl8139 spapr-vlan sriov virtio virtualE1000"
    " virtuale1000e virtualpcnet32 virtualsriovethernetcard virtualvmxnet virtualvmxnet3 vmxnet3",
    "vm_mode": "exe hvm uml xen",
    "watchdog_action": "disabled none pause poweroff reset",
}
"""Hardware properties with the words that they may have at all, whether or not a host does it."""
_PROPERTY_VALUES = {name: words.lower().split() for names, words in _VALUES.items() for name in names.split("|")}

_HINTS = frozenset(("group", "same_host", "different_host"))


def check(flavor: FlavorOf, properties: Mapping[str, str]) -> None:
    """Refuse what no cloud could do: words that contradict each other, or that mean nothing."""
    for name, said in _of_image(properties):
        known = _PROPERTY_VALUES.get(name.removeprefix("hw_")) if name.startswith("hw_") else None
        if known is not None and said.lower() not in known:
            raise Invalid("image.property_invalid", f"Invalid image metadata: {said[:64]!r} is no value for {name}.")
    asks.read(flavor, properties)
    guest_cpus.shape_of(flavor, properties)


def unmet(flavor: FlavorOf, properties: Mapping[str, str], kind: Kind) -> str | None:
    """A sentence about the first wish that no host does; None if all are met."""
    for what, amount in (("swap disk", flavor.swap_mib), ("ephemeral disk", flavor.ephemeral_gib)):
        if amount and kind != "vm":
            return f"No host gives a {kind} the {what} that flavor {flavor.name} asks for."
    for name, said in sorted(flavor.extra_specs.items()):
        if not _spec_met(name, said, flavor, properties, kind):
            return f"No host offers {name}={said[:64]}, which the flavor asks for."
    for name, said in _of_image(properties):
        if not _property_met(name, said, flavor, properties, kind):
            return f"No host offers {name}={said[:64]}, which the image asks for."
    return None


def has_guest_agent(properties: Mapping[str, str]) -> bool:
    return properties.get("hw_qemu_guest_agent", "").lower() in ("true", "yes", "on", "t", "y", "1")


def unmet_hint(hints: Mapping[str, Any]) -> str | None:
    for name in sorted(hints):
        # Heat says so which stack a server belongs to.
        if name not in _HINTS and not name.startswith("heat_"):
            return f"Nothing here follows the scheduler hint {name[:64]!r}; {', '.join(sorted(_HINTS))} are known."
    return None


def unmet_port(port: Port) -> str | None:
    if port.vnic_type == "normal":
        return None
    return f"No host can plug in port {port.id}, whose binding:vnic_type is {port.vnic_type}."


def traits(flavor: FlavorOf, properties: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """(trait, whether it is required or forbidden) of the whole server."""
    for name, said in (*properties.items(), *flavor.extra_specs.items()):
        if name.startswith("trait:"):
            yield name.removeprefix("trait:"), said == "required"


def _of_image(properties: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, said in sorted(properties.items()):
        yield _OLD_NAMES.get(name, name), said


def _hardware_met(name: str, said: str, flavor: FlavorOf, properties: Mapping[str, str], kind: Kind) -> bool:
    if words.is_asked(name):
        # Which host has it is seen when one is looked for.
        inside = _INSIDE_CONTAINER.get(name, _always)
        return kind == "vm" or (kind == "container" and inside(said, flavor)) or words.is_plain(name, said)
    if name in guest_cpus.WORDS:
        return kind == "vm" and guest_cpus.shape_of(flavor, properties) is not None
    for known in (_PLAIN, _VM if kind == "vm" else {}):
        met = known.get(name)
        if met is not None:
            return met(said, flavor)
    return False


def _spec_met(name: str, said: str, flavor: FlavorOf, properties: Mapping[str, str], kind: Kind) -> bool:
    scope, colon, word = name.partition(":")
    if scope == "hw" and colon:
        return _hardware_met(word, said, flavor, properties, kind)
    met = _CONTAINER.get(name) if kind == "container" else None
    met = met or _OTHER.get(name)
    if met is not None:
        return met(said, flavor)
    if name == words.ALIAS:
        # Which host has them is seen when one is looked for.
        return kind == "vm"
    if scope == "resources" and colon:
        return _number(said) >= 0
    if scope == "trait" and colon:
        return said in ("required", "forbidden")
    return bool(colon) and _SPEC_SCOPES.fullmatch(scope) is None


def _property_met(name: str, said: str, flavor: FlavorOf, properties: Mapping[str, str], kind: Kind) -> bool:
    if name.startswith("hw_"):
        return _hardware_met(name.removeprefix("hw_"), said, flavor, properties, kind)
    if name.startswith("trait:"):
        return said in ("required", "forbidden")
    met = _EITHER if name == "os_require_quiesce" and kind == "vm" else _PROPERTIES.get(name)
    return met is None or met(said, flavor)
