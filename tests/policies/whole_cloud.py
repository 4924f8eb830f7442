"""The whole cloud in this process, on SQLite in a file, with simulated hosts; and callers of every kind for it.

Also what the fuzz tests drive. No HTTP server: the application is called as the server would call it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.api.one_service import Answer, FastPasswords, exchange
from tests.fake_metal import FakeEngine
from trivet.api.kit.routes import Route
from trivet.api.kit.service import Service
from trivet.domain.callers import Caller, expanded
from trivet.domain.identity.people.projects import PROJECTS
from trivet.process import Process, running
from trivet.settings import Settings

PATIENCE_S = 60.0
"""No request may take longer, however odd it is and however busy the machine."""


class WholeCloud:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.admin = ""
        self.project_id = ""

    @property
    def routes(self) -> list[tuple[Service, Route]]:
        return self.process.app.routes

    def token(self, role: str, project_id: str | None, user_id: str, **how: Any) -> str:
        now = self.process.parts.clock.now()
        domain_id = "default" if project_id else None
        caller = Caller(
            user_id=user_id, roles=expanded((role,)), project_id=project_id, project_domain_id=domain_id,
            audit_id=self.process.parts.ids.hex()[:22], issued_at=now, ends_at=now + 3600, **how,
        )  # fmt: skip
        return self.process.parts.tokens.issue(caller)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        query: bytes = b"",
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        said = [
            (b"host", b"cloud:8774"), (b"accept", b"application/json"), (b"openstack-api-version", b"compute 2.79"),
        ]  # fmt: skip
        said += [(b"x-auth-token", token.encode())] if token is not None else []
        async with asyncio.timeout(PATIENCE_S):
            return await exchange(self.process.app, method, path, [raw], headers=said + (headers or []), query=query)

    async def made(self, path: str, body: Any, token: str) -> Any:
        """The one record in the answer to a creation."""
        answer = await self.call("POST", path, body, token=token)
        assert answer.status < 300, (path, answer.status, answer.raw)
        found = answer.body
        return next(iter(found.values())) if len(found) == 1 else found


@asynccontextmanager
async def whole_cloud(folder: Path, **settings: Any) -> AsyncIterator[WholeCloud]:
    how = Settings(data=str(folder), sim=True, sim_hosts=2, admin_password="secret", **settings)
    async with running(how) as process:
        quick = process.parts.passwords = FastPasswords()
        process.parts.metal = FakeEngine()  # whoever is let in hears {} from it
        cloud = WholeCloud(process)
        async with process.parts.store.read() as tx:
            project = await tx.find(PROJECTS, "name = 'admin' AND domain_id = 'default'")
            row = await tx.row("SELECT id FROM users WHERE name = 'admin'")
        assert project is not None and row is not None
        cloud.project_id = project.id
        cloud.admin = cloud.token("admin", project.id, str(row[0]), system=False)
        yield cloud
        quick.close()
