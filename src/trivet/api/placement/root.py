"""GET /: which versions are spoken here. Anybody may ask."""

from trivet.api.kit import versions
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.api.placement.service import MICROVERSIONS

resource = Resource()


@resource.on("GET", "/", may="public", tx="none")
async def show(request: Request) -> Reply:
    lowest, newest = versions.text(MICROVERSIONS.lowest), versions.text(MICROVERSIONS.newest)
    entry = {
        "id": f"v{lowest}",
        "min_version": lowest,
        "max_version": newest,
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return wire.reply(request, 200, {"versions": [entry]})
