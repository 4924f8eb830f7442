"""What is done with one volume: the steps, in order, and what the rows say when one cannot be done."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from trivet.controllers.volumes import rows
from trivet.controllers.volumes.uploads import Uploads
from trivet.domain.images import content as image_content
from trivet.domain.images import images, signatures
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.servers import state as server_state
from trivet.domain.servers.servers import SERVERS
from trivet.domain.volumes import (
    acts,
    attachments,
    backends,
    deleted_volumes,
    encryption,
    groups,
    limits,
    messages,
    snapshots,
    types,
)
from trivet.domain.volumes.attachments import ATTACHMENTS, Attachment
from trivet.domain.volumes.create import image_facts
from trivet.domain.volumes.snapshots import SNAPSHOTS, Snapshot
from trivet.domain.volumes.volumes import REIMAGING, VOLUMES, Volume
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import (
    Connection,
    FromImage,
    FromSnapshot,
    FromVolume,
    Key,
    Limits,
    Refilling,
    Serving,
    Snapshots,
    Source,
    VolumeDriver,
    VolumeSpec,
)
from trivet.errors import Invalid, NotFound
from trivet.parts import Parts
from trivet.store.tx import Tx

T = TypeVar("T")
_SERVING = ("attaching", "attached", "detaching")
_logger = logging.getLogger(__name__)


class Transact(Protocol):
    """One fenced transaction."""

    async def __call__(self, act: Callable[[Tx], Awaitable[T]]) -> T: ...


Fence = Callable[[Tx], Awaitable[None]]


class Steps:
    def __init__(self, parts: Parts, driver: VolumeDriver, transact: Transact, fence: Fence) -> None:
        self._parts = parts
        self._driver = driver
        self._transact = transact
        self._uploads = Uploads(parts, driver, fence)

    async def all_of(self, id: str, *, serve: bool) -> None:
        """`serve`: also if the rows do not say that there is anything to do."""
        volume, used, kept = await self._read(id)
        if volume is None:
            await self._purge(id)
            return
        if volume.working and volume.status == "creating":
            await self._create(volume)
        for snapshot in kept:
            await self._snapshot(snapshot)
        if volume.working and volume.status == "deleting":
            await self._delete(volume)
            return
        if volume.working and volume.status == "reverting":
            await self._revert(volume)
        if volume.working and volume.status == REIMAGING:
            await self._reimage(volume)
        volume, used, _ = await self._read(id)
        if volume is not None and volume.launched_at is not None:
            await self._serve(volume, used, again=serve)
            await self._rest(volume)

    async def _rest(self, volume: Volume) -> None:
        match volume.status if volume.working else None:
            case "extending":
                await self._grow(volume)
            case "uploading":
                await self._upload(volume)
            case "retyping":
                await self._serve(volume, (await self._read(volume.id))[1], again=True)
                await self._transact(lambda tx: _end(tx, volume))

    async def _read(self, id: str) -> tuple[Volume | None, list[Attachment], list[Snapshot]]:
        async with self._parts.store.read() as tx:
            volume = await tx.get(VOLUMES, id)
            return volume, await attachments.of_volume(tx, id), await snapshots.of_volume(tx, id)

    # -- steps

    async def _create(self, volume: Volume) -> None:
        key = await self._new_key(volume)
        await self._driver.create(VolumeSpec(volume.id, volume.size_gib, await self._source(volume), key))

        async def done(tx: Tx) -> None:
            now = tx.clock.now()
            current = await _still(tx, volume)
            if current is not None:
                facts = _verified(current.image_metadata)
                await attachments.settle(tx, current, ended=True, launched_at=now, image_metadata=facts)

        await self._transact(done)

    async def _new_key(self, volume: Volume) -> Key | None:
        if volume.encryption_key_id is None:
            return None

        async def fill(tx: Tx) -> Key | None:
            return await encryption.fill_key(tx, self._parts.secrets, volume, await _source_key(tx, volume))

        return _there(await self._transact(fill))

    async def _key(self, volume: Volume) -> Key | None:
        if volume.encryption_key_id is None:
            return None
        async with self._parts.store.read() as tx:
            return _there(await encryption.key(tx, self._parts.secrets, volume))

    async def _source(self, volume: Volume) -> Source | None:
        if volume.snapshot_id is not None:
            return FromSnapshot(volume.snapshot_id)
        if volume.source_volume_id is not None:
            return FromVolume(volume.source_volume_id)
        return await self._of_image(volume.image_id) if volume.image_id is not None else None

    async def _of_image(self, image_id: str) -> Source:
        async with self._parts.store.read() as tx:
            image = await tx.get(IMAGES, image_id)
        key = image.blob_key if image is not None else None
        path = self._parts.blobs.local_path(key) if key is not None else None
        if image is None or path is None:
            raise DriverError("The volume could not be made: its image is gone.", again=False)
        await self._refuse_changed(image)
        return FromImage(path, "qcow2" if image.disk_format == "qcow2" else "raw")

    async def _refuse_changed(self, image: Image) -> None:
        try:
            await image_content.refuse_changed(self._parts, image)
        except (Invalid, NotFound) as error:
            raise DriverError(error.message, again=False) from error

    async def _delete(self, volume: Volume) -> None:
        await self._driver.remove(volume.id)

        async def done(tx: Tx) -> None:
            current = await _still(tx, volume)
            if current is not None:
                await acts.finish_delete(tx, current)

        await self._transact(done)

    async def _purge(self, id: str) -> None:
        """One that was deleted, and whose time is over."""
        if await self._transact(lambda tx: deleted_volumes.begin_purge(tx, id)):
            await self._driver.remove(id)
            await self._transact(lambda tx: deleted_volumes.finish_purge(tx, id))

    async def _snapshot(self, snapshot: Snapshot) -> None:
        if not snapshot.works:
            return
        if not isinstance(self._driver, Snapshots):
            raise DriverError("This back end makes no snapshots.", again=False)
        if snapshot.status == "creating":
            await self._driver.snapshot(snapshot.volume_id, snapshot.id)
        else:
            await self._driver.remove_snapshot(snapshot.id)

        async def done(tx: Tx) -> None:
            current = await tx.get(SNAPSHOTS, snapshot.id)
            if current is None or current.status != snapshot.status or not current.works:
                return
            if snapshot.status == "creating":
                await snapshots.change(tx, current, status="available", progress="100%")
                if current.group_snapshot_id is not None:
                    await groups.settle_snapshot(tx, current.group_snapshot_id)
            else:
                await snapshots.finish_delete(tx, current)

        await self._transact(done)

    async def _revert(self, volume: Volume) -> None:
        assert volume.task is not None and volume.task.snapshot_id is not None
        snapshot_id = volume.task.snapshot_id
        if not isinstance(self._driver, Snapshots):
            raise DriverError("This back end makes no snapshots.", again=False)
        await self._driver.revert(volume.id, snapshot_id)

        async def done(tx: Tx) -> None:
            await _restored(tx, snapshot_id)
            await _end(tx, volume)

        await self._transact(done)

    async def _reimage(self, volume: Volume) -> None:
        """Again from the start, wherever it was cut off."""
        assert volume.task is not None and volume.task.image_id is not None
        image_id = volume.task.image_id
        source = await self._of_image(image_id)
        spec = VolumeSpec(volume.id, volume.size_gib, source, await self._key(volume))
        served = any(one.connection is not None for one in (await self._read(volume.id))[1])
        if isinstance(self._driver, Refilling) and not served:
            await self._driver.refill(spec)
        else:
            await self._driver.remove(volume.id)
            await self._driver.create(spec)

        async def done(tx: Tx) -> None:
            image, current = await tx.get(IMAGES, image_id), await _still(tx, volume)
            if current is not None:
                facts = _verified(image_facts(image) if image is not None else None)
                await attachments.settle(tx, current, ended=True, bootable=True, image_metadata=facts)

        await self._transact(done)

    async def _serve(self, volume: Volume, used: list[Attachment], *, again: bool) -> None:
        """Those who are to be let in are, and nobody else. Who is new is told how, and whose machine waits for it."""
        new = [one for one in used if one.connection is None and one.status in _SERVING]
        gone = [one for one in used if one.status == "gone"]
        wanted = {one.id: one.mode == "ro" for one in used if one.status in _SERVING}
        if not (new or gone or (again and wanted)):
            return
        async with self._parts.store.read() as tx:
            ceilings = await _limits(tx, volume)
        key = await self._key(volume) if wanted else None
        ways = await self._driver.serve(volume.id, Serving(wanted, ceilings), key)
        if new or gone:
            await self._transact(lambda tx: _served(tx, new, gone, ways))

    async def _grow(self, volume: Volume) -> None:
        assert volume.task is not None and volume.task.size_gib is not None
        size_gib = volume.task.size_gib
        await self._driver.grow(volume.id, size_gib)

        async def done(tx: Tx) -> None:
            current = await _still(tx, volume)
            if current is None:
                return
            await attachments.settle(tx, current, ended=True, size_gib=size_gib)
            for attachment in await attachments.of_volume(tx, volume.id):
                if attachment.server_id is not None:
                    await attachments.tell_server(tx, attachment.server_id)

        await self._transact(done)

    async def _upload(self, volume: Volume) -> None:
        assert volume.task is not None and volume.task.image_id is not None
        image_id = volume.task.image_id
        async with self._parts.store.read() as tx:
            image = await tx.get(IMAGES, image_id)
        if image is not None and image.status in ("queued", "saving"):
            await self._uploads.fill(volume, image_id, image.disk_format or "raw")
        await self._transact(lambda tx: _end(tx, volume))

    async def remove_stray_snapshots(self) -> None:
        if not isinstance(self._driver, Snapshots):
            return
        seen = await self._driver.snapshots()
        async with self._parts.store.read() as tx:
            known = await rows.known_snapshots(tx, seen)
        for id in sorted(seen - known):
            _logger.info("Removing stray snapshot %s", id)
            await self._driver.remove_snapshot(id)

    # -- when it cannot be done

    async def give_up(self, id: str, why: str) -> None:
        await self._transact(lambda tx: _give_up(tx, id, why))


def _verified(facts: dict[str, str] | None) -> dict[str, str] | None:
    """Of a volume that was made: had the signature of its image not been good, there would be none."""
    if facts is None or not facts.keys() >= signatures.PROPERTIES:
        return facts
    return facts | {signatures.VERIFIED: "True"}


async def _source_key(tx: Tx, volume: Volume) -> str | None:
    source_id = volume.source_volume_id
    if volume.snapshot_id is not None:
        snapshot = await tx.get(SNAPSHOTS, volume.snapshot_id)
        source_id = snapshot.volume_id if snapshot is not None else None
    source = await tx.get(VOLUMES, source_id) if source_id is not None else None
    return source.encryption_key_id if source is not None else None


def _there(key: Key | None) -> Key:
    if key is None:
        raise DriverError("The key of the volume, or of its source, is not in the key manager any more.", again=False)
    return key


async def _limits(tx: Tx, volume: Volume) -> Limits:
    type = await tx.get(types.TYPES, volume.type_id) if volume.type_id is not None else None
    qos = await tx.get(types.QOS, type.qos_id) if type is not None and type.qos_id is not None else None
    return types.limits_of(qos if qos is not None and qos.consumer != "nothing" else None, volume.size_gib)


async def _still(tx: Tx, volume: Volume) -> Volume | None:
    """The row, if what was being done with it is still what is wanted."""
    current = await tx.get(VOLUMES, volume.id)
    return current if current is not None and current.working and current.status == volume.status else None


async def _end(tx: Tx, volume: Volume) -> None:
    current = await _still(tx, volume)
    if current is not None:
        await attachments.settle(tx, current, ended=True)


async def _served(tx: Tx, new: list[Attachment], gone: list[Attachment], ways: dict[str, Connection]) -> None:
    for attachment in new:
        current = await tx.get(ATTACHMENTS, attachment.id)
        if current is not None and current.status in _SERVING:
            await tx.update(ATTACHMENTS, current, connection=ways[attachment.id], updated_at=tx.clock.now())
            if current.server_id is not None:
                await attachments.tell_server(tx, current.server_id)
    for attachment in gone:
        current = await tx.get(ATTACHMENTS, attachment.id)
        if current is not None:
            await attachments.drop(tx, current)


async def _restored(tx: Tx, snapshot_id: str) -> None:
    snapshot = await tx.get(SNAPSHOTS, snapshot_id)
    if snapshot is not None and snapshot.status == "restoring":
        await snapshots.change(tx, snapshot, status="available")


async def _give_up(tx: Tx, id: str, why: str) -> None:
    """Whatever was being done with the volume has failed for good; it says so, and nothing is half done."""
    volume = await tx.get(VOLUMES, id)
    if volume is None:
        return
    for snapshot in await snapshots.of_volume(tx, id):
        if snapshot.works:
            await _snapshot_failed(tx, snapshot, why)
            return
    request_id = volume.task.request_id if volume.task is not None else ""
    match volume.status if volume.working else None:
        case "creating" | "downloading":
            event = messages.SIGNATURE if signatures.is_failure(why) else messages.COPY_IN
            await messages.leave(tx, volume, event, why, request_id)
            await tx.update(VOLUMES, volume, status="error", task=None, updated_at=tx.clock.now())
            await _fail_servers(tx, volume, why)
        case "deleting":
            await messages.leave(tx, volume, messages.UNKNOWN, why, request_id)
            await tx.update(VOLUMES, volume, status="error_deleting", task=None, updated_at=tx.clock.now())
        case "extending":
            await messages.leave(tx, volume, messages.EXTEND, why, request_id)
            await tx.update(VOLUMES, volume, status="error_extending", task=None, updated_at=tx.clock.now())
            await _shrink_claims(tx, volume)
        case "reverting":
            await messages.leave(tx, volume, messages.REVERT, why, request_id)
            if volume.task is not None and volume.task.snapshot_id is not None:
                await _restored(tx, volume.task.snapshot_id)
            await tx.update(VOLUMES, volume, status="error", task=None, updated_at=tx.clock.now())
        case "uploading" | "retyping":
            await messages.leave(tx, volume, messages.COPY_OUT, why, request_id)
            if volume.task is not None and volume.task.image_id is not None:
                await images.give_up(tx, volume.task.image_id)
            await attachments.settle(tx, volume, ended=True)
        case _:
            await _not_served(tx, volume, why)


async def _snapshot_failed(tx: Tx, snapshot: Snapshot, why: str) -> None:
    status: snapshots.Status = "error" if snapshot.status == "creating" else "error_deleting"
    await snapshots.change(tx, snapshot, status=status)
    if snapshot.group_snapshot_id is not None:
        await groups.settle_snapshot(tx, snapshot.group_snapshot_id)
    await messages.leave_about(
        tx, "VOLUME_SNAPSHOT", snapshot.id, snapshot.project_id, event_id=messages.SNAPSHOT, text=why
    )


async def _shrink_claims(tx: Tx, volume: Volume) -> None:
    assert volume.task is not None and volume.task.size_gib is not None
    more = volume.task.size_gib - volume.size_gib
    await backends.free(tx, volume.backend_id, more)
    limits.give_back(tx, volume.project_id, limits.of_growth(volume.type_id, more))


async def _not_served(tx: Tx, volume: Volume, why: str) -> None:
    """Who waits to be let in waits no longer; who was in is let in as soon as it can be."""
    for attachment in await attachments.of_volume(tx, volume.id):
        if attachment.status == "attaching" and attachment.connection is None:
            await messages.leave(tx, volume, messages.ATTACH, why)
            await attachments.change(tx, attachment, "gone", deadline_at=None)
            if attachment.server_id is not None:
                await _fail_server(tx, attachment.server_id, why)


async def _fail_servers(tx: Tx, volume: Volume, why: str) -> None:
    for attachment in await attachments.of_volume(tx, volume.id):
        if attachment.server_id is not None:
            await _fail_server(tx, attachment.server_id, f"Volume {volume.id} could not be made. {why}")


async def _fail_server(tx: Tx, server_id: str, why: str) -> None:
    """One that is being built needs its volumes; one that runs goes on without."""
    server = await tx.get(SERVERS, server_id)
    if server is not None and server.task in ("spawning", "rebuilding"):
        await server_state.fail(tx, server, why)
