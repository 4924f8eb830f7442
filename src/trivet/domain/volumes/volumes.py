"""Volumes: a row says what is wanted (its status, and what its task is about); the controller of its back end makes
it so and writes the status that follows. Nothing in between is kept anywhere else.
"""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

Status = Literal[
    "creating", "available", "reserved", "attaching", "detaching", "in-use", "maintenance", "deleting",
    "awaiting-transfer", "error", "error_deleting", "error_extending", "error_managing", "error_restoring",
    "backing-up", "restoring-backup", "downloading", "uploading", "retyping", "extending", "reverting",
]  # fmt: skip

WORKING = ("creating", "deleting", "extending", "uploading", "reverting", "retyping")
"""Where there is a task, the controller has something to do; the index volumes_work names the same."""

REIMAGING: Literal["downloading"] = "downloading"
"""Likewise, by the index volumes_downloading."""


class Task(msgspec.Struct, frozen=True):
    """What the status does not say of what is going on."""

    size_gib: int | None = None
    """To which it grows."""
    snapshot_id: str | None = None
    """To which it goes back."""
    image_id: str | None = None
    """That it becomes, or that it is made anew from."""
    request_id: str = ""


class Volume(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    size_gib: int
    status: Status = "creating"
    previous_status: str | None = None
    """To go back to when what is going on has ended."""
    bootable: bool = False
    multiattach: bool = False
    read_only: bool | None = None
    """None: nobody has said."""
    type_id: str | None = None
    zone: str
    backend_id: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    image_id: str | None = None
    encryption_key_id: str | None = None
    """The secret that opens it, of one that is encrypted."""
    group_id: str | None = None
    metadata: dict[str, str] = {}
    image_metadata: dict[str, str] | None = None
    task: Task | None = None
    migration_status: str | None = None
    created_at: float
    updated_at: float
    launched_at: float | None = None

    @property
    def working(self) -> bool:
        """The controller has to do what the status says. An operator who resets a status asks for nothing."""
        return self.task is not None and self.status in (*WORKING, REIMAGING)


VOLUMES = Table("volumes", Volume)


async def visible(tx: Tx, caller: Caller, id: str) -> Volume:
    volume = await tx.get(VOLUMES, id) if is_uuid(id) else None
    if volume is None or not caller.may_see(volume.project_id):
        raise absent(id)
    return volume


async def changeable(tx: Tx, caller: Caller, id: str) -> Volume:
    """Others are told that there is none."""
    volume = await visible(tx, caller, id)
    if not (caller.owns(volume.project_id) or caller.is_operator):
        raise absent(id)
    return volume


async def change(tx: Tx, volume: Volume, **changes: Any) -> Volume:
    """With another status, whatever was going on with it has come to its end."""
    if "status" in changes:
        changes |= {"task": None, "previous_status": None}
    return await tx.update(VOLUMES, volume, updated_at=tx.clock.now(), **changes)


def absent(id: str) -> NotFound:
    return NotFound("volume.absent", f"Volume {id[:64]} could not be found.")


def need_status(volume: Volume, wanted: tuple[str, ...], act: str) -> None:
    if volume.status not in wanted:
        raise Invalid(
            "volume.status",
            f"Invalid volume: Volume {volume.id} status must be {' or '.join(wanted)} to {act}, but current status is: "
            f"{volume.status}.",
        )


async def refuse_if_read(tx: Tx, id: str) -> None:
    sql = "SELECT 1 FROM volumes WHERE source_volume_id = ? AND status = 'creating' LIMIT 1"
    if await tx.row(sql, id) is not None:
        raise Invalid("volume.read", f"Invalid volume: a copy of volume {id} is being made; wait for it.")


async def count_and_gib(tx: Tx, table_name: str, where: Where) -> tuple[int, int]:
    """Of what has a size: how many there are, and how large they are together."""
    row = await tx.row(f"SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM {table_name}{where.sql}", *where.values)
    assert row is not None
    return int(row[0]), int(row[1])
