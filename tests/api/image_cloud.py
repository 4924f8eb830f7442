"""A cloud of images alone: in memory, with blobs in a temporary directory, and callers as one likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from trivet.api.image.service import SERVICE
from trivet.api.kit.app import App
from trivet.clock import SystemClock
from trivet.controllers.images import ImageController
from trivet.domain.callers import Caller, expanded
from trivet.domain.passwords import Passwords
from trivet.domain.signing_keys import generate
from trivet.domain.tokens import Tokens
from trivet.drivers.files import FileBlobs
from trivet.drivers.web import Allowed, Web
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

MINE, THEIRS, OPERATORS = "1" * 32, "2" * 32, "3" * 32
PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = "application/octet-stream"


class Skewed(SystemClock):
    added_s = 0.0

    def now(self) -> float:
        return super().now() + self.added_s


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def ok(self) -> Any:
        assert self.status < 300, (self.status, self.raw)
        return json.loads(self.raw) if self.raw else None

    def refused(self, status: int) -> str:
        assert self.status == status, (self.status, self.raw)
        return str(self.body["message"])


class Cloud:
    def __init__(self, directory: Path, database: str) -> None:
        self.clock = Skewed()
        ids = SystemIds()
        self.store: Store = SqliteStore(":memory:", self.clock, ids)
        if database:
            self.store = PostgresStore(database, self.clock, ids)
        self.parts = Parts(
            settings=Settings(),
            clock=self.clock,
            ids=ids,
            store=self.store,
            tokens=Tokens(self.clock),
            passwords=Passwords(),
            blobs=FileBlobs(directory),
        )
        self.parts.tokens.use_keys(generate("k"), [])
        self.app = App(self.parts, [SERVICE])
        self.images = ImageController(self.parts, Web(Allowed("127.0.0.0/8")))
        self.tokens = {
            "member": self.token(MINE, "member"),
            "reader": self.token(MINE, "reader"),
            "stranger": self.token(THEIRS, "member"),
            "admin": self.token(OPERATORS, "admin"),
        }

    def token(self, project_id: str, role: str) -> str:
        now = self.clock.now()
        caller = Caller(
            user_id="u" * 32,
            roles=expanded((role,)),
            project_id=project_id,
            audit_id=self.parts.ids.hex(),
            issued_at=now,
            ends_at=now + 3600,
        )
        return self.parts.tokens.issue(caller)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str = "member",
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self.send(method, path, [raw], who=who, kind=kind, headers=headers, query=query)

    async def send(
        self,
        method: str,
        path: str,
        chunks: Iterable[bytes | None],
        *,
        who: str = "member",
        kind: str = OCTETS,
        headers: dict[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        """A body in chunks; None among them: there the client goes away."""
        said = {"x-auth-token": self.tokens.get(who, who), "content-type": kind, "host": "cloud", **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": f"/image{path}",
            "query_string": urlencode(query or {}, doseq=True, quote_via=quote).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
        }
        left = list(chunks)
        start: dict[str, Any] = {}
        found: list[bytes] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            chunk = left.pop(0) if left else b""
            if chunk is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk, "more_body": bool(left)}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                found.append(message.get("body", b""))

        await self.app(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], told, b"".join(found))

    # -- short words

    async def create(self, who: str = "member", **words: object) -> Any:
        words = {"name": "one", "disk_format": "raw", "container_format": "bare"} | words
        return (await self.call("POST", "/v2/images", words, who=who)).ok()

    async def active(self, data: bytes = b"bytes of an image", who: str = "member", **words: object) -> Any:
        image = await self.create(who, **words)
        (await self.upload(image["id"], data, who=who)).ok()
        return await self.show(image["id"], who=who)

    async def upload(self, id: str, data: bytes, who: str = "member") -> Answer:
        return await self.call("PUT", f"/v2/images/{id}/file", data, who=who, kind=OCTETS)

    async def show(self, id: str, who: str = "member") -> Any:
        return (await self.call("GET", f"/v2/images/{id}", who=who)).ok()

    async def names(self, who: str = "member", **query: object) -> list[str]:
        return await self.names_of(query, who)

    async def names_of(self, query: Mapping[str, object], who: str = "member") -> list[str]:
        found = (await self.call("GET", "/v2/images", who=who, query=query)).ok()
        return [image["name"] for image in found["images"]]

    async def patch(self, id: str, *changes: Mapping[str, object], who: str = "member", kind: str = PATCH) -> Answer:
        return await self.call("PATCH", f"/v2/images/{id}", list(changes), who=who, kind=kind)


@asynccontextmanager
async def cloud_in(directory: Path, database: str = "") -> AsyncIterator[Cloud]:
    """On SQLite in memory, or on the empty PostgreSQL database that is named."""
    cloud = Cloud(directory, database)
    await cloud.store.open()
    await cloud.store.migrate()
    try:
        yield cloud
    finally:
        await cloud.store.close()
        cloud.parts.passwords.close()
