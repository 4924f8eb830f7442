"""One service in this process: its parts over either database, and a client that calls it as a server would.

Each service's own cloud builds on this. There is no HTTP: an ASGI scope goes in, an Answer comes out. Every test
process signs its tokens with one key, since making a key takes longer than most tests.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self
from urllib.parse import quote, urlencode

from trivet.api.kit.app import App
from trivet.api.kit.service import Service
from trivet.clock import Clock, SystemClock
from trivet.domain.callers import Caller, expanded
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.tokens.signing_keys import generate
from trivet.domain.identity.tokens.tokens import SigningKey, Tokens
from trivet.drivers.contracts.blobs import Blobs
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

MINE, THEIRS = "1" * 32, "2" * 32
"""Two projects that have nothing to do with each other."""


class Skewed(SystemClock):
    """Real time, and what a test adds to it: to the time of day, which jumps, or to all, which has passed."""

    added_s = 0.0
    passed_s = 0.0

    def now(self) -> float:
        return super().now() + self.added_s + self.passed_s

    def monotonic(self) -> float:
        return super().monotonic() + self.passed_s


class FastPasswords(Passwords):
    """As weak as argon2 can be made: the tests log in often."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw) if self.raw and "json" in self.headers.get("content-type", "") else None

    def ok(self, key: str = "") -> Any:
        assert self.status < 300, (self.status, self.raw)
        return self.body[key] if key else self.body

    def refused(self, status: int, kind: str = "") -> str:
        """Why. Glance says it at once, the others below one key; the kind of an error only neutron tells."""
        assert self.status == status, (self.status, self.raw)
        fault = self.body
        if "message" not in fault:
            (fault,) = fault.values()
        assert kind in ("", fault.get("type")), fault
        return str(fault["message"])


class OneService:
    """Inside `async with` its database is there, with what `fill` puts into it."""

    def __init__(
        self, service: Service, store: Store, *, settings: Settings | None = None, blobs: Blobs | None = None
    ) -> None:
        settings = settings or Settings()
        self.store = store
        self.parts = Parts(
            settings=settings,
            clock=store.clock,
            ids=store.ids,
            store=store,
            tokens=Tokens(store.clock, strict_scope=settings.strict_scope),
            passwords=FastPasswords(),
            blobs=blobs,  # type: ignore[arg-type] # only images and agents read any
        )
        self.parts.tokens.use_keys(_signing_key(), [])
        self.app = App(self.parts, [service])

    async def __aenter__(self) -> Self:
        await self.store.open()
        await self.store.migrate()
        await self.fill()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.parts.passwords.close()
        await self.store.close()

    async def fill(self) -> None:
        """What the service needs before its first request; an empty database serves some."""

    def issue(self, project_id: str | None, *roles: str, **words: Any) -> str:
        """A token of such a caller."""
        return self.parts.tokens.issue(caller_of(project_id, *roles, **words))


def store_on(database: str, clock: Clock | None = None) -> Store:
    """SQLite in memory, or in the file or the empty PostgreSQL database that is named."""
    clock = clock or SystemClock()
    if "://" in database:
        return PostgresStore(database, clock, SystemIds())
    return SqliteStore(database or ":memory:", clock, SystemIds())


def caller_of(project_id: str | None, *roles: str, user_id: str = "wei", **words: Any) -> Caller:
    """A member, if no role is named; whatever the clock says, the token is good."""
    return Caller(
        user_id=user_id, roles=expanded(roles or ("member",)), project_id=project_id, audit_id="a", issued_at=1.0,
        ends_at=9e9, **words,
    )  # fmt: skip


async def ask(
    app: App,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, object] | None = None,
) -> Answer:
    """The body is bytes, or what becomes JSON. The query may stand in the path as well."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return await ask_in_chunks(app, method, path, [raw], headers=headers, query=query)


async def ask_in_chunks(
    app: App,
    method: str,
    path: str,
    chunks: Iterable[bytes | None],
    *,
    headers: Mapping[str, str],
    query: Mapping[str, object] | None = None,
) -> Answer:
    """At a None among the chunks the client goes away."""
    path, _, in_path = path.partition("?")
    said = {"host": "cloud:8774", "accept": "application/json", **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in said.items()]
    asked = urlencode(query, doseq=True, quote_via=quote) if query else in_path
    return await exchange(app, method, path, chunks, headers=raw, query=asked.encode())


async def exchange(
    app: App,
    method: str,
    path: str,
    chunks: Iterable[bytes | None],
    *,
    headers: Sequence[tuple[bytes, bytes]],
    query: bytes = b"",
) -> Answer:
    """As the server does it, with whatever bytes a client may send."""
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": query,
        "headers": list(headers),
    }
    left = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        chunk = left.pop(0) if left else b""
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    answered = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))


@lru_cache
def _signing_key() -> SigningKey:
    return generate("test")
