"""A door for S3 alone, where buckets lie at the root: some of its clients can be told a host, and no path on it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from trivet.api.kit.exchange import AsgiApp

_PREFIX = "/s3"


class S3Door:
    """Whatever is asked here is asked below S3's own place in the API; nothing else is reached."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http":
            scope["path"] = _PREFIX + scope["path"]
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4404})
