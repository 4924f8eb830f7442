"""Roles: what they imply, who has them where, and the list of it all."""

import pytest
from tests.api.identity.identity_cloud import Cloud


async def _roles(identity: Cloud, name: str, scope: object) -> set[str]:
    answer = await identity.login(name, "pw", scope=scope)
    return {role["name"] for role in answer.body["token"]["roles"]} if answer.status == 201 else set()


async def test_the_roles_everybody_knows_imply_each_other_and_stay(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="pw")
    await identity.grant(user["id"], "manager", project=identity.project_id)
    found = await _roles(identity, "u", {"project": {"id": identity.project_id}})
    assert found == {"manager", "member", "reader"}
    manager, member = await identity.role_id("manager"), await identity.role_id("member")
    assert (await identity.call("DELETE", f"/identity/v3/roles/{manager}/implies/{member}")).status == 403
    assert (await identity.call("DELETE", f"/identity/v3/roles/{member}")).status == 403
    assert (await identity.call("PATCH", f"/identity/v3/roles/{member}", {"role": {"name": "x"}})).status == 403


async def test_what_a_role_implies_comes_with_it_however_far(identity: Cloud) -> None:
    ids = [(await identity.make("role", "roles", name=name))["id"] for name in ("a", "b", "c")]
    for prior, implied in ((0, 1), (1, 2)):
        path = f"/identity/v3/roles/{ids[prior]}/implies/{ids[implied]}"
        assert (await identity.call("PUT", path)).status == 201
        assert (await identity.call("HEAD", path)).status == 204
    assert (await identity.call("PUT", f"/identity/v3/roles/{ids[2]}/implies/{ids[0]}")).status == 400
    user = await identity.make("user", "users", name="u", password="pw")
    await identity.grant(user["id"], "a", project=identity.project_id)
    scope = {"project": {"id": identity.project_id}}
    assert await _roles(identity, "u", scope) == {"a", "b", "c"}
    token = await identity.token("u", "pw", scope)
    assert (await identity.call("DELETE", f"/identity/v3/roles/{ids[1]}/implies/{ids[2]}")).status == 204
    assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    assert await _roles(identity, "u", scope) == {"a", "b"}


async def test_admin_is_implied_by_nothing(identity: Cloud) -> None:
    role = await identity.make("role", "roles", name="a")
    admin = await identity.role_id("admin")
    assert (await identity.call("PUT", f"/identity/v3/roles/{role['id']}/implies/{admin}")).status == 403


