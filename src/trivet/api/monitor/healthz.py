"""/healthz and /readyz: whether this process lives, and whether it should be given requests. Anybody may ask."""

import asyncio

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import TrivetError
from trivet.store import log

resource = Resource()

_PATIENCE_S = 5.0
_BEHIND_MAX = 10_000


@resource.on("GET", "/healthz", may="public", tx="none")
async def healthz(request: Request) -> Reply:
    return Reply(200, b"alive\n", content_type="text/plain")


@resource.on("GET", "/readyz", may="public", tx="none")
async def readyz(request: Request) -> Reply:
    """Not while the database is away, nor while what others changed is not known here."""
    measures = request.parts.measures
    try:
        async with asyncio.timeout(_PATIENCE_S), request.parts.store.read() as tx:
            behind = await log.head(tx) - measures.position()
    except (TrivetError, TimeoutError):
        return _reply(ready=False, database="does not answer")
    if behind > _BEHIND_MAX:
        return _reply(ready=False, database="answers", log=f"{behind} changes behind")
    return _reply(ready=True, database="answers", log="is followed")


def _reply(*, ready: bool, **parts: str) -> Reply:
    return Reply(200 if ready else 503, {"ready": ready, **parts})
