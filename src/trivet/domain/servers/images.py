"""Images of servers: the row of a new image is made at once, and the agent fills it from the root disk."""

from collections.abc import AsyncIterator, Awaitable, Callable

from trivet.domain.callers import Caller
from trivet.domain.images import data as image_data
from trivet.domain.images import images, signatures
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.servers import volume_images
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import order
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import Server
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Invalid
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

SNAPSHOT_S = 900.0
_STATES = ("active", "stopped", "paused", "suspended")


async def create_image(tx: Tx, call: Call, id: str, name: str, properties: dict[str, str]) -> Image:
    server = await ready(tx, call, id, "createImage", states=_STATES)
    if server.boots_from_volume:
        return await volume_images.create(tx, call, server, name, {"image_type": "snapshot"} | properties)
    return await _snapshot(tx, call, server, name, {"image_type": "snapshot"} | properties, action="createImage")


async def create_backup(tx: Tx, call: Call, id: str, name: str, backup_type: str, *, rotation: int) -> Image | None:
    """An image of its type, and only the newest `rotation` of that type stay. None: none were to stay."""
    server = await ready(tx, call, id, "createBackup", states=_STATES)
    if server.boots_from_volume:
        raise Invalid("backup.from_volume", "Backup is not supported for volume-backed instances.")
    await _drop_oldest(tx, call, server, backup_type, max(rotation - 1, 0))
    if rotation == 0:
        return None
    properties = {"image_type": "backup", "backup_type": backup_type}
    return await _snapshot(tx, call, server, name, properties, action="createBackup")


async def _snapshot(tx: Tx, call: Call, server: Server, name: str, properties: dict[str, str], *, action: str) -> Image:
    need_host(server, "createImage")
    image = await expect_image(tx, call.caller, server, name, properties)
    task = "image_backup" if action == "createBackup" else "image_snapshot"
    await order(tx, call, server, action, task, in_s=SNAPSHOT_S, snapshot_image_id=image.id)
    return image


async def expect_image(tx: Tx, caller: Caller, server: Server, name: str, properties: dict[str, str]) -> Image:
    """A row that waits for the server's root disk."""
    container = server.kind == "container"
    return await images.expect(
        tx,
        caller,
        name,
        disk_format="oci" if container else "qcow2",
        container_format="docker" if container else "bare",
        properties=signatures.without(server.properties)
        | {"instance_uuid": server.id, "base_image_ref": server.image_id or "", "user_id": caller.user_id}
        | properties,
        min_disk=0 if container else server.flavor.disk_gib,
    )


async def take_in(parts: Parts, admit: Callable[[Tx], Awaitable[Image]], chunks: AsyncIterator[bytes]) -> None:
    """The bytes of a snapshot that an agent elsewhere made, for the image that `admit` lets it fill."""
    key = image_data.new_key(parts)

    async def begin(tx: Tx) -> Image:
        return await image_data.start_writing(tx, await admit(tx), "saving", key)

    image = await transact(parts.store, begin)
    try:
        await image_data.fill(parts, image, chunks, "queued")
    except DriverError as error:
        # The agent keeps its file no longer than this call, and makes another when there is room.
        raise Busy("blobs.away", error.why) from error


async def _drop_oldest(tx: Tx, call: Call, server: Server, backup_type: str, keep: int) -> None:
    where = Where().equal("project_id", server.project_id)
    for name, value in (("instance_uuid", server.id), ("image_type", "backup"), ("backup_type", backup_type)):
        where.add("id IN (SELECT image_id FROM image_properties WHERE name = ? AND value = ?)", name, value)
    for image in (await tx.select(IMAGES, where, order="created_at DESC, id"))[keep:]:
        await images.delete(tx, call.caller, image.id)
