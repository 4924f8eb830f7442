"""The placement API alone, over a database, driven as its clients do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from tests.api.server_cloud import Answer, _key, caller_of

from trivet.api.kit.app import App
from trivet.api.placement.service import SERVICE
from trivet.clock import SystemClock
from trivet.domain.passwords import Passwords
from trivet.domain.tokens import Tokens
from trivet.ids import SystemIds
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store

PROJECT, USER = "1" * 32, "2" * 32


class Placement:
    def __init__(self, database: str) -> None:
        clock, ids = SystemClock(), SystemIds()
        self.store: Store = PostgresStore(database, clock, ids) if database else SqliteStore(":memory:", clock, ids)
        self.parts = Parts(
            settings=Settings(),
            clock=clock,
            ids=ids,
            store=self.store,
            tokens=Tokens(clock),
            passwords=Passwords(),
            blobs=None,  # type: ignore[arg-type] # nothing here reads a blob
        )
        self.parts.tokens.use_keys(_key(), [])
        self.app = App(self.parts, [SERVICE])

    def new_id(self) -> str:
        return self.parts.ids.uuid()

    async def call(
        self, method: str, path: str, body: Any = None, *, version: str = "1.39", role: str = "admin", **query: Any
    ) -> Answer:
        raw = json.dumps(body).encode() if body is not None else b""
        path, _, said = path.partition("?")
        headers = [
            (b"host", b"cloud:8774"),
            (b"x-auth-token", self.parts.tokens.issue(caller_of(PROJECT, role)).encode()),
            (b"openstack-api-version", f"placement {version}".encode()),
        ]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        scope = {
            "type": "http",
            "method": method,
            "path": f"/placement{path}",
            "scheme": "http",
            "query_string": (urlencode(query, doseq=True) if query else said).encode(),
            "headers": headers,
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))

    async def provider(
        self, name: str, *, parent: str | None = None, traits: tuple[str, ...] = (), aggregates: tuple[str, ...] = (),
        **totals: int,
    ) -> str:  # fmt: skip
        """With so much of each class (in lower case)."""
        id = self.new_id()
        (
            await self.call("POST", "/resource_providers", {"name": name, "uuid": id, "parent_provider_uuid": parent})
        ).ok()
        inventories = {kind.upper(): {"total": total} for kind, total in totals.items()}
        said: dict[str, Any] = {"resource_provider_generation": 0, "inventories": inventories}
        (await self.call("PUT", f"/resource_providers/{id}/inventories", said)).ok()
        if traits:
            said = {"resource_provider_generation": 1, "traits": list(traits)}
            (await self.call("PUT", f"/resource_providers/{id}/traits", said)).ok()
        if aggregates:
            ids = list(aggregates)
            (await self.call("PUT", f"/resource_providers/{id}/aggregates", ids, version="1.18")).ok()
        return id

    async def allocate(self, consumer_id: str, generation: int | None, **at: dict[str, int]) -> Answer:
        """`at` is provider id (underscores for dashes) -> class -> amount."""
        return await self.call("PUT", f"/allocations/{consumer_id}", allocations(generation, at))

    async def candidates(self, query: str, version: str = "1.39") -> list[set[str]]:
        """The providers of each."""
        found = (await self.call("GET", f"/allocation_candidates?{query}", version=version)).ok()
        return [set(candidate["allocations"]) for candidate in found["allocation_requests"]]


def allocations(generation: int | None, at: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "allocations": {id.replace("_", "-"): {"resources": amounts} for id, amounts in at.items()},
        "project_id": PROJECT,
        "user_id": USER,
        "consumer_generation": generation,
        "consumer_type": "INSTANCE",
    }


def at(provider_id: str) -> str:
    """A provider's id as a keyword."""
    return provider_id.replace("-", "_")


@asynccontextmanager
async def placement_api(database: str = "") -> AsyncIterator[Placement]:
    placement = Placement(database)
    await placement.store.open()
    await placement.store.migrate()
    try:
        yield placement
    finally:
        placement.parts.passwords.close()
        await placement.store.close()
