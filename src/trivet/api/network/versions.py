"""Discovery: which versions there are, and what v2.0 holds. Networking has one version and counts extensions."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()

_RESOURCES = (
    ("network", "networks"),
    ("subnet", "subnets"),
    ("port", "ports"),
    ("subnetpool", "subnetpools"),
    ("router", "routers"),
    ("floatingip", "floatingips"),
    ("security_group", "security-groups"),
    ("security_group_rule", "security-group-rules"),
    ("extension", "extensions"),
)


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    link = {"rel": "self", "href": f"{request.url}/v2.0/"}
    return Reply(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})


@resource.on("GET", "/v2.0", may="public", tx="none")
async def show(request: Request) -> Reply:
    found = [
        {
            "name": name,
            "collection": plural,
            "links": [{"rel": "self", "href": f"{request.url}/v2.0/{plural}"}],
        }
        for name, plural in _RESOURCES
    ]
    return Reply(200, {"resources": found})
