"""Allocations through placement: generations, capacity, and the one pool that our own placing shares."""

import asyncio

import pytest
from tests.api.placement.placement_cloud import PROJECT, USER, Placement, allocations, at

from trivet.domain.placement import choosing
from trivet.domain.placement.choosing import Want
from trivet.domain.placement.claims import Consumer
from trivet.store.store import transact
from trivet.store.tx import Tx


async def test_an_allocation_is_shown_with_its_generations_and_counted_as_used(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=8, memory_mb=1000), placement.new_id()
    assert (await placement.allocate(consumer, None, **{at(host): {"VCPU": 2, "MEMORY_MB": 100}})).status == 204
    shown = (await placement.call("GET", f"/allocations/{consumer}")).ok()
    assert shown == {
        "allocations": {host: {"generation": 2, "resources": {"VCPU": 2, "MEMORY_MB": 100}}},
        "project_id": PROJECT,
        "user_id": USER,
        "consumer_generation": 1,
        "consumer_type": "INSTANCE",
    }
    usages = (await placement.call("GET", f"/resource_providers/{host}/usages")).ok()
    assert usages == {"resource_provider_generation": 2, "usages": {"VCPU": 2, "MEMORY_MB": 100}}
    of_project = (await placement.call("GET", f"/usages?project_id={PROJECT}", role="reader")).ok()
    assert of_project == {"usages": {"INSTANCE": {"consumer_count": 1, "VCPU": 2, "MEMORY_MB": 100}}}


async def test_who_knows_an_old_generation_of_a_consumer_is_refused(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=8), placement.new_id()
    for other in (0, 1, 3):
        assert (await placement.allocate(consumer, other, **{at(host): {"VCPU": 1}})).status == 409
    assert (await placement.allocate(consumer, None, **{at(host): {"VCPU": 1}})).status == 204
    refused = await placement.allocate(consumer, None, **{at(host): {"VCPU": 2}})
    assert refused.status == 409
    assert refused.body["errors"][0]["code"] == "placement.concurrent_update"
    assert (await placement.allocate(consumer, 1, **{at(host): {"VCPU": 2}})).status == 204


async def test_an_empty_allocation_leaves_no_consumer_behind(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=8), placement.new_id()
    assert (await placement.allocate(consumer, None)).status == 204
    assert (await placement.call("DELETE", f"/allocations/{consumer}")).status == 404
    assert (await placement.allocate(consumer, None, **{at(host): {"VCPU": 1}})).status == 204


async def test_of_two_at_once_with_the_same_generation_one_is_refused(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=80), placement.new_id()
    both = await asyncio.gather(*(placement.allocate(consumer, None, **{at(host): {"VCPU": n}}) for n in (3, 4)))
    assert sorted(answer.status for answer in both) == [204, 409]


async def test_no_room_is_a_conflict_and_changes_nothing(placement: Placement) -> None:
    small, large = await placement.provider("small", vcpu=1), await placement.provider("large", vcpu=100)
    wanted = {at(large): {"VCPU": 50}, at(small): {"VCPU": 2}}
    refused = await placement.allocate(placement.new_id(), None, **wanted)
    assert refused.status == 409
    assert "Unable to allocate inventory" in refused.body["errors"][0]["detail"]
    usages = (await placement.call("GET", f"/resource_providers/{large}/usages")).ok()
    assert usages["usages"] == {"VCPU": 0}


@pytest.mark.parametrize(
    ("resources", "status"), [({"NO_SUCH_CLASS": 1}, 400), ({"VGPU": 1}, 409), ({"VCPU": 0}, 400), ({}, 400)]
)
async def test_what_cannot_be_allocated_is_told_apart(
    placement: Placement, resources: dict[str, int], status: int
) -> None:
    host = await placement.provider("h", vcpu=8)
    assert (await placement.allocate(placement.new_id(), None, **{at(host): resources})).status == status


async def test_an_unknown_provider_is_the_clients_mistake(placement: Placement) -> None:
    refused = await placement.allocate(placement.new_id(), None, **{at(placement.new_id()): {"VCPU": 1}})
    assert refused.status == 400


