"""Domains and projects: trees, names, tags, and what is refused."""

import pytest
from tests.api.identity.identity_cloud import Cloud


async def test_a_project_keeps_what_it_was_given_and_fields_nobody_foresaw(identity: Cloud) -> None:
    made = await identity.make("project", "projects", name="p", description="d", tags=["a", "b"], cost_center="7")
    shown = (await identity.get(f"/identity/v3/projects/{made['id']}")).body["project"]
    assert shown == made
    assert shown["cost_center"] == "7"
    assert shown["parent_id"] == shown["domain_id"] == "default"
    assert shown["links"]["self"] == f"http://cloud:8774/identity/v3/projects/{made['id']}"


async def test_two_projects_of_one_domain_never_share_a_name_and_those_of_two_domains_may(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    await identity.make("project", "projects", name="p")
    await identity.make("project", "projects", name="p", domain_id=domain["id"])
    again = await identity.call("POST", "/identity/v3/projects", {"project": {"name": "p"}})
    assert again.status == 409


async def test_a_tree_of_projects_is_told_up_and_down(identity: Cloud) -> None:
    top = await identity.make("project", "projects", name="top")
    middle = await identity.make("project", "projects", name="middle", parent_id=top["id"])
    leaf = await identity.make("project", "projects", name="leaf", parent_id=middle["id"])
    path = f"/identity/v3/projects/{middle['id']}"
    shown = (await identity.get(f"{path}?parents_as_list&subtree_as_list")).body["project"]
    assert [one["project"]["id"] for one in shown["parents"]] == [top["id"]]
    assert [one["project"]["id"] for one in shown["subtree"]] == [leaf["id"]]
    shown = (await identity.get(f"{path}?parents_as_ids&subtree_as_ids")).body["project"]
    assert shown["parents"] == {top["id"]: {"default": None}}
    assert shown["subtree"] == {leaf["id"]: None}
    assert (await identity.get(f"{path}?parents_as_ids&parents_as_list")).status == 400


async def test_a_tree_stays_shallow_and_inside_its_domain(identity: Cloud) -> None:
    parent_id = "default"
    for n in range(5):
        parent_id = (await identity.make("project", "projects", name=f"p{n}", parent_id=parent_id))["id"]
    deeper = await identity.call("POST", "/identity/v3/projects", {"project": {"name": "p6", "parent_id": parent_id}})
    assert deeper.status == 403
    domain = await identity.make("domain", "domains", name="d")
    wanted = {"name": "x", "domain_id": domain["id"], "parent_id": parent_id}
    assert (await identity.call("POST", "/identity/v3/projects", {"project": wanted})).status == 400


async def test_a_project_with_others_below_it_is_neither_deleted_nor_disabled(identity: Cloud) -> None:
    top = await identity.make("project", "projects", name="top")
    await identity.make("project", "projects", name="leaf", parent_id=top["id"])
    path = f"/identity/v3/projects/{top['id']}"
    assert (await identity.call("DELETE", path)).status == 403
    assert (await identity.call("PATCH", path, {"project": {"enabled": False}})).status == 403


@pytest.mark.parametrize("change", [{"domain_id": "other"}, {"parent_id": "other"}, {"is_domain": True}])
async def test_a_project_does_not_move(identity: Cloud, change: dict[str, object]) -> None:
    path = f"/identity/v3/projects/{identity.project_id}"
    assert (await identity.call("PATCH", path, {"project": change})).status == (403 if "parent_id" in change else 400)


async def test_an_immutable_project_stays_until_the_option_is_lifted(identity: Cloud) -> None:
    made = await identity.make("project", "projects", name="p", options={"immutable": True})
    path = f"/identity/v3/projects/{made['id']}"
    assert (await identity.call("PATCH", path, {"project": {"name": "q"}})).status == 403
    assert (await identity.call("DELETE", path)).status == 403
    lifted = await identity.call("PATCH", path, {"project": {"options": {"immutable": False}}})
    assert lifted.status == 200
    assert (await identity.call("DELETE", path)).status == 204


async def test_a_domain_is_a_project_too(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d", description="x")
    as_project = (await identity.get(f"/identity/v3/projects/{domain['id']}")).body["project"]
    assert as_project["is_domain"] is True
    listed = (await identity.get("/identity/v3/projects?is_domain=true")).body["projects"]
    assert {one["name"] for one in listed} == {"Default", "d"}
    assert "d" not in {one["name"] for one in (await identity.get("/identity/v3/projects")).body["projects"]}


async def test_a_domain_is_deleted_with_all_that_is_in_it_once_it_is_disabled(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    top = await identity.make("project", "projects", name="p", domain_id=domain["id"])
    below = await identity.make("project", "projects", name="q", parent_id=top["id"])
    user = await identity.make("user", "users", name="u", domain_id=domain["id"])
    group = await identity.make("group", "groups", name="g", domain_id=domain["id"])
    role = await identity.make("role", "roles", name="r", domain_id=domain["id"])
    path = f"/identity/v3/domains/{domain['id']}"
    assert (await identity.call("DELETE", path)).status == 403
    await identity.call("PATCH", path, {"domain": {"enabled": False}})
    assert (await identity.call("DELETE", path)).status == 204
    for kind, one in (("projects", top), ("projects", below), ("users", user), ("groups", group), ("roles", role)):
        assert (await identity.get(f"/identity/v3/{kind}/{one['id']}")).status == 404


async def test_the_default_domain_is_never_disabled(identity: Cloud) -> None:
    answer = await identity.call("PATCH", "/identity/v3/domains/default", {"domain": {"enabled": False}})
    assert answer.status == 400


async def test_a_domain_may_bring_its_own_id_if_it_is_one(identity: Cloud) -> None:
    id = "2d3f7a5c1b0e4d6f8a9b0c1d2e3f4a5b"
    assert (await identity.make("domain", "domains", name="d", explicit_domain_id=id))["id"] == id
    body = {"domain": {"name": "e", "explicit_domain_id": "nonsense"}}
    assert (await identity.call("POST", "/identity/v3/domains", body)).status == 400


async def test_tags_are_set_added_taken_and_found_by(identity: Cloud) -> None:
    made = await identity.make("project", "projects", name="p", tags=["one"])
    other = await identity.make("project", "projects", name="q", tags=["two", "three"])
    path = f"/identity/v3/projects/{made['id']}/tags"
    assert (await identity.call("PUT", f"{path}/two")).status == 201
    assert (await identity.get(path)).body["tags"] == ["one", "two"]
    assert (await identity.get(f"{path}/two")).status == 204
    assert (await identity.get(f"{path}/nine")).status == 404

    async def found(query: str) -> set[str]:
        listed = (await identity.get(f"/identity/v3/projects?{query}")).body["projects"]
        return {one["id"] for one in listed} & {made["id"], other["id"]}

    assert await found("tags=one,two") == {made["id"]}
    assert await found("tags-any=one,three") == {made["id"], other["id"]}
    assert await found("not-tags=one,two") == {other["id"]}
    assert await found("not-tags-any=one,three") == set()
    assert (await identity.call("PUT", path, {"tags": ["x"]})).body["tags"] == ["x"]
    assert (await identity.call("DELETE", f"{path}/x")).status == 204
    assert (await identity.call("DELETE", f"{path}/x")).status == 404
    assert (await identity.call("DELETE", path)).status == 204


@pytest.mark.parametrize(
    "tags", [["a", "a"], ["a,b"], ["a/b"], [""], ["x" * 256], [7], "x", [str(n) for n in range(81)]]
)
async def test_tags_are_short_and_few_and_each_is_there_once(identity: Cloud, tags: object) -> None:
    path = f"/identity/v3/projects/{identity.project_id}/tags"
    assert (await identity.call("PUT", path, {"tags": tags})).status == 400


async def test_lists_are_filtered_and_paged(identity: Cloud) -> None:
    for n in range(5):
        await identity.make("project", "projects", name=f"page{n}", enabled=n != 3)
    path = "/identity/v3/projects"
    assert len((await identity.get(f"{path}?name__startswith=page")).body["projects"]) == 5
    assert len((await identity.get(f"{path}?name__icontains=PAGE&enabled=false")).body["projects"]) == 1
    first = (await identity.get(f"{path}?name__contains=page&limit=2")).body["projects"]
    rest = (await identity.get(f"{path}?name__contains=page&limit=9&marker={first[-1]['id']}")).body["projects"]
    assert [one["name"] for one in first + rest] == [f"page{n}" for n in range(5)]
    assert (await identity.get(f"{path}?marker=nonsense")).status == 404
    assert (await identity.get(f"{path}?limit=x")).status == 400
    assert (await identity.get(f"{path}?name__sounds_like=x")).status == 400
