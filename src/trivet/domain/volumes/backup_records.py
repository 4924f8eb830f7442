"""Records of backups: a row as text, with which another cloud, or this one after a loss, finds the objects again.

Nothing of a record is believed that would reach further than the project that it is imported to: the objects are
looked for in that project's account only, and each byte is checked when it is restored.
"""

import binascii
from base64 import b64decode, b64encode

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.objects import names as object_names
from trivet.domain.volumes import limits
from trivet.domain.volumes.backups import BACKUPS, Backup, of_backup, owned
from trivet.domain.volumes.create import SIZE_MAX
from trivet.errors import Conflict, Forbidden, Invalid
from trivet.ids import is_uuid
from trivet.store.tx import Tx

SERVICE = "cinder.backup.drivers.trivet"
"""Clients look at how it begins; what follows is no module of anybody's."""
URL_MAX = 32 << 10


class Exported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    volume_id: str
    snapshot_id: str | None
    parent_id: str | None
    name: str | None
    description: str | None
    container: str
    prefix: str
    index_digest: str
    size_gib: int
    object_count: int
    metadata: dict[str, str]
    data_at: float


async def export(tx: Tx, caller: Caller, id: str) -> tuple[str, str]:
    """The service that understands it, and the record."""
    backup = await owned(tx, caller, id)
    if backup.status != "available" or backup.index_digest is None:
        raise Invalid(
            "backup.status",
            f"Invalid backup: Backup status must be available and not {backup.status}.",
        )
    said = {field: getattr(backup, field) for field in Exported.__struct_fields__}
    return SERVICE, b64encode(msgspec.json.encode(Exported(**said))).decode()


async def take_in(tx: Tx, caller: Caller, service: str, url: str) -> Backup:
    if service != SERVICE:
        raise Invalid("backup.service", f"Invalid backup: records of {service[:64]!r} are not understood here.")
    if caller.project_id is None:
        raise Forbidden("scope.project_needed", "A backup belongs to a project: use a token scoped to one.")
    try:
        said = msgspec.json.decode(b64decode(url, validate=True), type=Exported)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Invalid("backup.record", "Invalid backup: the record cannot be read.") from error
    _check(said)
    if await tx.get(BACKUPS, said.id) is not None:
        raise Conflict("backup.exists", f"Backup {said.id} is here already.", status=400)
    if said.parent_id is not None:
        parent = await tx.get(BACKUPS, said.parent_id)
        if parent is None or parent.project_id != caller.project_id:
            raise Invalid("backup.parent", "Invalid backup: import the backup first that this one depends on.")
    now = tx.clock.now()
    fields = {field: getattr(said, field) for field in Exported.__struct_fields__}
    backup = Backup(
        project_id=caller.project_id, user_id=caller.user_id, zone=DEFAULT_ZONE, status="available",
        created_at=now, updated_at=now, **fields,
    )  # fmt: skip
    await tx.insert(BACKUPS, backup)
    limits.take(tx, backup.project_id, of_backup(backup.size_gib))
    return backup


def _check(said: Exported) -> None:
    ids = [said.id, said.volume_id, *(id for id in (said.snapshot_id, said.parent_id) if id is not None)]
    texts = (said.name or "", said.description or "", *said.metadata, *said.metadata.values())
    fine = (
        all(is_uuid(id) for id in ids)
        and all(len(text) <= 255 for text in texts)
        and len(said.metadata) <= 128
        and 0 < said.size_gib <= SIZE_MAX
        and 0 <= said.object_count <= 1 << 31
        and 0 <= said.data_at <= 1e11
        and len(said.index_digest) == 64
        and said.prefix == f"volume_{said.volume_id}/backup_{said.id}/"
    )
    if not fine:
        raise Invalid("backup.record", "Invalid backup: the record says what no backup is.")
    object_names.check_container(said.container)
