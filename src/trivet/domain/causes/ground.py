"""Ground: on what a tenant's thing stands at this moment, and whose word counts as one.

Only what was his when he asked is looked at: the host, back end or network under a thing is found through rows that
name his project.
"""

from typing import NamedTuple

from trivet.domain.causes.words import OF_TYPE, SPEAKS_OF, Family, ReportedType, Symptom
from trivet.store.tx import Tx

_MOST = 32
_SQL_THING: dict[ReportedType, str] = {
    "server": "SELECT id, name FROM servers WHERE id = ? AND project_id = ? AND deleted_at IS NULL",
    "port": "SELECT id, name FROM ports WHERE id = ? AND project_id = ?",
    "volume": "SELECT id, COALESCE(name, '') FROM volumes WHERE id = ? AND project_id = ?",
}
_SQL_HOST: dict[ReportedType, str] = {
    "server": "SELECT h.name FROM servers s JOIN hosts h ON h.id = s.host_id WHERE s.id = ?",
    "port": "SELECT h.name FROM ports p JOIN hosts h ON h.id = p.host_id WHERE p.id = ?",
    "volume": (
        "SELECT h.name FROM volume_attachments a JOIN servers s ON s.id = a.server_id AND s.project_id = a.project_id"
        " JOIN hosts h ON h.id = s.host_id WHERE a.volume_id = ? ORDER BY h.name"
    ),
}
_SQL_NETWORKS: dict[ReportedType, str] = {
    "server": (
        "SELECT DISTINCT p.network_id FROM ports p JOIN servers s ON s.id = p.device_id AND s.project_id = p.project_id"
        " WHERE s.id = ? ORDER BY 1"
    ),
    "port": "SELECT network_id FROM ports WHERE id = ?",
}
_SQL_BACKENDS: dict[ReportedType, str] = {
    "server": (
        "SELECT DISTINCT v.backend_id FROM volume_attachments a JOIN volumes v ON v.id = a.volume_id"
        " AND v.project_id = a.project_id WHERE a.server_id = ? AND v.backend_id IS NOT NULL ORDER BY 1"
    ),
    "volume": "SELECT backend_id FROM volumes WHERE id = ? AND backend_id IS NOT NULL",
}
# Whoever manages a domain makes projects and users in it as he likes.
_SQL_MANAGED = (
    "SELECT p.domain_id FROM projects p WHERE p.id = ? AND EXISTS (SELECT 1 FROM assignments a"
    " JOIN roles r ON r.id = a.role_id WHERE a.target_kind = 'domain' AND a.target_id = p.domain_id"
    " AND a.inherited = 0 AND r.name NOT IN ('member', 'reader')"
    " AND NOT (r.name = 'admin' AND p.domain_id = 'default'))"
)


class Thing(NamedTuple):
    type: ReportedType
    id: str
    name: str


async def thing(tx: Tx, type: ReportedType, id: str, project_id: str) -> Thing | None:
    """None: there is none, or it is another's."""
    row = await tx.row(_SQL_THING[type], id, project_id)
    return Thing(type, str(row[0]), str(row[1])) if row is not None else None


async def of_thing(tx: Tx, thing: Thing, symptom: Symptom) -> dict[str, float]:
    """Component -> how well a fault there would explain the symptom."""
    families = {family: strength for family, strength in SPEAKS_OF[symptom].items() if family in OF_TYPE[thing.type]}
    found: dict[str, float] = {}

    def add(component: str, family: Family) -> None:
        if family in families:
            found[component] = max(found.get(component, 0.0), families[family])

    for host in await _names(tx, _SQL_HOST, thing):
        add(f"engine:{host}", "compute")
        add(f"chassis:{host}", "network")
        add(f"host:{host}", "storage")
    for network in await _names(tx, _SQL_NETWORKS, thing):
        add(f"network:{network}", "network")
    for backend in await _names(tx, _SQL_BACKENDS, thing):
        add(f"storage:{backend}", "storage")
    return found


async def witness(tx: Tx, project_id: str) -> str:
    row = await tx.row(_SQL_MANAGED, project_id)
    return project_id if row is None else f"domain:{row[0]}"


async def _names(tx: Tx, sql: dict[ReportedType, str], thing: Thing) -> list[str]:
    if thing.type not in sql:
        return []
    return [str(row[0]) for row in await tx.rows(f"{sql[thing.type]} LIMIT {_MOST}", thing.id)]
