"""/v2.0/service-providers"""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()


@resource.on("GET", "/v2.0/service-providers", may="reader", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"service_providers": [{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}]})
