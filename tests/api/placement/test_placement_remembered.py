"""A process remembers providers by their generation: whatever changes one, its summary is as true as a fresh look's."""

import itertools
import random
from typing import Any

import pytest
from tests.api.placement.placement_cloud import Placement, at

from trivet.domain.hosts import hosts
from trivet.domain.placement import claims, provider_summaries
from trivet.domain.placement.claims import Consumer
from trivet.domain.placement.provider_summaries import KnownProviders

SSE = "HW_CPU_X86_SSE"


async def summaries(placement: Placement) -> Any:
    """As the process tells them; they must be what one without any memory tells."""
    asked = "/allocation_candidates?resources=VCPU:1"
    told = (await placement.call("GET", asked)).ok()["provider_summaries"]
    memory, placement.parts.providers = placement.parts.providers, KnownProviders()
    fresh = (await placement.call("GET", asked)).ok()["provider_summaries"]
    placement.parts.providers = memory
    assert told == fresh
    return told


async def generation(placement: Placement, id: str) -> int:
    known: int = (await placement.call("GET", f"/resource_providers/{id}")).ok()["generation"]
    return known


async def test_what_clients_change(placement: Placement) -> None:
    id = await placement.provider("h", vcpu=8, memory_mb=1000)
    seen = [await summaries(placement)]

    async def then(method: str, path: str, body: Any = None, version: str = "1.39") -> None:
        (await placement.call(method, path, body, version=version)).ok()
        seen.append(await summaries(placement))
        assert seen[-1] != seen[-2]

    said: dict[str, Any] = {"resource_provider_generation": await generation(placement, id), "traits": [SSE]}
    await then("PUT", f"/resource_providers/{id}/traits", said)
    consumer_id = placement.new_id()
    (await placement.allocate(consumer_id, None, **{at(id): {"VCPU": 3}})).ok()
    seen.append(await summaries(placement))
    assert seen[-1][id]["resources"]["VCPU"] == {"capacity": 8, "used": 3}
    await then("DELETE", f"/allocations/{consumer_id}")
    assert seen[-1][id]["resources"]["VCPU"] == {"capacity": 8, "used": 0}
    said = {"resource_provider_generation": await generation(placement, id), "total": 16}
    await then("PUT", f"/resource_providers/{id}/inventories/VCPU", said)
    await then("DELETE", f"/resource_providers/{id}/inventories/MEMORY_MB")
    await then("DELETE", f"/resource_providers/{id}/traits")
    (await placement.call("PUT", "/resource_classes/CUSTOM_OLD")).ok()
    said = {"resource_provider_generation": await generation(placement, id), "resource_class": "CUSTOM_OLD", "total": 1}
    await then("POST", f"/resource_providers/{id}/inventories", said)
    await then("PUT", "/resource_classes/CUSTOM_OLD", {"name": "CUSTOM_NEW"}, version="1.6")
    assert "CUSTOM_NEW" in seen[-1][id]["resources"]


async def test_a_provider_made_again_under_its_id_begins_anew(placement: Placement) -> None:
    id = await placement.provider("h", vcpu=8)
    before = await summaries(placement)
    (await placement.call("DELETE", f"/resource_providers/{id}")).ok()
    assert await summaries(placement) == {}
    (await placement.call("POST", "/resource_providers", {"name": "again", "uuid": id})).ok()
    said = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 2}}}
    (await placement.call("PUT", f"/resource_providers/{id}/inventories", said)).ok()
    assert await summaries(placement) != before


async def test_what_hosts_and_their_servers_change(placement: Placement) -> None:
    host = await placement.host()
    seen = [await summaries(placement)]
    await placement.host(vcpus=16)
    seen.append(await summaries(placement))
    host = await placement.host(vcpus=16, kinds=("vm", "container"))
    seen.append(await summaries(placement))
    async with placement.store.write() as tx:
        host = await hosts.switch(tx, host, enabled=False, reason="mending")
    seen.append(await summaries(placement))
    async with placement.store.write() as tx:
        assert await claims.take(tx, Consumer("s", "p", "u"), {"h": {"VCPU": 2}})
    seen.append(await summaries(placement))
    async with placement.store.write() as tx:
        await claims.free(tx, "s")
    seen.append(await summaries(placement))
    assert seen[-1] == seen[-3]
    assert all(one != other for one, other in itertools.pairwise(seen))


