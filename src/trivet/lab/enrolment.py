"""What a cloud is told of a rack, and what its engine for physical machines is told of each machine."""

from pathlib import Path
from typing import Any

from trivet.lab.rack import DEPLOY_VLAN, FIRST_VLAN, LAST_VLAN, PARKING_VLAN, Machine, Rack

_PORT, _MEDIA_PORT = 6385, 6386
FABRIC = "rack"


def settings(rack: Rack, ramdisk: Path) -> dict[str, str]:
    """As a cloud reads them from its environment."""
    first = rack.deploy_address.rpartition(".")[0]
    return {
        "TRIVET_METAL": "true",
        "TRIVET_METAL_HARDWARE": "redfish",
        "TRIVET_METAL_DOOR": f"{rack.deploy_address}:{_PORT}",
        "TRIVET_METAL_MEDIA": f"{rack.management_address}:{_MEDIA_PORT}",
        "TRIVET_METAL_DHCP": f"{first}.50-{first}.99",
        "TRIVET_METAL_RAMDISK": str(ramdisk),
        "TRIVET_METAL_VLANS": f"{FABRIC}:{FIRST_VLAN}-{LAST_VLAN}",
        "TRIVET_METAL_DEPLOY_VLAN": str(DEPLOY_VLAN),
        "TRIVET_METAL_PARKING_VLAN": str(PARKING_VLAN),
        "TRIVET_METAL_SWITCHES": f"sw1={rack.switch}",
        "TRIVET_PHYSICAL_NETWORKS": f"{FABRIC}:{rack.trunk}",
    }


def node(rack: Rack, machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "driver": "redfish",
        "resource_class": "small",
        # The emulated controllers have neither.
        "bios_interface": "no-bios",
        "firmware_interface": "no-firmware",
        "driver_info": {
            "redfish_address": rack.controller,
            "redfish_system_id": f"/redfish/v1/Systems/{machine.system}",
            "redfish_username": "admin",
            "redfish_password": "secret",
            # An emulated processor whose host is busy is too slow for the kernel's trial of its timer.
            "kernel_append_params": "%default% no_timer_check",
        },
        "properties": {"cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"},
    }


def ports(rack: Rack, machine: Machine) -> list[dict[str, Any]]:
    """The first boots."""
    return [
        {
            "address": machine.mac(card),
            "pxe_enabled": card == 0,
            "physical_network": FABRIC,
            "local_link_connection": {
                "switch_id": "02:00:00:00:00:01",
                "switch_info": "sw1",
                "port_id": machine.port(card),
            },
        }
        for card in range(rack.cards)
    ]
