"""/v2.0/availability_zones: those of the hosts, for networks and for routers."""

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import zones

resource = Resource()


@resource.on("GET", "/v2.0/availability_zones", may="reader")
async def index(request: Request) -> Reply:
    names = list(dict.fromkeys([zones.DEFAULT_ZONE, *await zones.named(request.tx)]))
    found = [
        {"name": name, "resource": resource, "state": "available"}
        for name in names
        for resource in ("network", "router")
    ]
    wanted = {(name, value) for name, value in request.query if name in ("name", "resource", "state")}
    found = [zone for zone in found if all(zone[name] == value for name, value in wanted)]
    fields = lists.fields_of(request)
    return Reply(200, {"availability_zones": [lists.cut(zone, fields) for zone in found]})
