"""The key manager alone, over a database, driven as its clients do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.one_service import MINE, THEIRS, Answer, OneService, Skewed, ask, store_on

from trivet.api.key_manager.service import SERVICE
from trivet.domain.identity.catalog.services import SERVICES, Service
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.domain.secrets import Secrets

AES: dict[str, Any] = {"algorithm": "aes", "bit_length": 256, "mode": "cbc"}
TEXT: dict[str, Any] = {"payload": "open sesame", "payload_content_type": "text/plain"}


class KeyCloud(OneService):
    def __init__(self, database: str = "") -> None:
        self.clock = Skewed()
        super().__init__(SERVICE, store_on(database, self.clock))
        self.parts.secrets = Secrets(b"of the cloud")

    async def fill(self) -> None:
        async with self.store.write() as tx:
            await tx.insert(SERVICES, Service(id=tx.ids.hex(), type="key-manager", name="barbican"))
            for id in (MINE, THEIRS):
                await tx.insert_new(PROJECTS, Project(id=id, name=id[:4], domain_id=None, parent_id=None))

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        project: str = MINE,
        user: str = "wei",
        roles: tuple[str, ...] = ("member",),
        version: str = "1.2",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        said = {
            "x-auth-token": self.issue(project, *roles, user_id=user),
            "openstack-api-version": f"key-manager {version}",
            **({"content-type": "application/json"} if body is not None else {}),
            **(headers or {}),
        }
        return await ask(self.app, method, f"/key-manager/v1{path}", body, headers=said, query=query)

    async def secret(self, *, user: str = "wei", project: str = MINE, **words: Any) -> str:
        made = await self.call("POST", "/secrets", words or TEXT, user=user, project=project)
        assert made.status == 201, made.raw
        assert made.headers["location"] == made.body["secret_ref"]
        return id_of(made.body["secret_ref"])

    async def payload(self, id: str, accept: str = "*/*", **how: Any) -> Answer:
        return await self.call("GET", f"/secrets/{id}/payload", headers={"accept": accept}, **how)

    async def container(self, **words: Any) -> str:
        made = await self.call("POST", "/containers", words)
        assert made.status == 201, made.raw
        return id_of(made.body["container_ref"])

    def ref(self, id: str) -> str:
        return f"http://cloud:8774/key-manager/v1/secrets/{id}"


def id_of(ref: str) -> str:
    return ref.rpartition("/")[2]


def told(answer: Answer, status: int) -> str:
    """Why it is refused, in this service's words."""
    assert answer.status == status, (answer.status, answer.raw)
    assert answer.body["code"] == status and answer.body["title"]
    return str(answer.body["description"])


@pytest.fixture
async def keys(database: str) -> AsyncIterator[KeyCloud]:
    async with KeyCloud(database) as cloud:
        yield cloud
