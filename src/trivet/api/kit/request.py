"""A request as a handler sees it, and the reply it gives."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from trivet.api.kit import bodies
from trivet.domain.callers import Caller
from trivet.errors import Invalid
from trivet.parts import Parts
from trivet.store.tx import Tx

B = TypeVar("B")
Receive = Callable[[], Awaitable[dict[str, Any]]]

_FIELDS_MAX = 200


class Request:
    __slots__ = (
        "_query",
        "_receive",
        "_tx",
        "body",
        "caller",
        "client",
        "headers",
        "id",
        "method",
        "parts",
        "path",
        "query_string",
        "route",
        "url",
        "values",
        "version",
    )  # fmt: skip

    def __init__(self, method: str, path: str, headers: dict[bytes, bytes], query_string: bytes, parts: Parts) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.query_string = query_string
        self.parts = parts
        self.id = ""
        self.url = ""
        """How the client reached the service (scheme://host/prefix), for links."""
        self.route = ""
        """Its path as it is declared, once it is found."""
        self.version = 0
        self.body = b""
        self.values: dict[str, str] = {}
        """What stood in the path where the route has a {name}."""
        self.caller: Caller = NOBODY
        self.client: tuple[str, int] | None = None
        """Who is at the other end of the connection: a proxy, maybe."""
        self._query: list[tuple[str, str]] | None = None
        self._tx: Tx | None = None
        self._receive: Receive | None = None

    def said(self, name: str) -> str | None:
        """A header whose value is UTF-8, as its client means it."""
        raw = self.headers.get(name.encode())
        return raw.decode(errors="replace") if raw is not None else None

    @property
    def tx(self) -> Tx:
        assert self._tx is not None, "the route asked for no transaction"
        return self._tx

    def within(self, tx: Tx) -> None:
        self._tx = tx

    def header(self, name: str) -> str | None:
        raw = self.headers.get(name.lower().encode())
        return raw.decode("latin-1") if raw is not None else None

    # -- query

    @property
    def query(self) -> list[tuple[str, str]]:
        """All (name, value) pairs in order; names may repeat."""
        if self._query is None:
            try:
                self._query = parse_qsl(
                    self.query_string.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"
                )
            except ValueError as error:
                raise Invalid("query.malformed", f"The query string cannot be read: {error}.") from error
        return self._query

    def asked(self, name: str) -> str | None:
        """The last value of a query parameter."""
        found = None
        for key, value in self.query:
            if key == name:
                found = value
        return found

    def asked_all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def asked_flag(self, name: str) -> bool | None:
        value = self.asked(name)
        if value is None:
            return None
        low = value.lower()
        if low in ("1", "true", "yes", "on", "t", "y", ""):
            return True
        if low in ("0", "false", "no", "off", "f", "n"):
            return False
        raise Invalid("query.invalid", f"{name} must be true or false, not {value[:64]!r}.")

    # -- body

    def read(self, kind: type[B], *, strict: bool = True) -> B:
        """The JSON body as `kind`; Invalid names the field that is wrong. Not strict: "1" is good for 1."""
        return bodies.read(kind, self.body, self.version, strict=strict)

    def read_object(self) -> dict[str, Any]:
        """The JSON body as a plain object, for dialects that keep fields they do not know."""
        return bodies.read(dict[str, Any], self.body)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in chunks, for routes that asked for it unread."""
        assert self._receive is not None
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Invalid("body.cut", "The client went away before the body was complete.")
            chunk = message.get("body", b"")
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return

    def stream_from(self, receive: Receive) -> None:
        self._receive = receive


NOBODY = Caller(user_id="", roles=frozenset())


class Reply:
    """Status, headers and a body: an object becomes JSON, bytes go out as they are, an iterator is streamed."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int,
        body: object = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        *,
        content_type: str | None = None,
    ) -> None:
        self.status = status
        self.headers = headers or []
        self.body: bytes | AsyncIterator[bytes]
        if body is None:
            self.body = b""
        elif isinstance(body, bytes | AsyncIterator):
            self.body = body
            self.headers.append((b"content-type", (content_type or "application/octet-stream").encode()))
        else:
            self.body = encode(body)
            self.headers.append((b"content-type", (content_type or "application/json").encode()))

    @property
    def says_length(self) -> bool:
        """Of a body that HEAD does not send, and that was not even read."""
        return any(name == b"content-length" for name, _ in self.headers)


encode = msgspec.json.Encoder().encode
