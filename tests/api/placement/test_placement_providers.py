"""Providers, what they have and what they can do: trees, generations, and who may look."""

from typing import Any

from tests.api.placement.placement_cloud import Placement, at


def code(answer: Any) -> str:
    return str(answer.body["errors"][0]["code"])


async def test_a_provider_is_made_shown_renamed_and_deleted(placement: Placement) -> None:
    made = await placement.call("POST", "/resource_providers", {"name": "one"})
    assert made.status == 200
    id = made.body["uuid"]
    assert made.headers["location"] == f"http://cloud:8774/placement/resource_providers/{id}"
    assert made.body["root_provider_uuid"] == id
    assert made.body["generation"] == 0
    assert {link["rel"] for link in made.body["links"]} == {
        "self", "inventories", "usages", "aggregates", "traits", "allocations",
    }  # fmt: skip
    again = await placement.call("POST", "/resource_providers", {"name": "one"})
    assert (again.status, code(again)) == (409, "placement.duplicate_name")
    renamed = await placement.call("PUT", f"/resource_providers/{id}", {"name": "two"})
    assert renamed.ok()["name"] == "two"
    assert (await placement.call("DELETE", f"/resource_providers/{id}")).status == 204
    assert (await placement.call("GET", f"/resource_providers/{id}")).status == 404


async def test_before_1_20_making_a_provider_answers_without_a_body(placement: Placement) -> None:
    made = await placement.call("POST", "/resource_providers", {"name": "one"}, version="1.19")
    assert (made.status, made.raw) == (201, b"")


async def test_trees_grow_move_and_refuse_loops(placement: Placement) -> None:
    root, other = await placement.provider("root"), await placement.provider("other")
    child = await placement.provider("child", parent=root)
    leaf = await placement.provider("leaf", parent=child)

    async def move(id: str, parent: str | None, version: str = "1.39") -> Any:
        body = {"name": id, "parent_provider_uuid": parent}
        return await placement.call("PUT", f"/resource_providers/{id}", body, version=version)

    assert (await move(root, leaf)).status == 400
    assert (await move(child, other, version="1.36")).status == 400
    assert (await move(child, other)).ok()["root_provider_uuid"] == other
    in_tree = (await placement.call("GET", f"/resource_providers?in_tree={leaf}")).ok()["resource_providers"]
    assert {provider["uuid"] for provider in in_tree} == {other, child, leaf}
    refused = await placement.call("DELETE", f"/resource_providers/{child}")
    assert (refused.status, code(refused)) == (409, "placement.resource_provider.cannot_delete_parent")
    assert (await move(child, None)).ok()["root_provider_uuid"] == child


async def test_inventory_is_changed_only_by_who_knows_the_generation(placement: Placement) -> None:
    id = await placement.provider("h", vcpu=4)
    path = f"/resource_providers/{id}/inventories"
    late = await placement.call("PUT", path, {"resource_provider_generation": 0, "inventories": {}})
    assert (late.status, code(late)) == (409, "placement.concurrent_update")
    wanted = {"VCPU": {"total": 8, "allocation_ratio": 1.5, "reserved": 2}}
    changed = await placement.call("PUT", path, {"resource_provider_generation": 1, "inventories": wanted})
    assert changed.ok() == {
        "resource_provider_generation": 2,
        "inventories": {
            "VCPU": {
                "total": 8, "reserved": 2, "min_unit": 1, "max_unit": 0x7FFFFFFF, "step_size": 1,
                "allocation_ratio": 1.5,
            }
        },
    }  # fmt: skip
    assert await placement.candidates("resources=VCPU:9") == [{id}]
    assert await placement.candidates("resources=VCPU:10") == []


async def test_inventory_that_is_held_cannot_go_but_may_shrink(placement: Placement) -> None:
    id = await placement.provider("h", vcpu=4)
    await placement.allocate(placement.new_id(), None, **{at(id): {"VCPU": 3}})
    gone = await placement.call(
        "PUT", f"/resource_providers/{id}/inventories", {"resource_provider_generation": 2, "inventories": {}}
    )
    assert (gone.status, code(gone)) == (409, "placement.inventory.inuse")
    assert (await placement.call("DELETE", f"/resource_providers/{id}/inventories/VCPU")).status == 409
    refused = await placement.call("DELETE", f"/resource_providers/{id}")
    assert (refused.status, code(refused)) == (409, "placement.resource_provider.inuse")
    smaller = {"resource_provider_generation": 2, "total": 2}
    assert (await placement.call("PUT", f"/resource_providers/{id}/inventories/VCPU", smaller)).status == 200
    refused = await placement.allocate(placement.new_id(), None, **{at(id): {"VCPU": 1}})
    assert refused.status == 409


