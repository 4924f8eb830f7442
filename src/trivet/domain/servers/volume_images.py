"""Images of servers that boot from a volume: nothing but words, which say of which snapshots its disks are made.

Nova's words for it are kept (`block_device_mapping`, `bdm_v2`), so that its clients find the snapshots there. Anybody
may upload an image with such words: they are read as what a client said, and each snapshot is asked whose it is.
"""

from typing import Any

import msgspec

from trivet.domain.images import images, signatures
from trivet.domain.images.images import Image
from trivet.domain.limits import quotas
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import local_disks
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.volumes import need_settled, of_server
from trivet.domain.volumes import snapshots
from trivet.domain.volumes.attachments import Attachment
from trivet.domain.volumes.snapshots import Snapshot
from trivet.drivers.contracts.machine import EmptyDisk
from trivet.errors import Invalid
from trivet.store.tx import Tx

MAPPING, SECOND = "block_device_mapping", "bdm_v2"
_ON = ("true", "yes", "on", "t", "y", "1")
WORDS = frozenset((MAPPING, SECOND, "root_device_name"))
"""Of an image that says which disks a server of it has."""


async def create(tx: Tx, call: Call, server: Server, name: str, properties: dict[str, str]) -> Image:
    if server.status == "active" and server.properties.get("os_require_quiesce", "").lower() in _ON:
        raise Invalid(
            "image.not_quiet",
            "The image asks for a quiet guest (os_require_quiesce), and volumes of a running one are not snapshotted "
            "at one quiet moment here; stop the server first.",
        )
    await need_settled(tx, server)
    used = await of_server(tx, server.id)
    await quotas.foresee(tx, server.project_id, "snapshots", len(used))
    mapping = [
        _mapped(attachment, await _snapshot(tx, call, name, attachment), index)
        for index, attachment in enumerate(sorted(used, key=lambda attachment: not attachment.boots))
    ]
    mapping += [_empty(disk, device) for disk, device in _local(server)]
    of_it = {"instance_uuid": server.id, "base_image_ref": "", "user_id": call.caller.user_id}
    of_it |= {MAPPING: msgspec.json.encode(mapping).decode(), SECOND: "True", "root_device_name": "/dev/vda"}
    inherited = signatures.without(server.properties)
    said = {key: value for key, value in (inherited | properties).items() if key not in WORDS}
    image = Image(
        id=tx.ids.uuid(),
        project_id=call.caller.project_id,
        name=name,
        visibility="private",
        status="active",
        disk_format="raw",
        container_format="bare",
        size=0,
        properties=said | of_it,
    )
    image = await images.create(tx, call.caller, image)
    server = await tx.update(SERVERS, server, updated_at=tx.clock.now())
    await server_actions.begin(tx, call, server, "createImage", done=True)
    return image


def _local(server: Server) -> list[tuple[EmptyDisk, str]]:
    names = local_disks.devices(server.local_disks)
    return [(disk, names[disk.name]) for disk in server.local_disks]


async def _snapshot(tx: Tx, call: Call, name: str, attachment: Attachment) -> Snapshot:
    return await snapshots.create(
        tx,
        call.caller,
        attachment.volume_id,
        force=True,
        name=f"snapshot for {name}"[:255],
        description="",
        metadata={},
    )


def _empty(disk: EmptyDisk, device: str) -> dict[str, Any]:
    return {
        "source_type": "blank",
        "destination_type": "local",
        "guest_format": disk.format,
        "volume_size": disk.size_mib if disk.format == "swap" else disk.size_mib // 1024,
        "boot_index": -1,
        "device_name": device,
        "delete_on_termination": True,
    }


def _mapped(attachment: Attachment, snapshot: Snapshot, index: int) -> dict[str, Any]:
    return {
        "source_type": "snapshot",
        "destination_type": "volume",
        "snapshot_id": snapshot.id,
        "volume_size": snapshot.size_gib,
        "boot_index": 0 if attachment.boots else None,
        "device_name": attachment.device,
        "delete_on_termination": attachment.delete_on_termination,
        "device_type": "disk" if index == 0 else None,
        "disk_bus": None,
        "guest_format": None,
        "image_id": None,
        "no_device": None,
        "tag": None,
        "volume_id": None,
        "volume_type": None,
    }
