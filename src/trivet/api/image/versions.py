"""What the image service speaks: v2, told as a list of minor versions that only ever grew."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource

resource = Resource()

NEWEST = 18


@resource.on("GET", "/", may="public", tx="none")
async def index(request: Request) -> Reply:
    return Reply(300, _versions(request))


@resource.on("GET", "/versions", may="public", tx="none")
async def versions(request: Request) -> Reply:
    return Reply(200, _versions(request))


@resource.on("GET", "/v2", may="public", tx="none")
async def version(request: Request) -> Reply:
    return Reply(300, _versions(request))


def _versions(request: Request) -> object:
    found = [
        {
            "id": f"v2.{minor}",
            "status": "CURRENT" if minor == NEWEST else "SUPPORTED",
            "links": [{"rel": "self", "href": f"{request.url}/v2/"}],
        }
        for minor in range(NEWEST, -1, -1)
    ]
    return {"versions": found}
