"""The placement API alone, over a database, driven as its clients do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.one_service import Answer, OneService, ask, store_on

from trivet.api.placement.service import SERVICE
from trivet.domain.hosts import hosts

PROJECT, USER = "1" * 32, "2" * 32


class Placement(OneService):
    def __init__(self, database: str = "") -> None:
        super().__init__(SERVICE, store_on(database))

    def new_id(self) -> str:
        return self.parts.ids.uuid()

    async def call(
        self, method: str, path: str, body: Any = None, *, version: str = "1.39", role: str = "admin", **query: Any
    ) -> Answer:
        said = {"x-auth-token": self.issue(PROJECT, role), "openstack-api-version": f"placement {version}"}
        if body is not None:
            said["content-type"] = "application/json"
        return await ask(self.app, method, f"/placement{path}", body, headers=said, query=query)

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

    async def host(self, **facts: Any) -> hosts.Host:
        """One of this cloud's own hosts, as its agent says it is."""
        said: dict[str, Any] = {"kinds": ("vm",), "vcpus": 8, "memory_mib": 1024, "disk_gib": 10, **facts}
        host = hosts.Host(id="h", name="h", **said, hypervisor_type="sim", created_at=0.0, updated_at=0.0)
        async with self.store.write() as tx:
            return await hosts.register(tx, host)

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


@pytest.fixture
async def placement(database: str) -> AsyncIterator[Placement]:
    async with Placement(database) as placement:
        yield placement
