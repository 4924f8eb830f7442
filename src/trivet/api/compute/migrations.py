"""/os-migrations: servers that moved between hosts. None do yet, and so the list says."""

from trivet.api.compute import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()


@resource.on("GET", "/v2.1/os-migrations", may="operator", tx="none")
async def index(request: Request) -> Reply:
    known = {"hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"}
    if request.version >= 2059:
        known |= {"limit", "marker", "changes-since"}
    if request.version >= 2066:
        known.add("changes-before")
    if request.version >= 2080:
        known |= {"user_id", "project_id"}
    pages.known(request, known, since=2059)
    return Reply(200, {"migrations": []})