async def test_many_consumers_change_in_one_step_or_not_at_all(placement: Placement) -> None:
    one, two = await placement.provider("one", vcpu=4), await placement.provider("two", vcpu=4)
    a, b, c = (placement.new_id() for _ in range(3))
    for consumer, host in ((a, one), (b, two)):
        assert (await placement.allocate(consumer, None, **{at(host): {"VCPU": 4}})).status == 204
    swap = {a: allocations(1, {two: {"VCPU": 4}}), b: allocations(1, {one: {"VCPU": 4}})}
    too_much = swap | {c: allocations(None, {one: {"VCPU": 1}})}
    assert (await placement.call("POST", "/allocations", too_much)).status == 409
    assert (await placement.call("POST", "/allocations", swap)).status == 204
    assert set((await placement.call("GET", f"/allocations/{a}")).ok()["allocations"]) == {two}
    assert (await placement.call("GET", f"/allocations/{c}")).ok() == {"allocations": {}}


async def test_giving_back_ends_the_consumer(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=8), placement.new_id()
    await placement.allocate(consumer, None, **{at(host): {"VCPU": 8}})
    assert (await placement.call("DELETE", f"/allocations/{consumer}")).status == 204
    assert (await placement.call("DELETE", f"/allocations/{consumer}")).status == 404
    assert (await placement.allocate(consumer, None, **{at(host): {"VCPU": 8}})).status == 204


async def test_placement_and_our_own_placing_share_one_pool(placement: Placement) -> None:
    host = await placement.provider("h", vcpu=10)

    async def place(tx: Tx, n: int) -> str | None:
        return await choosing.place(tx, Consumer(f"ours-{n}", "p", "u"), Want(resources={"VCPU": 1}))

    async def ours(n: int) -> bool:
        return await transact(placement.store, lambda tx: place(tx, n)) is not None

    async def theirs() -> bool:
        return (await placement.allocate(placement.new_id(), None, **{at(host): {"VCPU": 1}})).status == 204

    taken = await asyncio.gather(*(ours(n) if n % 2 else theirs() for n in range(16)))
    assert sum(taken) == 10
    usages = (await placement.call("GET", f"/resource_providers/{host}/usages")).ok()
    assert usages["usages"] == {"VCPU": 10}


async def test_reshaping_moves_inventory_and_allocations_together(placement: Placement) -> None:
    root, consumer = await placement.provider("root", vcpu=8), placement.new_id()
    child = await placement.provider("child", parent=root)
    await placement.allocate(consumer, None, **{at(root): {"VCPU": 8}})
    body = {
        "inventories": {
            root: {"resource_provider_generation": 2, "inventories": {}},
            child: {"resource_provider_generation": 1, "inventories": {"VCPU": {"total": 8}}},
        },
        "allocations": {},
    }
    assert (await placement.call("POST", "/reshaper", body)).body["errors"][0]["code"] == "placement.inventory.inuse"
    body["allocations"] = {consumer: allocations(1, {child: {"VCPU": 8}})}
    assert (await placement.call("POST", "/reshaper", body)).status == 204
    assert (await placement.call("GET", f"/resource_providers/{root}/inventories")).ok()["inventories"] == {}
    usages = (await placement.call("GET", f"/resource_providers/{child}/usages")).ok()
    assert usages["usages"] == {"VCPU": 8}


async def test_old_clients_send_lists_and_no_generations(placement: Placement) -> None:
    host, consumer = await placement.provider("h", vcpu=8), placement.new_id()
    listed = [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]
    path = f"/allocations/{consumer}"
    assert (await placement.call("PUT", path, {"allocations": listed}, version="1.0")).status == 204
    assert (await placement.call("PUT", path, {"allocations": listed}, version="1.8")).status == 400
    with_owner = {"allocations": listed, "project_id": PROJECT, "user_id": USER}
    assert (await placement.call("PUT", path, with_owner, version="1.8")).status == 204
    assert (await placement.call("PUT", path, with_owner, version="1.12")).status == 400
    shown = (await placement.call("GET", path, version="1.11")).ok()
    assert set(shown) == {"allocations"}
