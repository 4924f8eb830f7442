"""What is done for one backup: made out of a volume, restored to one, or removed; each from its start, whoever began.

A backup is made from a snapshot that bears its id. The snapshot outlives whoever made it, so who begins again copies
the same bytes to objects of the same names. A restore fills a volume's successor, which takes its place at the end.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from trivet.controllers.volumes import backup_objects
from trivet.controllers.volumes.backup_index import PIECE_BYTES, SEGMENT_PIECES, Index, Source, Walk, Writer
from trivet.domain.volumes import attachments, backups, snapshots
from trivet.domain.volumes.backups import BACKUPS, Backup
from trivet.domain.volumes.snapshots import SNAPSHOTS
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import Piece, Pieces, Snapshots, VolumeDriver, VolumeSpec
from trivet.parts import Parts
from trivet.store.tx import Tx

T = TypeVar("T")
_ZEROES = b"\0" * PIECE_BYTES


class Transact(Protocol):
    """One fenced transaction."""

    async def __call__(self, act: Callable[[Tx], Awaitable[T]]) -> T: ...


class BackupDriver(VolumeDriver, Snapshots, Pieces, Protocol):
    """What a back end must be able to do for it."""


class BackupCopies:
    def __init__(self, parts: Parts, driver: VolumeDriver, transact: Transact, fence: Callable[[Tx], Awaitable[None]]):
        self._parts = parts
        self._driver = driver
        self._transact = transact
        self._fence = fence

    async def one(self, id: str) -> None:
        async with self._parts.store.read() as tx:
            backup = await tx.get(BACKUPS, id)
        match backup.status if backup is not None and backup.works else None:
            case "creating":
                assert backup is not None
                await self._make(backup)
            case "restoring":
                assert backup is not None
                await self._restore(backup)
            case "deleting":
                assert backup is not None
                await self._remove(backup)

    def _able(self) -> BackupDriver:
        if not isinstance(self._driver, Snapshots) or not isinstance(self._driver, Pieces):
            raise DriverError("This back end cannot copy a volume piece by piece.", again=False)
        return self._driver

    # -- making

    async def _make(self, backup: Backup) -> None:
        driver = self._able()
        source = backup.snapshot_id
        if source is None:
            source = backup.id
            if source not in await driver.snapshots():
                await driver.snapshot(backup.volume_id, source)
        parent = await self._parent(backup)
        index = Writer(backup.size_gib, Source(backup.container, backup.prefix), parent)
        changed = _changed(driver, source, index, Walk(parent))
        count = 0
        while (first := await anext(changed, None)) is not None:
            await self._put(backup, backup_objects.segment_name(backup.prefix, count), _segment(first, changed))
            count += 1
        raw = index.whole()
        await self._put(backup, backup_objects.index_name(backup.prefix), backup_objects.in_chunks(raw))
        digest = hashlib.sha256(raw).hexdigest()
        await self._transact(lambda tx: _made(tx, backup, digest, count))
        if backup.snapshot_id is None:
            await driver.remove_snapshot(backup.id)

    async def _parent(self, backup: Backup) -> Index | None:
        if backup.parent_id is None:
            return None
        async with self._parts.store.read() as tx:
            parent = await tx.get(BACKUPS, backup.parent_id)
        if parent is None:
            raise DriverError("The backup that this one was to depend on is gone.", again=False)
        return await backup_objects.index_of(self._parts, parent)

    async def _put(self, backup: Backup, name: str, chunks: AsyncIterator[bytes]) -> None:
        await backup_objects.put(self._parts, backup, name, chunks, self._still)

    async def _still(self, tx: Tx, backup: Backup) -> None:
        """Whoever has lost his lease, or whose backup is wanted no longer, writes nothing more."""
        await self._fence(tx)
        current = await tx.get(BACKUPS, backup.id)
        if current is None or not current.works or current.status != backup.status:
            raise DriverError("The backup is wanted no longer.", again=False)

    # -- restoring

    async def _restore(self, backup: Backup) -> None:
        driver = self._able()
        volume = await self._target(backup)
        if volume is None or volume.status != "restoring-backup" or volume.size_gib < backup.size_gib:
            raise DriverError("The volume to restore is gone, or is wanted for something else.", again=False)
        index = await backup_objects.index_of(self._parts, backup)
        if volume.launched_at is None:
            await driver.create(VolumeSpec(volume.id, volume.size_gib))
        await driver.begin_pieces(volume.id, volume.size_gib)
        last = volume.size_gib << 10
        for kept in index:
            if kept.number >= last:
                raise DriverError("The backup's index names more than the volume has.", again=False)
            data = await backup_objects.piece(self._parts, backup.project_id, index, kept)
            await driver.put_piece(volume.id, kept.number * PIECE_BYTES, data)
        # Nothing that somebody else has begun to use is replaced: as late as it can be seen.
        current = await self._target(backup)
        if current is None or current.status != "restoring-backup":
            raise DriverError("The volume that was to be restored is wanted for something else.", again=False)
        await driver.end_pieces(volume.id)
        await self._transact(lambda tx: _restored(tx, backup))

    async def _target(self, backup: Backup) -> Volume | None:
        async with self._parts.store.read() as tx:
            return await tx.get(VOLUMES, backup.restored_id or "")

    # -- removing

    async def _remove(self, backup: Backup) -> None:
        await self._drop_objects(backup)

        async def done(tx: Tx) -> None:
            current = await tx.get(BACKUPS, backup.id)
            if current is not None and current.status == "deleting" and current.works:
                await backups.finish_delete(tx, current)

        await self._transact(done)

    async def _drop_objects(self, backup: Backup) -> None:
        while await self._transact(lambda tx: backup_objects.remove_some(tx, backup)):
            pass

    # -- when it cannot be done

    async def give_up(self, id: str, why: str) -> None:
        """Nothing of what failed is left to be paid for."""
        async with self._parts.store.read() as tx:
            backup = await tx.get(BACKUPS, id)
        if backup is None or not backup.works:
            return
        if backup.status == "creating":
            await self._drop_objects(backup)
        await self._transact(lambda tx: _give_up(tx, id, why))
        if backup.status == "creating" and backup.snapshot_id is None:
            await self._able().remove_snapshot(backup.id)


async def _changed(driver: BackupDriver, source: str, index: Writer, parent: Walk) -> AsyncIterator[bytes]:
    """What the parent has not, told to the index on the way."""
    offset = 0
    while (found := await driver.next_piece(source, offset, PIECE_BYTES)) is not None:
        number, digest = found.offset // PIECE_BYTES, hashlib.sha256(found.data).digest()
        offset = found.offset + PIECE_BYTES
        before = parent.at(number)
        if _is_empty(found):
            continue
        if before is not None and before.digest == digest:
            index.keep(before)
        else:
            index.store(number, digest)
            yield found.data


def _is_empty(piece: Piece) -> bool:
    return piece.data == _ZEROES


async def _segment(first: bytes, following: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    for _ in range(SEGMENT_PIECES - 1):
        data = await anext(following, None)
        if data is None:
            return
        yield data


async def _current(tx: Tx, backup: Backup) -> Backup | None:
    found = await tx.get(BACKUPS, backup.id)
    return found if found is not None and found.works and found.status == backup.status else None


async def _made(tx: Tx, backup: Backup, digest: str, count: int) -> None:
    current = await _current(tx, backup)
    if current is None:
        return
    await _let_source_go(tx, current)
    await backups.change(tx, current, status="available", index_digest=digest, object_count=count, fail_reason=None)
    await _settle_volume(tx, current)


async def _restored(tx: Tx, backup: Backup) -> None:
    current = await _current(tx, backup)
    volume = await tx.get(VOLUMES, backup.restored_id or "")
    if current is not None:
        await backups.change(tx, current, status="available", fail_reason=None)
    if volume is not None and volume.status == "restoring-backup":
        changes = {} if volume.launched_at is not None else {"launched_at": tx.clock.now()}
        await attachments.settle(tx, volume, ended=True, **changes)


async def _give_up(tx: Tx, id: str, why: str) -> None:
    backup = await tx.get(BACKUPS, id)
    if backup is None or not backup.works:
        return
    match backup.status:
        case "creating":
            await _let_source_go(tx, backup)
            await backups.change(tx, backup, status="error", fail_reason=why, object_count=0)
            await _settle_volume(tx, backup)
        case "restoring":
            await backups.change(tx, backup, status="available", fail_reason=why)
            await _not_restored(tx, backup, why)
        case _:
            await backups.change(tx, backup, status="error_deleting", fail_reason=why)
    event = {"creating": backups.MAKING, "restoring": backups.RESTORING}.get(backup.status, backups.DELETING)
    await backups.leave_message(tx, backup, event, why)


async def _not_restored(tx: Tx, backup: Backup, why: str) -> None:
    """What it held it holds, or it was never made: either way nobody should use it without a look."""
    volume = await tx.get(VOLUMES, backup.restored_id or "")
    if volume is not None and volume.status == "restoring-backup":
        await tx.update(VOLUMES, volume, status="error_restoring", task=None, updated_at=tx.clock.now())


async def _let_source_go(tx: Tx, backup: Backup) -> None:
    if backup.snapshot_id is None:
        return
    snapshot = await tx.get(SNAPSHOTS, backup.snapshot_id)
    if snapshot is not None and snapshot.status == "backing-up":
        await snapshots.change(tx, snapshot, status="available")


async def _settle_volume(tx: Tx, backup: Backup) -> None:
    volume = await tx.get(VOLUMES, backup.volume_id)
    if backup.snapshot_id is None and volume is not None and volume.status == "backing-up":
        await attachments.settle(tx, volume, ended=True)