async def test_nothing_that_stayed_the_same_is_read_again(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await placement.provider(f"h{n}", vcpu=8) for n in range(3)]
    await summaries(placement)
    read: list[list[str]] = []

    async def of_single(tx: Any, wanted: list[str]) -> list[Any]:
        read.append(wanted)
        return await kept(tx, wanted)

    kept = provider_summaries.of_single
    monkeypatch.setattr(provider_summaries, "of_single", of_single)
    asked = "/allocation_candidates?resources=VCPU:1"
    (await placement.call("GET", asked)).ok()
    assert read == []
    (await placement.allocate(placement.new_id(), None, **{at(ids[1]): {"VCPU": 3}})).ok()
    (await placement.call("GET", asked)).ok()
    assert read == [[ids[1]]]


async def test_what_is_remembered_finds_the_same_as_a_query(placement: Placement, chance: random.Random) -> None:
    """Who asks for few of very many providers is answered by the database, everybody else from memory."""
    kinds = (SSE, "HW_CPU_X86_AVX", "COMPUTE_NODE")
    for n in range(12):
        id = await placement.provider(f"p{n}", traits=tuple(chance.sample(kinds, chance.randint(0, 3))), vcpu=8)
        limits = {
            "min_unit": chance.choice((1, 2)),
            "max_unit": chance.choice((3, 8)),
            "step_size": chance.choice((1, 2)),
        }
        totals = {"VCPU": chance.randint(1, 8), "MEMORY_MB": chance.randint(1, 8)}
        inventories = {name: {"total": total} | limits for name, total in totals.items()}
        said = {"resource_provider_generation": await generation(placement, id), "inventories": inventories}
        (await placement.call("PUT", f"/resource_providers/{id}/inventories", said)).ok()
        await placement.allocate(placement.new_id(), None, **{at(id): {"VCPU": 2}})
    memory, queries = placement.parts.providers, KnownProviders()
    queries.count = 1 << 60
    sizes = set()
    for _ in range(40):
        wanted = chance.choice(
            (f"required={chance.choice(kinds)}", f"required=!{SSE}", f"required=in:{','.join(kinds)}", "")
        )
        asked = f"resources=VCPU:{chance.randint(1, 4)},MEMORY_MB:{chance.randint(1, 4)}&{wanted}"
        found = []
        for placement.parts.providers in (memory, queries):
            found.append(sorted(map(sorted, await placement.candidates(asked))))
        assert found[0] == found[1], asked
        sizes.add(len(found[0]))
    assert len(sizes) > 1, "they find some, and not always as many"


async def test_each_version_hears_its_own_words(placement: Placement, chance: random.Random) -> None:
    await placement.provider("h", vcpu=8, memory_mb=1000, traits=(SSE,))
    versions = [f"1.{n}" for n in (10, 12, 16, 17, 26, 27, 28, 29, 33, 34, 39)]
    path = "/allocation_candidates?resources="
    queries = [(v, path + asked) for v in versions for asked in ("VCPU:1", "MEMORY_MB:1", "VCPU:1,MEMORY_MB:1")]
    chance.shuffle(queries)
    for version, query in queries:
        told = (await placement.call("GET", query, version=version)).ok()
        memory, placement.parts.providers = placement.parts.providers, KnownProviders()
        assert told == (await placement.call("GET", query, version=version)).ok()
        placement.parts.providers = memory


async def test_the_best_come_first_and_no_more_than_were_asked_for(placement: Placement) -> None:
    ids = [await placement.provider(f"p{n}", vcpu=10 * n) for n in range(1, 6)]
    assert await placement.candidates("resources=VCPU:1&limit=2") == [{ids[4]}, {ids[3]}]
    assert [{id} for id in reversed(ids)] == await placement.candidates("resources=VCPU:1")
