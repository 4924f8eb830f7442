"""The door beside the API for who watches it: three paths of the API's, answered to anybody who reaches the door.

Prometheus and load balancers have no tokens; who may come here is decided by where the operator lets it listen.
"""

from trivet.api.kit.app import App, Receive, Scope, Send
from trivet.api.monitor.monitoring import text_of

_PLAIN = b"text/plain; version=0.0.4; charset=utf-8"
_PATHS = ("/healthz", "/readyz")


class Aside:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 4404})
        elif scope["path"] in _PATHS:
            await self._app(scope, receive, send)
        elif scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD"):
            body = (await text_of(self._app.parts)).encode()
            await _answer(send, 200, _PLAIN, b"" if scope["method"] == "HEAD" else body)
        else:
            await _answer(send, 404, b"text/plain", b"Here are /metrics, /healthz and /readyz.\n")


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
