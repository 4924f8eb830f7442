"""Devices that were given a tag, as the metadata tells a guest of them: by what it can see of them itself.

Where a device sits on the guest's buses only its host knows. `AT` names the device for the agent, which puts its bus
and its address there instead (agent/device_places.py); that word never reaches a guest.
"""

from collections.abc import Sequence
from typing import Any

from trivet.domain.servers import local_disks
from trivet.domain.servers.network_data import Interface
from trivet.domain.servers.servers import Server
from trivet.domain.servers.words import AT, ROOT_DISK
from trivet.domain.volumes.attachments import Attachment


def tagged_devices(
    server: Server, interfaces: Sequence[Interface], volumes: Sequence[Attachment]
) -> list[dict[str, Any]]:
    return [
        *(_nic(server, interface) for interface in interfaces if interface.port.id in server.nic_tags),
        *_local(server),
        *(_volume(attachment) for attachment in volumes if attachment.tag is not None),
    ]


def _nic(server: Server, interface: Interface) -> dict[str, Any]:
    port = interface.port
    return {"type": "nic", "mac": port.mac_address, "tags": [server.nic_tags[port.id]], AT: port.id}


def _local(server: Server) -> list[dict[str, Any]]:
    paths = {ROOT_DISK: "/dev/vda"} | local_disks.devices(server.local_disks)
    return [
        {"type": "disk", "path": paths[name], "tags": [tag], AT: name}
        for name, tag in server.disk_tags.items()
        if name in paths
    ]


def _volume(attachment: Attachment) -> dict[str, Any]:
    return {
        "type": "disk",
        "serial": attachment.volume_id,
        "path": attachment.device,
        "tags": [attachment.tag],
        AT: ROOT_DISK if attachment.boots else attachment.id,
    }
