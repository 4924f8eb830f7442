"""/v1/availability_zones: those that have hosts for containers."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import zones

resource = Resource()


@resource.on("GET", "/v1/availability_zones", may="reader")
async def index(request: Request) -> Reply:
    found = await zones.by_zone(request.tx)
    named = [zone for zone, hosts in found.items() if any("container" in host.kinds for host in hosts)]
    return Reply(200, {"availability_zones": [{"availability_zone": zone} for zone in named], "next": None})
