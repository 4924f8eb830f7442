"""Types: what volumes an operator offers, by name. One that is not public is for the projects that were given it.

A type's extra specs say which back ends do; its QoS what the engine allows. A type that is in use keeps its specs.
"""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.numbers import whole_number
from trivet.drivers.contracts.volume import Limits
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

DEFAULT = "__DEFAULT__"
MULTIATTACH = "multiattach"
SEEN_BY_TENANTS = ("RESKEY:availability_zones", "multiattach", "replication_enabled")
"""The extra specs that a tenant sees, and no others."""


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """How volumes of a type are sealed. `control_location` is kept and shown as an operator says it."""

    id: str
    provider: str
    cipher: str | None = None
    key_size: int | None = None
    control_location: Literal["front-end", "back-end"] = "front-end"
    created_at: float
    updated_at: float | None = None


class VolumeType(Record, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: dict[str, str] = {}
    qos_id: str | None = None
    encryption: Encryption | None = None
    created_at: float
    updated_at: float


class Qos(Record, frozen=True, kw_only=True):
    name: str
    consumer: str = "back-end"
    specs: dict[str, str] = {}
    created_at: float
    updated_at: float


TYPES = Table("volume_types", VolumeType)
QOS = Table("volume_qos", Qos)


def visible_where(caller: Caller) -> Where:
    if caller.is_operator:
        return Where()
    return Where().add(
        "(is_public = 1 OR id IN (SELECT type_id FROM volume_type_access WHERE project_id = ?))", caller.project_id
    )


async def visible(tx: Tx, caller: Caller, id: str) -> VolumeType:
    found = await tx.get(TYPES, id)
    if found is None or not await usable(tx, caller, found):
        raise absent(id)
    return found


async def named(tx: Tx, caller: Caller, name_or_id: str) -> VolumeType:
    """As tenants write it."""
    found = await tx.get(TYPES, name_or_id) or await tx.find(TYPES, "name = ?", name_or_id)
    if found is None or not await usable(tx, caller, found):
        raise absent(name_or_id)
    return found


async def usable(tx: Tx, caller: Caller, type: VolumeType) -> bool:
    if type.is_public or caller.is_operator:
        return True
    sql = "SELECT 1 FROM volume_type_access WHERE type_id = ? AND project_id = ?"
    return await tx.row(sql, type.id, caller.project_id or "") is not None


def absent(id: str) -> NotFound:
    return NotFound("volume_type.absent", f"Volume type {id[:64]} could not be found.")


async def default(tx: Tx, project_id: str | None) -> VolumeType | None:
    """The project's own, or everybody's."""
    row = await tx.row("SELECT type_id FROM volume_default_types WHERE project_id = ?", project_id or "")
    if row is not None:
        return await tx.get(TYPES, str(row[0]))
    return await tx.find(TYPES, "name = ?", DEFAULT)


async def seed(tx: Tx) -> None:
    now = tx.clock.now()
    type = VolumeType(id=tx.ids.uuid(), name=DEFAULT, description="Default Volume Type", created_at=now, updated_at=now)
    await tx.insert_new(TYPES, type)


async def create(tx: Tx, type: VolumeType) -> VolumeType:
    if not await tx.insert_new(TYPES, type):
        raise Conflict("volume_type.exists", f"Volume Type {type.name} already exists.")
    return type


async def update(tx: Tx, type: VolumeType, changes: dict[str, Any]) -> VolumeType:
    name = changes.get("name", type.name)
    if name != type.name and await tx.find(TYPES, "name = ?", str(name)) is not None:
        raise Conflict("volume_type.exists", f"Volume Type {name} already exists.")
    return await tx.update(TYPES, type, updated_at=tx.clock.now(), **changes)


async def delete(tx: Tx, type: VolumeType) -> None:
    if type.name == DEFAULT:
        raise Invalid("volume_type.default", f"The {DEFAULT} volume type can not be deleted.")
    if await in_use(tx, type.id):
        raise Invalid("volume_type.in_use", f"Volume Type {type.id} deletion is not allowed with volumes present.")
    if await tx.row("SELECT 1 FROM volume_default_types WHERE type_id = ? LIMIT 1", type.id) is not None:
        raise Invalid("volume_type.default", f"Volume Type {type.id} is the default of a project.")
    await tx.delete(TYPES, type)


async def in_use(tx: Tx, type_id: str) -> bool:
    """Also by what was deleted and may come back."""
    sql = "SELECT 1 FROM {table} WHERE type_id = ? LIMIT 1"
    return any([await tx.row(sql.format(table=table), type_id) for table in ("volumes", "deleted_volumes")])


async def specify(tx: Tx, type: VolumeType, extra_specs: dict[str, str]) -> VolumeType:
    if await in_use(tx, type.id):
        raise Invalid("volume_type.in_use", f"Volume Type {type.id} is currently in use.")
    return await tx.update(TYPES, type, extra_specs=extra_specs, updated_at=tx.clock.now())


def shares(type: VolumeType | None) -> bool:
    return type is not None and type.extra_specs.get(MULTIATTACH, "").lower() == "<is> true"


_LIMITS = {
    "total_iops_sec": "total_iops",
    "read_iops_sec": "read_iops",
    "write_iops_sec": "write_iops",
    "total_bytes_sec": "total_bytes",
    "read_bytes_sec": "read_bytes",
    "write_bytes_sec": "write_bytes",
}
_PER_GIB = "_per_gb"
_LIMIT_MAX = 10**15
"""What the engine takes."""


def limits_of(qos: Qos | None, size_gib: int) -> Limits:
    """Of a volume of that size. Words that are not the engine's are others'."""
    if qos is None:
        return Limits()
    found: dict[str, int] = {}
    for name, text in qos.specs.items():
        field = _LIMITS.get(name.removesuffix(_PER_GIB))
        number = whole_number(text)
        if field is not None and number is not None:
            found[field] = min(number * (size_gib if name.endswith(_PER_GIB) else 1), _LIMIT_MAX)
    # The engine takes a limit in total or by direction, not both.
    for total in ("iops", "bytes"):
        if found.get(f"total_{total}"):
            found.pop(f"read_{total}", None)
            found.pop(f"write_{total}", None)
    return msgspec.convert(found, Limits)


# -- who sees one that is not public


async def projects_of(tx: Tx, type_id: str) -> list[str]:
    rows = await tx.rows("SELECT project_id FROM volume_type_access WHERE type_id = ? ORDER BY project_id", type_id)
    return [str(row[0]) for row in rows]


async def give_access(tx: Tx, type: VolumeType, project_id: str) -> None:
    sql = "INSERT INTO volume_type_access (type_id, project_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    if not await tx.run(sql, type.id, project_id):
        raise Conflict(
            "volume_type.access_exists",
            f"Volume type access for {type.id} / {project_id[:64]} combination already exists.",
        )


async def take_access(tx: Tx, type: VolumeType, project_id: str) -> None:
    if not await tx.run("DELETE FROM volume_type_access WHERE type_id = ? AND project_id = ?", type.id, project_id):
        raise NotFound(
            "volume_type.access_absent",
            f"Volume type access not found for {type.id} / {project_id[:64]} combination.",
        )


# -- the type of whose maker names none


async def set_default(tx: Tx, project_id: str, type: VolumeType) -> None:
    await tx.run(
        "INSERT INTO volume_default_types (project_id, type_id) VALUES (?, ?)"
        " ON CONFLICT (project_id) DO UPDATE SET type_id = excluded.type_id",
        project_id,
        type.id,
    )


async def unset_default(tx: Tx, project_id: str) -> None:
    if not await tx.run("DELETE FROM volume_default_types WHERE project_id = ?", project_id):
        raise no_default(project_id)


async def defaults(tx: Tx) -> dict[str, str]:
    """Project -> type."""
    rows = await tx.rows("SELECT project_id, type_id FROM volume_default_types ORDER BY project_id")
    return {str(project_id): str(type_id) for project_id, type_id in rows}


def no_default(project_id: str) -> NotFound:
    return NotFound("volume_type.no_default", f"Default type for project {project_id[:64]} not found.")
