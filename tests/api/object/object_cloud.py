"""A cloud of objects alone, with its blobs in a directory, and callers of every kind."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from tests.api.one_service import MINE, THEIRS, Answer, OneService, Skewed, ask_in_chunks, store_on

from trivet.api.object.service import SERVICE
from trivet.controllers.objects.upkeep import ObjectUpkeep
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.domain.seeds import start
from trivet.drivers.files import FileBlobs
from trivet.process import offers
from trivet.store import leases
from trivet.store.store import transact
from trivet.store.tx import Tx

ACCOUNT = f"/v1/AUTH_{MINE}"


class Cloud(OneService):
    def __init__(self, directory: Path, database: str = "") -> None:
        self.clock = Skewed()
        self.directory = directory
        super().__init__(SERVICE, store_on(database, self.clock), blobs=FileBlobs(directory))
        self.tokens = {
            "member": self.issue(MINE, "member"),
            "reader": self.issue(MINE, "reader"),
            "stranger": self.issue(THEIRS, "member", user_id="xi"),
            "admin": self.issue("3" * 32, "admin"),
        }
        self.upkeep: ObjectUpkeep

    async def fill(self) -> None:
        async def begin(tx: Tx) -> leases.Lease | None:
            await start(tx, self.parts, "", offers([SERVICE]))
            for id in (MINE, THEIRS):
                await tx.insert(PROJECTS, Project(id=id, name=id, domain_id="default", parent_id="default"))
            return await leases.take(tx, "objects", "me", 60.0)

        lease = await transact(self.store, begin)
        assert lease is not None
        self.upkeep = ObjectUpkeep(self.parts, lease)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes | None] = b"",
        /,
        *,
        who: str = "member",
        **headers: str,
    ) -> Answer:
        """Headers as Python names: x_delete_at. A body of several chunks says no length."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if who in self.tokens:
            said["x-auth-token"] = self.tokens[who]
        said.setdefault("accept", "*/*")
        chunks = [body] if isinstance(body, bytes) else list(body)
        if isinstance(body, bytes):
            said.setdefault("content-length", str(len(body)))
        else:
            said["transfer-encoding"] = "chunked"
        return await ask_in_chunks(self.app, method, f"/object-store{path}", chunks, headers=said)

    async def put(self, path: str, body: bytes = b"", /, **headers: str) -> Answer:
        answer = await self.call("PUT", f"{ACCOUNT}/{path}", body, **headers)
        assert answer.status in (201, 202), (answer.status, answer.raw)
        return answer

    async def get(self, path: str, /, **headers: str) -> Answer:
        return await self.call("GET", f"{ACCOUNT}/{path}", **headers)

    async def names(self, path: str) -> list[str]:
        return (await self.get(path)).raw.decode().split("\n")[:-1]

    def blobs(self) -> list[Path]:
        """The files; what is small lies in the database."""
        return [path for path in self.directory.rglob("*") if path.is_file()]

    async def kept(self) -> int:
        """All blobs, wherever they lie."""
        async with self.store.read() as tx:
            row = await tx.row("SELECT COUNT(*) FROM object_small")
        assert row is not None
        return len(self.blobs()) + int(row[0])

    async def tidy(self) -> None:
        """What is no longer pointed at has been so for a while."""
        self.clock.passed_s += 3600
        while await self.upkeep.clear():
            await asyncio.sleep(0)


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with Cloud(tmp_path, database) as cloud:
        yield cloud
