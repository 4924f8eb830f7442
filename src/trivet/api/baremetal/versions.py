"""GET / and GET /v1: which versions the engine speaks. Anybody may."""

from trivet.api.baremetal.forwarding import forward
from trivet.api.kit.routes import Resource

resource = Resource()
for path in ("/", "/v1"):
    resource.on("GET", path, may="public", tx="none")(forward)
