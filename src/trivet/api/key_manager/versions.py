"""GET / and GET /v1: which versions are spoken here, in an older shape and in that of who asks for 1.1. Anybody may."""

from typing import Any

from trivet.api.key_manager.service import MICROVERSIONS
from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()
_CHOICES = 300
_SINCE = 1001


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    """Clients of this API know a choice of versions by its status."""
    if request.version < _SINCE:
        return Reply(_CHOICES, {"versions": {"values": [_older(request)]}})
    return Reply(_CHOICES, {"versions": [_version(request)]})


@resource.on("GET", "/v1", may="public", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, {"version": _older(request) if request.version < _SINCE else _version(request)})


def _links(request: Request) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{request.url}/v1/"},
        {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
    ]


def _older(request: Request) -> dict[str, Any]:
    kind = {"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}
    return {"id": "v1", "status": "stable", "links": _links(request), "media-types": [kind]}


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": versions.text(MICROVERSIONS.lowest),
        "max_version": versions.text(MICROVERSIONS.newest),
        "links": _links(request),
    }
