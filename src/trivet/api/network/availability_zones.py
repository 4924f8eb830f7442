"""/v2.0/availability_zones: those of the hosts, for networks and for routers."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network.listing import fields_of
from trivet.domain.hosts.zones import DEFAULT_ZONE

resource = Resource()


@resource.on("GET", "/v2.0/availability_zones", may="reader")
async def index(request: Request) -> Reply:
    rows = await request.tx.rows("SELECT DISTINCT zone FROM hosts WHERE zone IS NOT NULL ORDER BY zone")
    names = list(dict.fromkeys([DEFAULT_ZONE, *(str(row[0]) for row in rows)]))
    found = [
        {"name": name, "resource": resource, "state": "available"}
        for name in names
        for resource in ("network", "router")
    ]
    wanted = {(name, value) for name, value in request.query if name in ("name", "resource", "state")}
    found = [zone for zone in found if all(zone[name] == value for name, value in wanted)]
    fields = fields_of(request)
    shown = [{k: v for k, v in zone.items() if not fields or k in fields} for zone in found]
    return Reply(200, {"availability_zones": shown})
