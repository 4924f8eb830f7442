"""What stands in a query or a path of placement, in all the ways in which clients write it."""

import pytest
from tests.api.placement.placement_cloud import Placement

AGGREGATE = "aaaaaaaa-0000-4000-8000-000000000001"


def bare(id: str) -> str:
    return id.replace("-", "")


async def listed(placement: Placement, query: str) -> list[str]:
    found = (await placement.call("GET", f"/resource_providers?{query}")).ok()["resource_providers"]
    return [provider["name"] for provider in found]


async def test_an_empty_name_is_no_wish(placement: Placement) -> None:
    await placement.provider("one")
    await placement.provider("two")
    assert await listed(placement, "name=") == ["one", "two"]
    assert await listed(placement, "name=two") == ["two"]


@pytest.mark.parametrize("key", ["uuid", "in_tree"])
async def test_a_list_is_asked_for_an_id_in_either_case_but_whole(placement: Placement, key: str) -> None:
    await placement.provider("other")
    id = await placement.provider("one")
    assert await listed(placement, f"{key}={id.upper()}") == ["one"]
    assert (await placement.call("GET", f"/resource_providers?{key}={bare(id)}")).status == 400


async def test_groups_take_ids_without_dashes(placement: Placement) -> None:
    await placement.provider("other", vcpu=4)
    id = await placement.provider("one", vcpu=4, aggregates=(AGGREGATE,))
    for query in (f"in_tree={bare(id)}", f"in_tree={id.upper()}", f"member_of={bare(AGGREGATE)}"):
        assert await placement.candidates(f"resources=VCPU:1&{query}") == [{id}], query
    assert await listed(placement, f"member_of=in:{AGGREGATE.upper()},{bare(placement.new_id())}") == ["one"]


async def test_each_limit_must_be_one(placement: Placement) -> None:
    path = "/allocation_candidates?resources=VCPU:1&limit=1"
    assert (await placement.call("GET", path)).status == 200
    assert (await placement.call("GET", f"{path}&limit=many")).status == 400


async def test_an_inventory_of_no_class_at_all_is_not_found(placement: Placement) -> None:
    id = await placement.provider("one", vcpu=4)
    body = {"resource_provider_generation": 1, "total": 1}
    stale = body | {"resource_provider_generation": 0}
    for name, said, status in (
        ("CUSTOM_NONE", body, 404),
        ("CUSTOM_NONE", stale, 409),
        ("DISK_GB", body, 400),
        ("VCPU", body, 200),
    ):
        answer = await placement.call("PUT", f"/resource_providers/{id}/inventories/{name}", said)
        assert answer.status == status, name
