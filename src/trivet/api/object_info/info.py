"""/info: what this object store can do, and how much."""

from trivet.api.kit.routes import Resource
from trivet.api.object import info

resource = Resource()
resource.on("GET", "", may="public", tx="none")(info.info)
