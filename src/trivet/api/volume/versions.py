"""GET / and GET /v3/: which versions are spoken here. Anybody may ask."""

from typing import Any

from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.volume.service import MICROVERSIONS

resource = Resource()
_CHOICES = 300


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    """Clients of this API know a choice of versions by its status."""
    return Reply(_CHOICES, {"versions": [_version(request)]})


@resource.on("GET", "/v3", may="public", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, {"versions": [_version(request)]})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": versions.text(MICROVERSIONS.newest),
        "min_version": versions.text(MICROVERSIONS.lowest),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{request.url}/v3/"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
