"""The part of an order that is about volumes: what the machine is to have, in the order of its disks."""

from collections.abc import Sequence

import msgspec

from trivet.domain.servers.servers import Server
from trivet.domain.volumes import attachments
from trivet.domain.volumes.attachments import Attachment
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.drivers.contracts.machine import VolumeDisk
from trivet.store.tx import Tx
from trivet.store.where import Where

_HAS = ("attaching", "attached")


class Disks(msgspec.Struct, frozen=True):
    volumes: tuple[VolumeDisk, ...] = ()
    pending: bool = False


NO_DISKS = Disks()


async def of_servers(tx: Tx, servers: Sequence[Server]) -> dict[str, Disks]:
    used = await attachments.of_servers(tx, [server.id for server in servers])
    ids = {attachment.volume_id for group in used.values() for attachment in group}
    if not ids:
        return {}
    volumes = {volume.id: volume for volume in await tx.select(VOLUMES, Where().any_of("id", sorted(ids)))}
    by_id = {server.id: server for server in servers}
    return {id: _disks(by_id[id], group, volumes) for id, group in used.items()}


def _disks(server: Server, group: list[Attachment], volumes: dict[str, Volume]) -> Disks:
    wanted = [attachment for attachment in group if attachment.status in _HAS]
    ready = tuple(_disk(attachment, volumes[attachment.volume_id]) for attachment in wanted if attachment.connection)
    building = server.task in ("spawning", "rebuilding", "unshelving")
    missing = any(attachment.connection is None and (attachment.boots or building) for attachment in wanted)
    return Disks(ready, missing or server.reimage_id is not None)


def _disk(attachment: Attachment, volume: Volume) -> VolumeDisk:
    assert attachment.connection is not None
    return VolumeDisk(
        id=attachment.id,
        volume_id=volume.id,
        size_gib=volume.size_gib,
        connection=attachment.connection,
        read_only=attachment.mode == "ro",
        shared=volume.multiattach,
        boots=attachment.boots,
    )
