"""Which rows the volume controller has to look at."""

from collections.abc import Collection
from typing import Any

import msgspec

from trivet.domain.volumes.backends import Backend
from trivet.domain.volumes.volumes import REIMAGING, WORKING
from trivet.store.tx import Tx
from trivet.store.where import Where

_BATCH = 100
_WORKING = ", ".join(f"'{status}'" for status in WORKING)


async def due(tx: Tx, backend_id: str) -> set[str]:
    """Volumes with something to do, some at a time."""
    found = await tx.rows(
        f"SELECT id FROM volumes WHERE backend_id = ? AND task IS NOT NULL AND status IN ({_WORKING})"
        f" UNION SELECT id FROM volumes WHERE backend_id = ? AND task IS NOT NULL AND status = '{REIMAGING}'"
        " UNION SELECT volume_id FROM volume_snapshots WHERE works = 1"
        " AND volume_id IN (SELECT id FROM volumes WHERE backend_id = ?)"
        " UNION SELECT volume_id FROM volume_attachments"
        " WHERE (status = 'gone' OR (connection IS NULL AND status <> 'reserved'))"
        " AND volume_id IN (SELECT id FROM volumes WHERE backend_id = ?)"
        " UNION SELECT id FROM deleted_volumes WHERE backend_id = ? AND purge_at <= ?"
        f" LIMIT {_BATCH}",
        *[backend_id] * 5,
        tx.clock.now(),
    )
    return {str(row[0]) for row in found}


async def served(tx: Tx, backend_id: str) -> set[str]:
    found = await tx.rows(
        "SELECT DISTINCT a.volume_id FROM volume_attachments a JOIN volumes v ON v.id = a.volume_id"
        " WHERE v.backend_id = ? AND a.connection IS NOT NULL",
        backend_id,
    )
    return {str(row[0]) for row in found}


async def known(tx: Tx, ids: Collection[str]) -> set[str]:
    """Those that are, and those whose data are kept."""
    return await _those_in(tx, "volumes", ids) | await _those_in(tx, "deleted_volumes", ids)


async def known_snapshots(tx: Tx, ids: Collection[str]) -> set[str]:
    """Those of tenants, and those from which backups are made."""
    making = await tx.rows("SELECT id FROM volume_backups WHERE works = 1 AND status = 'creating'")
    return await _those_in(tx, "volume_snapshots", ids) | {str(row[0]) for row in making}


async def due_backups(tx: Tx, backend_id: str) -> dict[str, str]:
    """Those of this back end, and whose they are, of each project its oldest first; and what is to be deleted is
    deleted by whoever sees it first."""
    found = await tx.rows(
        "SELECT id, project_id FROM (SELECT id, project_id, ROW_NUMBER() OVER (PARTITION BY project_id"
        " ORDER BY updated_at, id) AS place FROM volume_backups WHERE works = 1 AND (backend_id = ? OR"
        f" status = 'deleting')) AS waiting ORDER BY place, id LIMIT {_BATCH}",
        backend_id,
    )
    return {str(id): str(project_id) for id, project_id in found}


async def _those_in(tx: Tx, table: str, ids: Collection[str]) -> set[str]:
    found: set[str] = set()
    listed = sorted(ids)
    for at in range(0, len(listed), _BATCH):
        where = Where().any_of("id", listed[at : at + _BATCH])
        found |= {str(row[0]) for row in await tx.rows(f"SELECT id FROM {table}{where.sql}", *where.values)}
    return found


async def late(tx: Tx) -> list[str]:
    found = await tx.rows(
        f"SELECT id FROM volume_attachments WHERE deadline_at < ? ORDER BY deadline_at LIMIT {_BATCH}", tx.clock.now()
    )
    return [str(row[0]) for row in found]


def with_facts(backend: Backend, facts: dict[str, Any]) -> Backend:
    return msgspec.structs.replace(backend, **facts)
