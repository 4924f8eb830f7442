"""Whatever placement's clients do at once to the same consumers and providers, nobody waits in a circle (PostgreSQL).

Trees are moved, inventories and classes change, several consumers are written in one request and reshaped.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.placement.placement_cloud import Placement, allocations
from tests.domain.counting import Counting
from tests.domain.placement.test_claims_races import check_provider_sums
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.ids import SystemIds

pytestmark = pytest.mark.postgres

ROUNDS = 400
AT_ONCE = 8
CLASSES = ("DISK_GB", "MEMORY_MB", "VCPU")


@pytest.fixture
async def placement(postgres_cluster: PostgresCluster) -> AsyncIterator[Placement]:
    made = Placement()
    store = Counting(postgres_cluster.new_database(), SystemClock(), SystemIds(), connections=AT_ONCE)
    made.store = made.parts.store = store
    async with made:
        yield made


class Clients:
    """Each call is one client's; what it asks for may be refused, since others are at work."""

    def __init__(self, placement: Placement, chance: random.Random, providers: list[str]) -> None:
        self._placement = placement
        self._chance = chance
        self._providers = providers
        self._consumers = [placement.new_id() for _ in range(6)]
        self._children: list[str] = []
        self.done = 0

    async def act(self) -> None:
        acts = (
            self.put, self.put_several, self.free, self.reshape, self.reshape, self.inventories, self.inventory,
            self.classes, self.describe, self.names, self.move, self.child,
        )  # fmt: skip
        await self._chance.choice(acts)()

    async def _try(self, method: str, path: str, body: Any = None, version: str = "1.39") -> Any:
        answer = await self._placement.call(method, path, body, version=version)
        assert answer.status in (200, 201, 204, 400, 404, 409), answer.raw
        self.done += answer.status < 300
        return answer.body if answer.status < 300 else None

    async def _generation(self, provider_id: str) -> int:
        found = await self._try("GET", f"/resource_providers/{provider_id}")
        return int(found["generation"]) if found else 0

    async def _held(self, consumer_id: str) -> int | None:
        found = await self._try("GET", f"/allocations/{consumer_id}")
        return found.get("consumer_generation") if found else None

    def _somewhere(self) -> dict[str, dict[str, int]]:
        some = self._chance.sample(self._providers, 2)
        return {id: {name: 1 for name in self._chance.sample(CLASSES, 2)} for id in some}

    async def _wishes(self) -> dict[str, Any]:
        some = self._chance.sample(self._consumers, self._chance.randint(1, 3))
        return {id: allocations(await self._held(id), self._somewhere()) for id in some}

    async def put(self) -> None:
        id = self._chance.choice(self._consumers)
        await self._try("PUT", f"/allocations/{id}", allocations(await self._held(id), self._somewhere()))

    async def put_several(self) -> None:
        await self._try("POST", "/allocations", await self._wishes())

    async def free(self) -> None:
        await self._try("DELETE", f"/allocations/{self._chance.choice(self._consumers)}")

    async def reshape(self) -> None:
        wanted = {
            id: {
                "resource_provider_generation": await self._generation(id),
                "inventories": {name: {"total": self._chance.randint(50, 60)} for name in CLASSES},
            }
            for id in self._chance.sample(self._providers, 2)
        }
        await self._try("POST", "/reshaper", {"inventories": wanted, "allocations": await self._wishes()})

    async def inventories(self) -> None:
        id = self._chance.choice(self._providers)
        wanted = {name: {"total": self._chance.randint(50, 60)} for name in CLASSES}
        body = {"resource_provider_generation": await self._generation(id), "inventories": wanted}
        await self._try("PUT", f"/resource_providers/{id}/inventories", body)

    async def inventory(self) -> None:
        id = self._chance.choice(self._providers)
        if self._chance.random() < 0.5:
            await self._try("DELETE", f"/resource_providers/{id}/inventories/CUSTOM_A")
        else:
            body = {"resource_class": "CUSTOM_A", "total": 5}
            await self._try("POST", f"/resource_providers/{id}/inventories", body)

    async def classes(self) -> None:
        """Its name is changed wherever there is some of it, and back."""
        await self._try("PUT", "/resource_classes/CUSTOM_A")
        wishes = {}
        for id in self._chance.sample(self._consumers, 2):
            some = self._chance.sample(self._providers, 2)
            wishes[id] = allocations(await self._held(id), {one: {"CUSTOM_A": 1} for one in some})
        await self._try("POST", "/allocations", wishes)
        old, new = self._chance.choice((("CUSTOM_A", "CUSTOM_B"), ("CUSTOM_B", "CUSTOM_A")))
        await self._try("PUT", f"/resource_classes/{old}", {"name": new}, version="1.6")

    async def describe(self) -> None:
        id = self._chance.choice(self._providers)
        said: dict[str, Any] = {"resource_provider_generation": await self._generation(id)}
        if self._chance.random() < 0.5:
            some = self._chance.sample(("HW_CPU_X86_AVX", "CUSTOM_T", "HW_CPU_X86_VMX", "CUSTOM_U"), 2)
            await self._try("PUT", f"/resource_providers/{id}/traits", said | {"traits": some})
        else:
            some = self._chance.sample([f"{n}" * 8 + "-0000-4000-8000-000000000000" for n in range(4)], 2)
            counted = self._chance.random() < 0.5
            body = said | {"aggregates": some} if counted else some
            path = f"/resource_providers/{id}/aggregates"
            await self._try("PUT", path, body, version="1.39" if counted else "1.18")

    async def names(self) -> None:
        """Of traits and classes come and go, and some are in use."""
        path = self._chance.choice(("/traits/CUSTOM_T", "/traits/CUSTOM_U", "/resource_classes/CUSTOM_B"))
        await self._try(self._chance.choice(("PUT", "DELETE")), path)

    async def move(self) -> None:
        """A tree is hung below another one, or stands alone again."""
        id, other = self._chance.sample(self._providers, 2)
        parent = other if self._chance.random() < 0.5 else None
        await self._try("PUT", f"/resource_providers/{id}", {"name": f"p{id}", "parent_provider_uuid": parent})

    async def child(self) -> None:
        if self._children and self._chance.random() < 0.5:
            await self._try("DELETE", f"/resource_providers/{self._children.pop()}")
            return
        id, parent = self._placement.new_id(), self._chance.choice(self._providers)
        await self._try("POST", "/resource_providers", {"name": id, "uuid": id, "parent_provider_uuid": parent})
        self._children.append(id)


async def test_who_changes_consumers_and_providers_at_once_never_waits_in_a_circle(
    placement: Placement, chance: random.Random
) -> None:
    providers = [await placement.provider(f"p{n}", vcpu=60, memory_mb=60, disk_gb=60) for n in range(5)]
    clients = Clients(placement, chance, providers)
    rounds = iter(range(ROUNDS))

    async def worker() -> None:
        for _ in rounds:
            await clients.act()

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert isinstance(placement.store, Counting)
    assert placement.store.circles == 0
    assert clients.done > ROUNDS / 2, "most of it is not refused"
    await check_provider_sums(placement.store)