async def test_a_role_of_a_domain_stands_in_no_token_but_what_it_implies_does(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    project = await identity.make("project", "projects", name="p", domain_id=domain["id"])
    role = await identity.make("role", "roles", name="own", domain_id=domain["id"])
    reader = await identity.role_id("reader")
    await identity.call("PUT", f"/identity/v3/roles/{role['id']}/implies/{reader}")
    user = await identity.make("user", "users", name="u", password="pw")
    path = f"/users/{user['id']}/roles/{role['id']}"
    assert (await identity.call("PUT", f"/identity/v3/projects/{identity.project_id}{path}")).status == 403
    assert (await identity.call("PUT", f"/identity/v3/projects/{project['id']}{path}")).status == 204
    assert await _roles(identity, "u", {"project": {"id": project["id"]}}) == {"reader"}


async def test_an_inherited_role_counts_below_its_target_and_not_on_it(identity: Cloud) -> None:
    top = await identity.make("project", "projects", name="top")
    below = await identity.make("project", "projects", name="below", parent_id=top["id"])
    user = await identity.make("user", "users", name="u", password="pw")
    member = await identity.role_id("member")
    path = f"projects/{top['id']}/users/{user['id']}/roles/{member}/inherited_to_projects"
    assert (await identity.call("PUT", f"/identity/v3/OS-INHERIT/{path}")).status == 204
    assert (await identity.call("HEAD", f"/identity/v3/OS-INHERIT/{path}")).status == 204
    assert await _roles(identity, "u", {"project": {"id": top["id"]}}) == set()
    assert await _roles(identity, "u", {"project": {"id": below["id"]}}) == {"member", "reader"}
    reachable = (await identity.get(f"/identity/v3/users/{user['id']}/projects")).body["projects"]
    assert [one["id"] for one in reachable] == [below["id"]]
    assert (await identity.call("DELETE", f"/identity/v3/OS-INHERIT/{path}")).status == 204
    assert await _roles(identity, "u", {"project": {"id": below["id"]}}) == set()


async def test_an_inherited_role_of_a_group_on_a_domain_reaches_every_project(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="pw")
    group = await identity.make("group", "groups", name="g")
    await identity.call("PUT", f"/identity/v3/groups/{group['id']}/users/{user['id']}")
    member = await identity.role_id("member")
    path = f"OS-INHERIT/domains/default/groups/{group['id']}/roles"
    assert (await identity.call("PUT", f"/identity/v3/{path}/{member}/inherited_to_projects")).status == 204
    listed = await identity.get(f"/identity/v3/{path}/inherited_to_projects")
    assert [role["name"] for role in listed.body["roles"]] == ["member"]
    assert await _roles(identity, "u", {"project": {"id": identity.project_id}}) == {"member", "reader"}
    found = await identity.get(
        f"/identity/v3/role_assignments?effective&user.id={user['id']}&scope.project.id={identity.project_id}"
    )
    one = next(one for one in found.body["role_assignments"] if one["role"]["id"] == member)
    assert one["scope"]["OS-INHERIT:inherited_to"] == "projects"
    assert group["id"] in one["links"]["membership"]


@pytest.mark.parametrize("target", ["projects", "domains", "system"])
async def test_roles_are_given_checked_listed_and_taken_everywhere_alike(identity: Cloud, target: str) -> None:
    user = await identity.make("user", "users", name="u")
    at = {"projects": f"projects/{identity.project_id}", "domains": "domains/default", "system": "system"}[target]
    path = f"/identity/v3/{at}/users/{user['id']}/roles"
    reader = await identity.role_id("reader")
    assert (await identity.call("HEAD", f"{path}/{reader}")).status == 404
    assert (await identity.call("PUT", f"{path}/{reader}")).status == 204
    assert (await identity.call("HEAD", f"{path}/{reader}")).status == 204
    assert [role["name"] for role in (await identity.get(path)).body["roles"]] == ["reader"]
    assert (await identity.call("DELETE", f"{path}/{reader}")).status == 204
    assert (await identity.call("DELETE", f"{path}/{reader}")).status == 404
    assert (await identity.call("PUT", f"{path}/nonsense")).status == 404
    assert (await identity.call("PUT", f"/identity/v3/{at}/users/nobody/roles/{reader}")).status == 404


async def test_the_list_of_assignments_is_filtered_named_and_effective(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u")
    await identity.grant(user["id"], "member", project=identity.project_id)
    path = f"/identity/v3/role_assignments?user.id={user['id']}"
    given = (await identity.get(f"{path}&include_names")).body["role_assignments"]
    assert len(given) == 1
    assert given[0]["user"] == {"id": user["id"], "name": "u", "domain": {"id": "default", "name": "Default"}}
    assert given[0]["scope"]["project"]["name"] == "admin"
    assert given[0]["role"]["name"] == "member"
    effective = (await identity.get(f"{path}&effective")).body["role_assignments"]
    assert len(effective) == 2
    assert sum("prior_role" in one["links"] for one in effective) == 1
    assert (await identity.get(f"{path}&scope.system=all")).body["role_assignments"] == []
    assert (await identity.get(f"{path}&scope.domain.id=default")).body["role_assignments"] == []
    of_system = (await identity.get("/identity/v3/role_assignments?scope.system=all")).body["role_assignments"]
    assert [one["scope"] for one in of_system] == [{"system": {"all": True}}]


@pytest.mark.parametrize(
    "query",
    [
        "effective&group.id=x",
        "effective&scope.OS-INHERIT:inherited_to=projects&scope.domain.id=x",
        "user.id=x&group.id=y",
        "scope.project.id=x&scope.domain.id=y",
        "include_subtree",
    ],
)
async def test_contradictory_questions_about_assignments_are_refused(identity: Cloud, query: str) -> None:
    assert (await identity.get(f"/identity/v3/role_assignments?{query}")).status == 400


async def test_assignments_are_those_of_the_scope_that_was_asked_for_and_as_many(identity: Cloud) -> None:
    """A domain is also kept as a project: asked for as one it has no assignments of its own."""
    domain = await identity.make("domain", "domains", name="d")
    top = await identity.make("project", "projects", name="top", domain_id=domain["id"])
    low = await identity.make("project", "projects", name="low", domain_id=domain["id"], parent_id=top["id"])
    user = await identity.make("user", "users", name="u", domain_id=domain["id"])
    group = await identity.make("group", "groups", name="g", domain_id=domain["id"])
    assert (await identity.call("PUT", f"/identity/v3/groups/{group['id']}/users/{user['id']}")).status == 204
    ids = {name: await identity.role_id(name) for name in ("reader", "member")}
    for path in (
        f"domains/{domain['id']}/users/{user['id']}/roles/{ids['member']}",
        f"OS-INHERIT/domains/{domain['id']}/groups/{group['id']}/roles/{ids['member']}/inherited_to_projects",
        f"projects/{top['id']}/users/{user['id']}/roles/{ids['reader']}",
    ):
        assert (await identity.call("PUT", f"/identity/v3/{path}")).status == 204

    async def asked(query: str) -> list[tuple[str, ...]]:
        answer = await identity.get(f"/identity/v3/role_assignments?user.id={user['id']}&{query}")
        assert answer.status == 200, answer.raw
        names = {
            domain["id"]: "d",
            top["id"]: "top",
            low["id"]: "low",
            ids["reader"]: "reader",
            ids["member"]: "member",
        }
        found = []
        for one in answer.body["role_assignments"]:
            kind = next(kind for kind in ("project", "domain") if kind in one["scope"])
            by = "group" if "membership" in one["links"] else "user"
            inherited = "inherited" if "OS-INHERIT:inherited_to" in one["scope"] else "given"
            found.append((names[one["scope"][kind]["id"]], names[one["role"]["id"]], by, inherited))
        return sorted(found)

    inherited = [(at, role, "group", "inherited") for at in ("low", "top") for role in ("member", "reader")]
    there = [("d", "member", "user", "given"), ("d", "reader", "user", "given"), ("top", "reader", "user", "given")]
    assert await asked("effective") == sorted(inherited + there)
    assert await asked(f"scope.project.id={low['id']}&effective") == inherited[:2]
    assert await asked(f"scope.project.id={top['id']}&effective") == sorted([*inherited[2:], there[2]])
    assert await asked(f"scope.project.id={top['id']}&effective&include_subtree=1") == sorted([*inherited, there[2]])
    assert await asked(f"scope.domain.id={domain['id']}&effective") == there[:2]
    assert await asked(f"scope.project.id={domain['id']}") == []
    assert await asked("effective&scope.OS-INHERIT:inherited_to=projects") == inherited
    assert await asked("scope.OS-INHERIT:inherited_to=none") == [there[0], there[2]]
    assert await asked(f"role.id={ids['reader']}&effective") == sorted(
        [one for one in inherited + there if one[1] == "reader"]
    )
    few = (await identity.get(f"/identity/v3/role_assignments?user.id={user['id']}&effective&limit=2")).body
    assert (len(few["role_assignments"]), few["truncated"]) == (2, True)


async def test_deleting_a_role_takes_it_from_everybody(identity: Cloud) -> None:
    role = await identity.make("role", "roles", name="r")
    user = await identity.make("user", "users", name="u", password="pw")
    await identity.grant(user["id"], "r", project=identity.project_id)
    token = await identity.token("u", "pw", {"project": {"id": identity.project_id}})
    assert (await identity.call("DELETE", f"/identity/v3/roles/{role['id']}")).status == 204
    assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    assert await _roles(identity, "u", {"project": {"id": identity.project_id}}) == set()
