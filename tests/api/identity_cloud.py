"""A cloud of identity alone, and a client that talks to it as the network would.

Tests ask for `identity`, which is there on both databases in turn, or for `new_identity` to choose settings.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.postgres import PostgresCluster

from trivet.api.identity.service import SERVICE
from trivet.api.kit.app import App
from trivet.clock import SystemClock
from trivet.domain import bootstrap, signing_keys
from trivet.domain.passwords import Passwords
from trivet.domain.tokens import Tokens
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store


class FastPasswords(Passwords):
    """As weak as argon2 can be made: the tests log in often."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)


class Skewed(SystemClock):
    """Real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def now(self) -> float:
        return super().now() + self.added_s


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw) if self.raw and "json" in self.headers.get("content-type", "") else None


class Cloud:
    def __init__(self, settings: Settings, database_url: str | None = None) -> None:
        self.clock = Skewed()
        ids = SystemIds()
        self.store: Store = (
            PostgresStore(database_url, self.clock, ids, connections=4)
            if database_url
            else SqliteStore(":memory:", self.clock, ids)
        )
        self.parts = Parts(
            settings=settings,
            clock=self.clock,
            ids=ids,
            store=self.store,
            tokens=Tokens(self.clock, strict_scope=settings.strict_scope),
            passwords=FastPasswords(),
            blobs=None,  # type: ignore[arg-type] # identity keeps no blobs
        )
        self.app = App(self.parts, [SERVICE])
        self.admin = ""
        self.project_id = ""
        self.user_id = ""

    async def start(self) -> "Cloud":
        await self.store.open()
        await self.store.migrate()
        hashed = await self.parts.passwords.hash("secret")
        async with self.store.write() as tx:
            await signing_keys.load(tx, self.parts.tokens, b"a key file")
            await bootstrap.first_start(tx, self.parts, hashed)
        answer = await self.login("admin", "secret", project=("admin", "default"))
        self.admin = answer.headers["x-subject-token"]
        self.project_id = answer.body["token"]["project"]["id"]
        self.user_id = answer.body["token"]["user"]["id"]
        return self

    async def stop(self) -> None:
        self.parts.passwords.close()
        await self.store.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "admin",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        said = {"host": "cloud:8774", **(headers or {})}
        if token is not None:
            said["x-auth-token"] = self.admin if token == "admin" else token
        path, _, query_string = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "scheme": "http",
            "query_string": (urlencode(query) if query else query_string).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in said.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return Answer(
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def auth(self, identity: dict[str, Any], scope: Any = None) -> Answer:
        said: dict[str, Any] = {"auth": {"identity": identity}}
        if scope is not None:
            said["auth"]["scope"] = scope
        return await self.call("POST", "/identity/v3/auth/tokens", said, token=None)

    async def login(
        self, name: str, password: str, *, project: tuple[str, str] | None = None, scope: Any = None
    ) -> Answer:
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        if project is not None:
            scope = {"project": {"name": project[0], "domain": {"id": project[1]}}}
        return await self.auth({"methods": ["password"], "password": {"user": user}}, scope)

    async def token(self, name: str, password: str, scope: Any = None) -> str:
        answer = await self.login(name, password, scope=scope)
        assert answer.status == 201, answer.raw
        return answer.headers["x-subject-token"]

    # -- things that most tests need

    async def make(self, kind: str, path: str, **fields: Any) -> dict[str, Any]:
        answer = await self.call("POST", f"/identity/v3/{path}", {kind: fields})
        assert answer.status == 201, answer.raw
        made: dict[str, Any] = answer.body[kind]
        return made

    async def role_id(self, name: str) -> str:
        answer = await self.get(f"/identity/v3/roles?name={name}")
        found: str = answer.body["roles"][0]["id"]
        return found

    async def grant(
        self, user_id: str, role: str, *, project: str = "", domain: str = "", system: bool = False
    ) -> None:
        at = f"projects/{project}" if project else f"domains/{domain}" if domain else "system"
        role_id = await self.role_id(role)
        answer = await self.call("PUT", f"/identity/v3/{at}/users/{user_id}/roles/{role_id}")
        assert answer.status == 204, answer.raw


NewCloud = Callable[[Settings], Awaitable[Cloud]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def new_identity(request: pytest.FixtureRequest) -> AsyncIterator[NewCloud]:
    started: list[Cloud] = []

    async def start(settings: Settings) -> Cloud:
        url = None
        if request.param == "postgres":
            cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
            url = cluster.new_database()
        started.append(Cloud(settings, url))
        return await started[-1].start()

    yield start
    for cloud in started:
        await cloud.stop()


@pytest.fixture
async def identity(new_identity: NewCloud) -> Cloud:
    return await new_identity(Settings())
