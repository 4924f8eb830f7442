"""What is here: /identity, /identity/v3, and JSON home, which tells clients every path by its relation."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()

_MEDIA = [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]
_HOME = "application/json-home"
_CORE = "https://docs.openstack.org/api/openstack-identity/3/rel/"
_PARAM = "https://docs.openstack.org/api/openstack-identity/3/param/"
_COLLECTIONS = (
    "credentials",
    "domains",
    "endpoints",
    "groups",
    "policies",
    "projects",
    "regions",
    "roles",
    "services",
    "users",
    "limits",
    "registered_limits",
)


def _v3(request: Request) -> dict[str, object]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.url}/v3/"}],
        "media-types": _MEDIA,
    }


def _wants_home(request: Request) -> bool:
    return (request.header("accept") or "").strip().startswith(_HOME)


@resource.on("GET", "/", may="public", tx="none")
async def list_versions(request: Request) -> Reply:
    if _wants_home(request):
        return Reply(200, _home("/v3"), content_type=_HOME)
    headers = [(b"location", f"{request.url}/v3/".encode()), (b"vary", b"X-Auth-Token")]
    return Reply(300, {"versions": {"values": [_v3(request)]}}, headers)


@resource.on("GET", "/v3", may="public", tx="none")
async def show_v3(request: Request) -> Reply:
    if _wants_home(request):
        return Reply(200, _home(""), content_type=_HOME)
    return Reply(200, {"version": _v3(request)}, [(b"vary", b"X-Auth-Token")])


def _home(prefix: str) -> dict[str, object]:
    relations: dict[str, object] = {
        f"{_CORE}auth_tokens": {"href": f"{prefix}/auth/tokens"},
        f"{_CORE}auth_catalog": {"href": f"{prefix}/auth/catalog"},
        f"{_CORE}auth_projects": {"href": f"{prefix}/auth/projects"},
        f"{_CORE}auth_domains": {"href": f"{prefix}/auth/domains"},
        f"{_CORE}role_assignments": {"href": f"{prefix}/role_assignments"},
    }
    for collection in _COLLECTIONS:
        one = "policy" if collection == "policies" else collection.removesuffix("s")
        relations[f"{_CORE}{collection}"] = {"href": f"{prefix}/{collection}"}
        relations[f"{_CORE}{one}"] = {
            "href-template": f"{prefix}/{collection}/{{{one}_id}}",
            "href-vars": {f"{one}_id": f"{_PARAM}{one}_id"},
        }
    return {"resources": relations}
