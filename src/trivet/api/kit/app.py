"""The front door: one ASGI application for every dialect.

A request passes, in order: route, version, token, policy, body, handler. Whatever goes wrong on the way is
told in the words of the service that was asked. This is one of the three places that catch everything.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec

from trivet.api.kit import access_log, callers
from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request, encode
from trivet.api.kit.routes import Node, Route
from trivet.api.kit.service import Service
from trivet.domain.callers import Caller
from trivet.domain.identity.delegation import access_rules
from trivet.errors import Busy, Forbidden, Invalid, NotFound, TrivetError
from trivet.parts import Parts
from trivet.store import log
from trivet.store.log import Doer
from trivet.store.store import transact
from trivet.store.tx import Tx

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
SocketHandler = Callable[[Scope, Receive, Send], Awaitable[None]]

_BODY_WAIT_S = 60.0
_DROPPED_MAX = 16 << 20
_logger = logging.getLogger(__name__)
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


class App:
    def __init__(self, parts: Parts, services: list[Service], sockets: dict[str, SocketHandler] | None = None) -> None:
        self.parts = parts
        self.services = services
        self.routes: list[tuple[Service, Route]] = []
        self._sockets = sockets or {}
        self._tree = Node()
        self._at_prefix = {service.prefix: service for service in services}
        for service in services:
            for route in service.routes():
                self.routes.append((service, route))
                self._tree.add(route, service.prefix)
                if (shorter := service.shortened(route.path)) is not None:
                    self._tree.add(msgspec.structs.replace(route, path=shorter), service.prefix)
        # The longest prefix first, so that an unknown path is refused by the nearest service.
        self._by_prefix = sorted(services, key=lambda service: -len(service.prefix))
        self._folding = tuple(f"{service.prefix}/" for service in services if service.slashes_fold)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._socket(scope, receive, send)
        elif kind == "lifespan":
            await _lifespan(receive, send)

    # -- http

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope["method"], scope["path"], dict(scope["headers"]), scope["query_string"], self.parts)
        request.client = scope.get("client")
        request.id = f"req-{self.parts.ids.uuid()}"
        request_id.set(request.id)
        log.doing.set(Doer(None, request.id))
        began = self.parts.clock.monotonic()
        service: Service | None = None
        try:
            service, route = self._route(request)
            reply = await self._answer(service, route, request, scope, receive)
        except TrivetError as error:
            if service is None:
                service = self._nearest(request.path)
                _read_version(service, request)
            reply = self._refusal(service, error, request)
        except asyncio.CancelledError:
            raise
        except Exception:
            _logger.exception("%s %r failed", request.method, request.path)
            bug = TrivetError("internal", "An unexpected error happened on our side; it has been logged.")
            service = service or self._nearest(request.path)
            reply = self._refusal(service, bug, request)
        if service.microversions is not None and request.version:
            reply.headers += service.microversions.reply_headers(request.version)
        reply.headers += service.reply_headers(request.id)
        try:
            await self._give(reply, request, send)
        finally:
            self._count(service, request, reply, scope, self.parts.clock.monotonic() - began)

    async def _give(self, reply: Reply, request: Request, send: Send) -> None:
        head = request.method == "HEAD"
        if isinstance(reply.body, bytes):
            await _send(reply, reply.body, send, head=head)
            return
        try:
            await _send_stream(reply, reply.body, send, head=head)
        except TrivetError as error:
            # Too late to say so: the connection is closed on an answer without its end.
            _logger.warning("%s %r broke off: %s", request.method, request.path, error)
        except Exception:
            _logger.exception("%s %r broke off", request.method, request.path)

    def _count(self, service: Service, request: Request, reply: Reply, scope: Scope, seconds: float) -> None:
        # What nobody declared is one route: or whoever asks for many paths, or in many methods, would fill our memory.
        method = request.method if request.route else "-"
        self.parts.measures.answered((service.name, method, request.route or "-"), reply.status, seconds)
        if self.parts.settings.access_log:
            access_log.tell(request, reply, scope, seconds)

    def _route(self, request: Request) -> tuple[Service, list[Route]]:
        if "//" in request.path and request.path.startswith(self._folding):
            request.path = "/" + "/".join(filter(None, request.path.split("/")))
        node = self._tree.find(request.path, request.values)
        if node is None:
            raise NotFound("route.absent", self._nearest(request.path).absent(request.path))
        routes = node.here.get(request.method)
        if routes is None and request.method == "HEAD":
            routes = node.here.get("GET")
        if routes is None and request.path.endswith("/") and request.path != f"{node.prefix}/":
            # Somebody forgot to put the id behind it: that one does not exist.
            raise NotFound("route.absent", f"There is nothing to {request.method} at {request.path[:200]}.")
        if routes is None:
            allowed = ", ".join(sorted(node.here))
            raise Invalid(
                "method.not_allowed",
                f"{request.method} is not possible here, only {allowed}.",
                status=405,
                allow=allowed,
            )
        return self._at_prefix[node.prefix], routes

    async def _answer(
        self, service: Service, routes: list[Route], request: Request, scope: Scope, receive: Receive
    ) -> Reply:
        if service.microversions is not None:
            request.version = service.microversions.asked(request.headers)
        host = request.headers.get(b"host", b"").decode("latin-1")
        # Behind a proxy we do not see how the client came; whoever set public_url knows.
        named = host and not self.parts.settings.public_url
        request.url = (f"{scope['scheme']}://{host}" if named else self.parts.settings.url) + service.prefix
        self._admit(service, routes[0].may, request)
        if routes[0].stream:
            route = _choose(routes, request)
            request.stream_from(receive)
        else:
            request.body = await _body(request, receive, max(route.body_max for route in routes))
            route = _choose(routes, request)
            if len(request.body) > route.body_max:
                raise _too_large(route.body_max)
        request.route = service.prefix + route.path + (f" {route.action}" if route.action else "")
        try:
            callers.check(route.may, request.method, request.caller)
        except Forbidden:
            await self._look(route, request)
            raise
        if request.caller.access_rules is not None and route.may not in callers.NO_TOKEN:
            _check_access_rules(service, request)
        return await self._run(route, request)

    async def _look(self, route: Route, request: Request) -> None:
        """NotFound, if what he may not do is about something that he does not even see."""
        if route.seen is not None:
            async with self.parts.store.read() as tx:
                request.within(tx)
                await route.seen(request)

    def _admit(self, service: Service, may: Policy, request: Request) -> None:
        if may == "host" and request.header(callers.HOST_HEADER) is None:
            raise Forbidden(
                "host_credential.missing", f"Only the agent of a host may: send {callers.HOST_HEADER}.", status=401
            )
        if may in callers.NO_TOKEN:
            return
        if may == "shared":
            self._recognise(service, request)
            return
        request.caller = _shown(service, request)
        log.doing.set(Doer(request.caller.user_id, request.id))

    def _recognise(self, service: Service, request: Request) -> None:
        """Nobody, if the token is none or bad: what is shared with nobody in particular is for him, too."""
        try:
            request.caller = _shown(service, request)
        except Forbidden:
            return
        log.doing.set(Doer(request.caller.user_id, request.id))

    async def _run(self, route: Route, request: Request) -> Reply:
        store = self.parts.store
        if route.tx == "none":
            return await route.handler(request)
        if route.tx == "read":
            async with store.read() as tx:
                request.within(tx)
                return await route.handler(request)

        def act(tx: Tx) -> Awaitable[Reply]:
            request.within(tx)
            return route.handler(request)

        return await transact(store, act)

    def _nearest(self, path: str) -> Service:
        for service in self._by_prefix:
            if path.startswith(service.prefix):
                return service
        return self._by_prefix[-1]

    def _refusal(self, service: Service, error: TrivetError, request: Request) -> Reply:
        headers: list[tuple[bytes, bytes]] = []
        if error.http_status == 401:
            said = f'Keystone uri="{self.parts.settings.url}/identity"'
            if service.door is not None:
                said = service.door.challenge(request)
            headers.append((b"www-authenticate", said.encode()))
        if isinstance(error, Busy):
            headers.append((b"retry-after", b"1"))
        if error.http_status in (408, 413) or b"expect" in request.headers:
            # What is left of the body is not read; and who waits to be told to send it will not send it any more.
            headers.append((b"connection", b"close"))
        if "allow" in error.details:
            headers.append((b"allow", str(error.details["allow"]).encode()))
        if service.error_text is not None:
            kind, text = service.error_text(error, request.header("accept"))
            return Reply(service.status_of(error), text.encode(errors="replace"), headers, content_type=kind)
        return Reply(service.status_of(error), service.error_body(error, request.id), headers)

    # -- websockets

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._sockets.get(scope["path"])
        if handler is None:
            await receive()
            await send({"type": "websocket.close", "code": 4404})
            return
        await handler(scope, receive, send)


def _shown(service: Service, request: Request) -> Caller:
    """Who the caller shows to be."""
    return service.door.admit(request) if service.door is not None else callers.by_token(request)


def _read_version(service: Service, request: Request) -> None:
    """Reads the version of a request that no route serves, since a refusal names it, too; a bad one is ignored."""
    if service.microversions is not None:
        with suppress(Invalid):
            request.version = service.microversions.asked(request.headers)


def _check_access_rules(service: Service, request: Request) -> None:
    """An application credential may be limited to a few calls."""
    path = request.path.removeprefix(service.prefix) or "/"
    if not access_rules.allowed(request.caller, service.types, request.method, path):
        raise Forbidden("policy.access_rule", "The application credential's access rules do not allow this.")


def _choose(routes: list[Route], request: Request) -> Route:
    action: str | None = None
    if routes[0].action is not None:
        action = _action_of(request.body)
    for route in routes:
        if route.action == action and route.since <= request.version <= route.until:
            return route
    if action is not None:
        raise Invalid("action.absent", f"There is no such action: {action[:64]!r} (at this API version).")
    raise NotFound("route.absent", "The resource could not be found at this API version.")


def _action_of(body: bytes) -> str:
    """The one key of an action's body."""
    try:
        found = _ACTIONS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("body.malformed", f"The request body is not a JSON object: {error}.") from error
    if len(found) != 1:
        raise Invalid("action.one", "The request body must hold exactly one action.")
    return next(iter(found))


_ACTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def _body(request: Request, receive: Receive, body_max: int) -> bytes:
    """The whole body, bounded in size and in the time that a slow client may take.

    What is not much too large is read to its end and dropped: a client that still sends does not hear the answer.
    """
    announced = request.headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:20]) > body_max + _DROPPED_MAX:
        raise _too_large(body_max)
    if not announced and b"transfer-encoding" not in request.headers:
        # On the wire there is none, so there is nothing to be patient about.
        return await _whole(receive, body_max)
    try:
        async with asyncio.timeout(_BODY_WAIT_S):
            return await _whole(receive, body_max)
    except TimeoutError as error:
        raise Invalid("body.slow", "The request body did not arrive in time.", status=408) from error


async def _whole(receive: Receive, body_max: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("body.cut", "The client went away before the body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= body_max:
            chunks.append(chunk)
        elif size > body_max + _DROPPED_MAX:
            raise _too_large(body_max)
        if not message.get("more_body", False):
            break
    if size > body_max:
        raise _too_large(body_max)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(body_max: int) -> Invalid:
    return Invalid("body.too_large", f"The request body is larger than {body_max} bytes.", status=413)


async def _send(reply: Reply, body: bytes, send: Send, *, head: bool) -> None:
    # 204 and 304 have no body, and so no length either.
    if reply.status not in (204, 304) and not (head and reply.says_length):
        reply.headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _send_stream(reply: Reply, chunks: AsyncIterator[bytes], send: Send, *, head: bool) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    if not head:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


__all__ = ["App", "encode", "request_id"]
