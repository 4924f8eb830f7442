"""GET / and GET /v1: which versions are spoken here. Anybody may ask."""

from typing import Any

from trivet.api.container.service import MICROVERSIONS
from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()
_PARTS = (
    "containers",
    "services",
    "images",
    "networks",
    "hosts",
    "availability_zones",
    "capsules",
    "quotas",
    "registries",
)


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    version = {
        "id": "v1",
        "status": "CURRENT",
        "max_version": versions.text(MICROVERSIONS.newest),
        "min_version": versions.text(MICROVERSIONS.lowest),
        "links": [_link(request, "self", "/v1/")],
    }
    body = {
        "name": "OpenStack Zun API",
        "description": "Zun is an OpenStack project which aims to provide containers service.",
        "versions": [version],
        "default_version": version,
    }
    return Reply(200, body)


@resource.on("GET", "/v1", may="public", tx="none")
async def show(request: Request) -> Reply:
    view: dict[str, Any] = {
        "id": "v1",
        "media_types": [{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}],
        "links": [_link(request, "self", "/v1/")],
    }
    for part in _PARTS:
        view[part] = [_link(request, "self", f"/v1/{part}/"), _link(request, "bookmark", f"/{part}/")]
    return Reply(200, view)


def _link(request: Request, rel: str, path: str) -> dict[str, str]:
    return {"rel": rel, "href": f"{request.url}{path}"}
