"""Who may use placement: the operator, other parts of the cloud by their role, and projects their own sums."""

import pytest
from tests.api.placement.placement_cloud import PROJECT, Placement, allocations

OTHER_PROJECT = "3" * 32


async def test_the_role_service_may_all_that_a_scheduler_does(placement: Placement) -> None:
    consumer, host = placement.new_id(), placement.new_id()
    inventories = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}}
    for method, path, body in (
        ("POST", "/resource_providers", {"name": "h", "uuid": host}),
        ("PUT", f"/resource_providers/{host}/inventories", inventories),
        ("PUT", "/traits/CUSTOM_FAST", None),
        ("GET", "/allocation_candidates?resources=VCPU:1", None),
        ("PUT", f"/allocations/{consumer}", allocations(None, {host: {"VCPU": 1}})),
        ("GET", f"/usages?project_id={PROJECT}", None),
        ("GET", f"/usages?project_id={OTHER_PROJECT}", None),
        ("DELETE", f"/allocations/{consumer}", None),
        ("DELETE", f"/resource_providers/{host}", None),
    ):
        answer = await placement.call(method, path, body, role="service")
        assert answer.status in (200, 201, 204), (method, path, answer.raw)


@pytest.mark.parametrize("role", ["member", "manager", "reader", "stranger"])
async def test_other_roles_may_not(placement: Placement, role: str) -> None:
    for method, path in (("GET", "/resource_providers"), ("GET", "/traits"), ("DELETE", f"/allocations/{PROJECT}")):
        assert (await placement.call(method, path, role=role)).status == 403


@pytest.mark.parametrize(("role", "own", "others"), [("reader", 200, 403), ("stranger", 403, 403), ("admin", 200, 200)])
async def test_a_projects_sums_are_for_its_readers(placement: Placement, role: str, own: int, others: int) -> None:
    assert (await placement.call("GET", f"/usages?project_id={PROJECT}", role=role)).status == own
    assert (await placement.call("GET", f"/usages?project_id={OTHER_PROJECT}", role=role)).status == others


async def test_what_the_root_does_not_do_is_not_allowed(placement: Placement) -> None:
    for method in ("POST", "DELETE", "OPTIONS"):
        refused = await placement.call(method, "/")
        assert (refused.status, refused.headers["allow"]) == (405, "GET")
