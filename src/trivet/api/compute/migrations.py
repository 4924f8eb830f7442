"""/os-migrations: resizes of servers, as operators follow them."""

from typing import Any
from zlib import crc32

from trivet.api.compute import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.numbers import whole_number
from trivet.domain.servers import migrations
from trivet.domain.servers.migrations import Migration, MigrationQuery
from trivet.errors import Invalid

resource = Resource()

_TYPED, _PAGED, _BEFORE, _OWNED = 2023, 2059, 2066, 2080
_NUMBER_MAX = 0x7FFF_FFFF
_EQUAL = {
    "instance_uuid": "server_id",
    "source_compute": "source",
    "status": "status",
    "migration_type": "type",
}
_OF_WHOM = {"user_id": "user_id", "project_id": "project_id"}


@resource.on("GET", "/v2.1/os-migrations", may="operator")
async def index(request: Request) -> Reply:
    pages.known(request, _known(request), since=_PAGED)
    query, paged = _query(request), request.version >= _PAGED
    asked = pages.asked(request, migrations.NEWEST) if paged else pages.unpaged(migrations.NEWEST)
    hidden = (request.asked("hidden") or "").lower() in ("1", "true", "yes", "on", "t", "y")
    found = [] if hidden else await migrations.page(request.tx, query, asked)
    body: dict[str, Any] = {"migrations": [_view(request, migration) for migration in found]}
    if paged:
        pages.add_next(request, body, "migrations", "os-migrations", [migration.id for migration in found])
    return Reply(200, body)


def _known(request: Request) -> set[str]:
    known = {"hidden", "host", *_EQUAL, "limit", "marker", "changes-since"}
    if request.version >= _BEFORE:
        known.add("changes-before")
    if request.version >= _OWNED:
        known |= set(_OF_WHOM)
    return known


def _query(request: Request) -> MigrationQuery:
    paged = request.version >= _PAGED
    filters = _EQUAL | (_OF_WHOM if request.version >= _OWNED else {})
    asked = {column: request.asked(name) for name, column in filters.items()}
    since = pages.time_of(request, "changes-since") if paged else None
    before = pages.time_of(request, "changes-before") if request.version >= _BEFORE else None
    if since is not None and before is not None and before < since:
        raise Invalid("query.invalid", "The value of changes-since must be less than or equal to changes-before.")
    return MigrationQuery(
        equal={column: value for column, value in asked.items() if value is not None},
        host=request.asked("host"),
        changed_since=since,
        changed_before=before,
    )


def _view(request: Request, migration: Migration) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": migration.number,
        "instance_uuid": migration.server_id,
        "status": migration.status,
        "source_compute": migration.source,
        "source_node": migration.source,
        "dest_compute": migration.target,
        "dest_node": migration.target,
        "dest_host": migration.target_address,
        "old_instance_type_id": _number_of(migration.old_flavor_id),
        "new_instance_type_id": _number_of(migration.new_flavor_id),
        "created_at": iso_micros(migration.created_at),
        "updated_at": iso_micros(migration.updated_at),
    }
    if request.version >= _TYPED:
        view["migration_type"] = migration.type
    if request.version >= _PAGED:
        view["uuid"] = migration.id
    if request.version >= _OWNED:
        view |= {"user_id": migration.user_id, "project_id": migration.project_id}
    return view


def _number_of(flavor_id: str) -> int:
    """Clients read numbers here, which flavors have none of: one of its own for each, the same every time."""
    number = whole_number(flavor_id)
    if number is not None and number <= _NUMBER_MAX:
        return number
    return crc32(flavor_id.encode()) & _NUMBER_MAX
