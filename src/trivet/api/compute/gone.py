"""What nova's API once had and ended before us, and what helps services that are not here: said, with the reason."""

from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.errors import Invalid, NotFound

resource = Resource()

_GONE = """
    GET /os-agents
    POST /os-agents
    PUT /os-agents/{id}
    DELETE /os-agents/{id}
    GET /os-cells
    POST /os-cells
    GET /os-cells/capacities
    GET /os-cells/detail
    GET /os-cells/info
    GET /os-cells/{id}
    PUT /os-cells/{id}
    DELETE /os-cells/{id}
    GET /os-cells/{id}/capacities
    POST /os-certificates
    GET /os-certificates/root
    GET /os-cloudpipe
    POST /os-cloudpipe
    PUT /os-cloudpipe/configure-project
    GET /os-fixed-ips/{id}
    POST /os-fixed-ips/{id}/action
    GET /os-floating-ip-dns
    PUT /os-floating-ip-dns/{domain}
    DELETE /os-floating-ip-dns/{domain}
    GET /os-floating-ip-dns/{domain}/entries/{name}
    PUT /os-floating-ip-dns/{domain}/entries/{name}
    DELETE /os-floating-ip-dns/{domain}/entries/{name}
    GET /os-floating-ips-bulk
    POST /os-floating-ips-bulk
    PUT /os-floating-ips-bulk/delete
    GET /os-floating-ips-bulk/{host_name}
    GET /os-fping
    GET /os-fping/{id}
    POST /os-networks
    POST /os-networks/add
    DELETE /os-networks/{network_id}
    POST /os-networks/{network_id}/action
    GET /os-security-group-default-rules
    POST /os-security-group-default-rules
    GET /os-security-group-default-rules/{id}
    DELETE /os-security-group-default-rules/{id}
    POST /os-tenant-networks
    DELETE /os-tenant-networks/{network_id}
"""

_FOR_VOLUMES = """
    POST /os-assisted-volume-snapshots
    DELETE /os-assisted-volume-snapshots/{id}
"""


async def gone(request: Request) -> Reply:
    raise Invalid("route.gone", "This resource is no longer available. No forwarding address is given.", status=410)


async def unassisted(request: Request) -> Reply:
    raise NotFound("volumes.absent", "Not applicable: hosts here make snapshots themselves, and need no assistance.")


async def nodes(request: Request) -> Reply:
    return Reply(200, {"nodes": []})


async def no_node(request: Request) -> Reply:
    raise NotFound("node.absent", f"Node {request.values['node_id'][:64]} could not be found.")


def _declare(listed: str, handler: Handler, until: str | None, change: Policy = "member") -> None:
    for line in listed.strip().splitlines():
        method, path = line.split()
        may: Policy = "reader" if method == "GET" else change
        resource.on(method, f"/v2.1{path}", may=may, tx="none", until=until)(handler)


_declare(_GONE, gone, None)
_declare(_FOR_VOLUMES, unassisted, None, "admin")
resource.on("GET", "/v2.1/os-baremetal-nodes", may="operator", tx="none", until="2.35")(nodes)
resource.on("GET", "/v2.1/os-baremetal-nodes/{node_id}", may="operator", tx="none", until="2.35")(no_node)
