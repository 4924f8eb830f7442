"""/metrics: what Prometheus reads. With a token here; without one at the door that the operator opens for it."""

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.monitor.monitoring import text_of

resource = Resource()

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@resource.on("GET", "/metrics", may="operator", tx="none")
async def show(request: Request) -> Reply:
    return Reply(200, (await text_of(request.parts)).encode(), content_type=TEXT)
