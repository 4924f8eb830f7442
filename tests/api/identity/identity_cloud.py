"""A cloud of identity alone, and a client that talks to it as the network would.

Tests ask for `identity`, which is there on both databases in turn, or for `new_identity` to choose settings.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.api.one_service import Answer, OneService, Skewed, ask, store_on

from trivet.api.identity.service import SERVICE
from trivet.domain import seeds
from trivet.domain.identity.tokens import signing_keys
from trivet.domain.secrets import Secrets
from trivet.process import offers, services
from trivet.settings import Settings


class Cloud(OneService):
    def __init__(self, settings: Settings, database: str = "") -> None:
        self.clock = Skewed()
        super().__init__(SERVICE, store_on(database, self.clock), settings=settings)
        self.admin = ""
        self.project_id = ""
        self.user_id = ""

    async def fill(self) -> None:
        hashed = await self.parts.passwords.hash("secret")
        self.parts.secrets = Secrets(b"a key file")
        async with self.store.write() as tx:
            await signing_keys.load(tx, self.parts.tokens, self.parts.secrets)
            await seeds.start(tx, self.parts, hashed, offers(services()))
        answer = await self.login("admin", "secret", project=("admin", "default"))
        self.admin = answer.headers["x-subject-token"]
        self.project_id = answer.body["token"]["project"]["id"]
        self.user_id = answer.body["token"]["user"]["id"]

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
        said = dict(headers or {})
        if token is not None:
            said["x-auth-token"] = self.admin if token == "admin" else token
        return await ask(self.app, method, path, body, headers=said, query=query)

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


@pytest.fixture
async def new_identity(database: str) -> AsyncIterator[NewCloud]:
    async with AsyncExitStack() as stack:

        async def start(settings: Settings) -> Cloud:
            return await stack.enter_async_context(Cloud(settings, database))

        yield start


@pytest.fixture
async def identity(new_identity: NewCloud) -> Cloud:
    return await new_identity(Settings())
