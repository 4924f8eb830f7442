"""A cloud of networks alone, in memory, and callers of three projects."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from trivet.api.kit.app import App
from trivet.api.network.service import SERVICE
from trivet.clock import SystemClock
from trivet.domain import bootstrap
from trivet.domain.callers import Caller, expanded
from trivet.domain.passwords import Passwords
from trivet.domain.projects import PROJECTS, Project
from trivet.domain.signing_keys import generate
from trivet.domain.tokens import SigningKey, Tokens
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

MINE, THEIRS = "1" * 32, "2" * 32
Json = dict[str, Any]


@lru_cache
def _key() -> SigningKey:
    return generate("test")


def caller_of(project_id: str | None, *roles: str, **words: Any) -> Caller:
    now = SystemClock().now()
    return Caller(
        user_id=f"user-{project_id}", roles=expanded(roles or ("member",)), project_id=project_id,
        issued_at=now, ends_at=now + 3600, audit_id="a", **words,
    )  # fmt: skip


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw) if self.raw else None

    def ok(self, key: str = "") -> Any:
        assert self.status < 300, (self.status, self.body)
        return self.body[key] if key else self.body

    def refused(self, status: int, kind: str = "") -> str:
        assert self.status == status, (self.status, self.body)
        error = self.body["NeutronError"]
        assert kind in ("", error["type"]), error
        return str(error["message"])


class Client:
    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        path, _, query = path.partition("?")
        sent: list[Json] = []
        raw = b"" if body is None else json.dumps(body).encode()
        said = {"x-auth-token": self._token, "host": "cloud.test"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        scope = {
            "type": "http", "method": method, "path": f"/network{path}", "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in said.items()], "scheme": "http",
        }  # fmt: skip

        async def receive() -> Json:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Json) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        received = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answer(sent[0]["status"], received, b"".join(part.get("body", b"") for part in sent[1:]))

    async def get(self, path: str) -> Any:
        return (await self.call("GET", f"/v2.0/{path}")).ok()

    async def make(self, noun: str, **words: Any) -> Any:
        """POST one; words may have : spelled as __."""
        said = {name.replace("__", ":"): value for name, value in words.items()}
        plural = {"router": "routers"}.get(noun, f"{noun.replace('_', '-')}s" if not noun.endswith("y") else noun)
        if noun.endswith("policy"):
            plural = "rbac-policies"
        return (await self.call("POST", f"/v2.0/{plural}", {noun: said})).ok(noun)

    async def change(self, noun: str, id: str, **words: Any) -> Any:
        said = {name.replace("__", ":"): value for name, value in words.items()}
        return (await self.call("PUT", f"/v2.0/{noun.replace('_', '-')}s/{id}", {noun: said})).ok(noun)

    async def drop(self, path: str) -> None:
        (await self.call("DELETE", f"/v2.0/{path}")).ok()

    async def network(self, cidr: str = "10.0.0.0/24", **words: Any) -> tuple[str, str]:
        """(network, subnet) ids."""
        network = await self.make("network", **words)
        version = 6 if ":" in cidr else 4
        subnet = await self.make("subnet", network_id=network["id"], cidr=cidr, ip_version=version)
        return network["id"], subnet["id"]


class Cloud:
    def __init__(self, store: Store) -> None:
        clock, ids = store.clock, store.ids
        self.store = store
        self.parts = Parts(
            settings=Settings(),
            clock=clock,
            ids=ids,
            store=store,
            tokens=Tokens(clock),
            passwords=Passwords(),
            blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
        )
        self.parts.tokens.use_keys(_key(), [])
        self.app = App(self.parts, [SERVICE])

    def client(self, project_id: str | None = MINE, *roles: str, **words: Any) -> Client:
        return Client(self.app, self.parts.tokens.issue(caller_of(project_id, *roles, **words)))

    @property
    def admin(self) -> Client:
        return self.client("0" * 32, "admin")

    @property
    def mine(self) -> Client:
        return self.client(MINE)

    @property
    def theirs(self) -> Client:
        return self.client(THEIRS)


@asynccontextmanager
async def cloud(store: Store | None = None) -> AsyncIterator[Cloud]:
    store = store or SqliteStore(":memory:", SystemClock(), SystemIds())
    await store.open()
    try:
        await store.migrate()
        made = Cloud(store)
        async with store.write() as tx:
            await bootstrap.first_start(tx, made.parts, "no password")
            for id in (MINE, THEIRS):
                await tx.insert(PROJECTS, Project(id=id, name=id, domain_id="default", parent_id="default"))
        yield made
    finally:
        await store.close()
