"""GET / and GET /v1: which versions are spoken here. Anybody may ask."""

from typing import Any

from trivet.api.instance_ha.service import MICROVERSIONS
from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()
_KIND = {"base": "application/json", "type": "application/vnd.openstack.masakari+json;version=1"}


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"versions": [_version(request)]})


@resource.on("GET", "/v1", may="public", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, {"version": _version(request)})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v1.0",
        "status": "CURRENT",
        "version": versions.text(MICROVERSIONS.newest),
        "min_version": versions.text(MICROVERSIONS.lowest),
        "updated": "2016-07-01T11:33:21Z",
        "links": [
            {"rel": "self", "href": f"{request.url}/v1/"},
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
        ],
        "media-types": [_KIND],
    }
