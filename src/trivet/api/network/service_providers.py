"""/v2.0/service-providers: who does what. Clients ask for a service by its type, to learn whether it is here at all."""

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import collections
from trivet.api.network.bodies import Json

resource = Resource()


_ROUTERS: Json = {"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}


@resource.on("GET", "/v2.0/service-providers", may="reader", tx="none")
async def index(request: Request) -> Reply:
    found = [_ROUTERS]
    for name, value in request.query:
        if name == "fields":
            continue
        if name not in _ROUTERS:
            raise collections.unknown_filter(name)
        wanted: object = bool(collections.flag(value)) if name == "default" else value
        found = [provider for provider in found if provider[name] == wanted]
    fields = lists.fields_of(request)
    return Reply(200, {"service_providers": [lists.cut(provider, fields) for provider in found]})
