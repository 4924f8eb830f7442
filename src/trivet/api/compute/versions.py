"""GET / and GET /v2.1/: which versions are spoken here. Anybody may ask.

Old clients look for v2.0 first, so it is named; what is spoken under it is 2.1 at its lowest.
"""

from typing import Any

from trivet.api.compute.service import MICROVERSIONS
from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    listed = []
    for path in ("v2", "v2.1"):
        version = _version(request, path)
        del version["media-types"]
        version["links"] = [link for link in version["links"] if link["rel"] == "self"]
        listed.append(version)
    return Reply(200, {"versions": listed})


@resource.on("GET", "/v2.1", may="public", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, {"version": _version(request, "v2.1")})


@resource.on("GET", "/v2", may="public", tx="none")
async def show_old(request: Request) -> Reply:
    return Reply(200, {"version": _version(request, "v2")})


def _version(request: Request, path: str) -> dict[str, Any]:
    old = path == "v2"
    return {
        "id": "v2.0" if old else "v2.1",
        "status": "DEPRECATED" if old else "CURRENT",
        "version": "" if old else versions.text(MICROVERSIONS.newest),
        "min_version": "" if old else versions.text(MICROVERSIONS.lowest),
        "updated": "2011-01-21T11:33:21Z" if old else "2013-07-23T11:33:21Z",
        "links": [
            {"rel": "self", "href": f"{request.url}/{path}/"},
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/api-ref/compute/"},
        ],
        "media-types": [
            {
                "base": "application/json",
                "type": f"application/vnd.openstack.compute+json;version={'2' if old else '2.1'}",
            }
        ],
    }
