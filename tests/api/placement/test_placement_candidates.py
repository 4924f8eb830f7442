"""Allocation candidates: who could serve a request, in flat worlds, in trees and with shared providers."""

import pytest
from tests.api.placement.placement_cloud import Placement, at

AGGREGATE, OTHER = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"


def unordered(found: list[set[str]]) -> set[frozenset[str]]:
    assert len(found) == len({frozenset(ids) for ids in found}), "no candidate comes twice"
    return {frozenset(ids) for ids in found}


def each(*groups: object) -> set[frozenset[object]]:
    return {frozenset(group) if isinstance(group, tuple) else frozenset((group,)) for group in groups}


async def test_providers_with_room_for_everything_are_found(placement: Placement) -> None:
    fits = await placement.provider("fits", vcpu=4, memory_mb=1000)
    await placement.provider("no memory", vcpu=4, memory_mb=10)
    await placement.provider("no vcpu", memory_mb=1000)
    full = await placement.provider("full", vcpu=4, memory_mb=1000)
    await placement.allocate(placement.new_id(), None, **{at(full): {"VCPU": 4}})
    assert await placement.candidates("resources=VCPU:1,MEMORY_MB:100") == [{fits}]
    assert await placement.candidates("resources=VCPU:5") == []


async def test_the_reply_says_what_to_send_back_and_what_there_is(placement: Placement) -> None:
    host = await placement.provider("h", vcpu=4, memory_mb=1000, traits=("HW_CPU_X86_SSE",))
    found = (await placement.call("GET", "/allocation_candidates?resources=VCPU:1")).ok()
    assert found == {
        "allocation_requests": [{"allocations": {host: {"resources": {"VCPU": 1}}}, "mappings": {"": [host]}}],
        "provider_summaries": {
            host: {
                "resources": {"VCPU": {"capacity": 4, "used": 0}, "MEMORY_MB": {"capacity": 1000, "used": 0}},
                "traits": ["HW_CPU_X86_SSE"],
                "parent_provider_uuid": None,
                "root_provider_uuid": host,
            }
        },
    }
    old = (await placement.call("GET", "/allocation_candidates?resources=VCPU:1", version="1.10")).ok()
    assert old == {
        "allocation_requests": [{"allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 1}}]}],
        "provider_summaries": {host: {"resources": {"VCPU": {"capacity": 4, "used": 0}}}},
    }


async def test_a_limit_cuts_the_list(placement: Placement) -> None:
    for n in range(5):
        await placement.provider(f"h{n}", vcpu=4)
    assert len(await placement.candidates("resources=VCPU:1&limit=3")) == 3
    assert len(await placement.candidates("resources=VCPU:1")) == 5


async def test_traits_and_aggregates_narrow_the_choice(placement: Placement) -> None:
    plain = await placement.provider("plain", vcpu=1)
    ssd = await placement.provider("ssd", vcpu=1, traits=("STORAGE_DISK_SSD",), aggregates=(AGGREGATE,))
    hdd = await placement.provider("hdd", vcpu=1, traits=("STORAGE_DISK_HDD",), aggregates=(OTHER,))
    for query, expected in (
        ("required=STORAGE_DISK_SSD", {ssd}),
        ("required=!STORAGE_DISK_SSD", {plain, hdd}),
        ("required=in:STORAGE_DISK_SSD,STORAGE_DISK_HDD", {ssd, hdd}),
        ("required=in:STORAGE_DISK_SSD,STORAGE_DISK_HDD&required=!STORAGE_DISK_HDD", {ssd}),
        (f"member_of={AGGREGATE}", {ssd}),
        (f"member_of=!{AGGREGATE}", {plain, hdd}),
        (f"member_of=in:{AGGREGATE},{OTHER}", {ssd, hdd}),
        (f"in_tree={hdd}", {hdd}),
        ("root_required=STORAGE_DISK_SSD", {ssd}),
        ("root_required=!STORAGE_DISK_SSD", {plain, hdd}),
    ):
        found = await placement.candidates(f"resources=VCPU:1&{query}")
        assert unordered(found) == each(*expected), query


async def tree(placement: Placement) -> dict[str, str]:
    """A machine with processors, and two cards below it."""
    root = await placement.provider("root", vcpu=8, memory_mb=1000)
    one = await placement.provider("nic1", parent=root, sriov_net_vf=4, traits=("HW_NIC_OFFLOAD_GRO",))
    two = await placement.provider("nic2", parent=root, sriov_net_vf=4)
    return {"root": root, "one": one, "two": two}


async def test_a_tree_serves_a_request_together(placement: Placement) -> None:
    ids = await tree(placement)
    root, one, two = ids["root"], ids["one"], ids["two"]
    assert unordered(await placement.candidates("resources=VCPU:1,SRIOV_NET_VF:2")) == each((root, one), (root, two))
    query = "resources=VCPU:1,SRIOV_NET_VF:2&required=HW_NIC_OFFLOAD_GRO"
    assert unordered(await placement.candidates(query)) == each((root, one))
    assert await placement.candidates("resources=VCPU:1,SRIOV_NET_VF:2", version="1.28") == []


async def test_groups_take_one_provider_each_and_may_be_kept_apart(placement: Placement) -> None:
    ids = await tree(placement)
    root, one, two = ids["root"], ids["one"], ids["two"]
    query = "resources=VCPU:1&resources_A=SRIOV_NET_VF:2&resources_B=SRIOV_NET_VF:2&group_policy="
    apart = await placement.candidates(query + "isolate")
    assert apart == [{root, one, two}] * 2, "each of the groups on either card"
    together = await placement.candidates(query + "none")
    assert {frozenset(ids) for ids in together} == each((root, one), (root, two), (root, one, two))
    assert (await placement.call("GET", f"/allocation_candidates?{query.rpartition('&')[0]}")).status == 400


async def test_what_groups_ask_together_must_fit(placement: Placement) -> None:
    await tree(placement)
    query = "resources_A=SRIOV_NET_VF:3&resources_B=SRIOV_NET_VF:3&group_policy=none"
    assert all(len(ids) == 2 for ids in await placement.candidates(query)), "3 + 3 does not fit on one card"


async def test_groups_may_be_kept_in_one_branch(placement: Placement) -> None:
    root = await placement.provider("root", vcpu=1)
    for n in range(2):
        node = await placement.provider(f"numa{n}", parent=root, numa_core=4, traits=("HW_NUMA_ROOT",))
        await placement.provider(f"nic{n}", parent=node, sriov_net_vf=4)
    query = "resources_A=NUMA_CORE:1&resources_B=SRIOV_NET_VF:1&group_policy=none"
    assert len(await placement.candidates(query)) == 4
    assert len(await placement.candidates(query + "&same_subtree=_A,_B")) == 2
    bare = "resources_B=SRIOV_NET_VF:1&required_A=HW_NUMA_ROOT&group_policy=none&same_subtree=_A,_B"
    assert len(await placement.candidates(bare)) == 2


async def test_a_shared_provider_serves_the_trees_of_its_aggregate(placement: Placement) -> None:
    near = await placement.provider("near", vcpu=4, aggregates=(AGGREGATE,))
    await placement.provider("far", vcpu=4)
    storage = await placement.provider(
        "storage", disk_gb=100, traits=("MISC_SHARES_VIA_AGGREGATE",), aggregates=(AGGREGATE,)
    )
    assert unordered(await placement.candidates("resources=VCPU:1,DISK_GB:10")) == each((near, storage))
    assert await placement.candidates(f"resources=VCPU:1,DISK_GB:10&in_tree={near}") == []


@pytest.mark.parametrize(
    "query",
    [
        "", "resources=", "resources=VCPU", "resources=VCPU:0", "resources=VCPU:x", "resources=NOPE:1", "limit=3",
        "resources=VCPU:1&limit=0", "resources=VCPU:1&required=", "resources=VCPU:1&required=NOPE",
        "resources=VCPU:1&required=HW_CPU_X86_SSE,!HW_CPU_X86_SSE", "resources=VCPU:1&member_of=nope",
        "resources=VCPU:1&in_tree=nope", "resources=VCPU:1&surprise=1", "required1=HW_CPU_X86_SSE&resources=VCPU:1",
        "resources=VCPU:1&root_required=HW_CPU_X86_SSE&root_required=HW_CPU_X86_AVX",
        "resources=VCPU:1&same_subtree=_X", "resources=VCPU:1&group_policy=maybe", f"resources=VCPU:{10**40}",
    ],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_refused(placement: Placement, query: str) -> None:
    refused = await placement.call("GET", f"/allocation_candidates?{query}")
    assert refused.status == 400
    assert set(refused.body["errors"][0]) == {"status", "title", "detail", "code", "request_id"}