async def test_all_may_be_reserved_since_1_26(placement: Placement) -> None:
    id = await placement.provider("h")
    body = {"resource_class": "VCPU", "total": 4, "reserved": 4}
    path = f"/resource_providers/{id}/inventories"
    assert (await placement.call("POST", path, body, version="1.25")).status == 400
    assert (await placement.call("POST", path, body, version="1.26")).status == 201
    assert (await placement.call("DELETE", path, version="1.4")).status == 405
    assert (await placement.call("DELETE", path, version="1.5")).status == 204


async def test_traits_of_ones_own_begin_with_custom(placement: Placement) -> None:
    assert (await placement.call("PUT", "/traits/SOMETHING")).status == 400
    assert (await placement.call("PUT", "/traits/CUSTOM_GOLD")).status == 201
    assert (await placement.call("PUT", "/traits/CUSTOM_GOLD")).status == 204
    assert (await placement.call("GET", "/traits?name=startswith:CUSTOM_")).ok() == {"traits": ["CUSTOM_GOLD"]}
    await placement.provider("h", traits=("CUSTOM_GOLD",))
    assert (await placement.call("GET", "/traits?associated=true")).ok() == {"traits": ["CUSTOM_GOLD"]}
    assert (await placement.call("DELETE", "/traits/CUSTOM_GOLD")).status == 409
    assert (await placement.call("DELETE", "/traits/HW_CPU_X86_SSE")).status == 400
    assert (await placement.call("GET", "/traits/CUSTOM_NONE")).status == 404
    assert (await placement.call("GET", "/traits", version="1.5")).status == 404


async def test_what_a_host_says_of_itself_stays_whatever_traits_it_is_given(placement: Placement) -> None:
    """Without the trait of its kind no server could be placed there."""
    await placement.host(kinds=("vm", "container"))
    path = "/resource_providers/h/traits"
    own = ["CUSTOM_KIND_CONTAINER", "CUSTOM_KIND_VM"]
    said = (await placement.call("GET", path)).ok()
    told = (await placement.call("PUT", path, said | {"traits": ["HW_CPU_X86_SSE", own[0]]})).ok()
    assert told["traits"] == [*own, "HW_CPU_X86_SSE"]
    await placement.host(kinds=("vm",))
    assert (await placement.call("GET", path)).ok()["traits"] == [own[1], "HW_CPU_X86_SSE"]
    assert (await placement.call("DELETE", path)).status == 204
    assert (await placement.call("GET", path)).ok()["traits"] == [own[1]]


async def test_classes_of_ones_own_begin_with_custom(placement: Placement) -> None:
    assert (await placement.call("PUT", "/resource_classes/CUSTOM_FPGA")).status == 201
    assert (await placement.call("PUT", "/resource_classes/VCPU")).status == 400
    id = await placement.provider("h", custom_fpga=1)
    assert await placement.candidates("resources=CUSTOM_FPGA:1") == [{id}]
    assert (await placement.call("DELETE", "/resource_classes/CUSTOM_FPGA")).status == 409
    names = {kind["name"] for kind in (await placement.call("GET", "/resource_classes")).ok()["resource_classes"]}
    assert {"VCPU", "MEMORY_MB", "CUSTOM_FPGA"} <= names
    renamed = await placement.call("PUT", "/resource_classes/CUSTOM_FPGA", {"name": "CUSTOM_CHIP"}, version="1.6")
    assert renamed.status == 200
    assert await placement.candidates("resources=CUSTOM_CHIP:1") == [{id}]


async def test_only_operators_see_providers_and_a_project_sees_its_own_usage(placement: Placement) -> None:
    for path in ("/resource_providers", "/traits", "/resource_classes", "/allocation_candidates?resources=VCPU:1"):
        assert (await placement.call("GET", path, role="member")).status == 403
    assert (await placement.call("GET", "/usages?project_id=somebody", role="reader")).status == 403


async def test_versions_are_told_and_kept(placement: Placement) -> None:
    (version,) = (await placement.call("GET", "/", version="1.0")).ok()["versions"]
    assert (version["min_version"], version["max_version"]) == ("1.0", "1.39")
    refused = await placement.call("GET", "/resource_providers", version="1.40")
    assert refused.status == 406
    assert refused.body["errors"][0]["max_version"] == "1.39"
    answered = await placement.call("GET", "/resource_providers", version="1.15")
    assert answered.headers["openstack-api-version"] == "placement 1.15"
    assert {"last-modified", "cache-control"} <= set(answered.headers)
    assert "last-modified" not in (await placement.call("GET", "/resource_providers", version="1.14")).headers
