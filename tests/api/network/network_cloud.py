"""A cloud of networks alone, in memory, and callers of three projects."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.one_service import MINE, THEIRS, Answer, OneService, ask, store_on

from trivet.api.kit.app import App
from trivet.api.network.service import SERVICE
from trivet.domain import seeds
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.process import offers, services
from trivet.store.store import Store


class Client:
    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        said = {"x-auth-token": self._token} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(self._app, method, f"/network{path}", body, headers=said)

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


class Cloud(OneService):
    def __init__(self, store: Store | None = None) -> None:
        super().__init__(SERVICE, store or store_on(""))

    async def fill(self) -> None:
        async with self.store.write() as tx:
            await seeds.start(tx, self.parts, "no password", offers(services()))
            for id in (MINE, THEIRS):
                await tx.insert(PROJECTS, Project(id=id, name=id, domain_id="default", parent_id="default"))

    def client(self, project_id: str | None = MINE, *roles: str, **words: Any) -> Client:
        return Client(self.app, self.issue(project_id, *roles, user_id=f"user-{project_id}", **words))

    @property
    def admin(self) -> Client:
        return self.client("0" * 32, "admin")

    @property
    def mine(self) -> Client:
        return self.client(MINE)

    @property
    def theirs(self) -> Client:
        return self.client(THEIRS)


@pytest.fixture
async def here() -> AsyncIterator[Cloud]:
    async with Cloud() as cloud:
        yield cloud
