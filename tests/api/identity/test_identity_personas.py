"""Personas: what readers, members and managers of a project, a domain or the system may see and change."""

from dataclasses import dataclass

import pytest
from tests.api.identity.identity_cloud import Cloud


@dataclass
class Place:
    own: dict[str, str]
    other: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture
async def place(identity: Cloud) -> Place:
    """Two domains, each with a user and a project; and one who acts in the first in every persona."""
    found = []
    for name in ("own", "other"):
        domain = await identity.make("domain", "domains", name=name)
        user = await identity.make("user", "users", name="u", domain_id=domain["id"], password="pw")
        project = await identity.make("project", "projects", name="p", domain_id=domain["id"])
        found.append({"domain": domain["id"], "user": user["id"], "project": project["id"]})
    tokens = {}
    for scope in ("project", "domain", "system"):
        for role in ("reader", "member", "manager"):
            name = f"{scope}-{role}"
            who = await identity.make("user", "users", name=name, domain_id=found[0]["domain"], password="pw")
            at = {} if scope == "system" else {scope: found[0][scope]}
            await identity.grant(who["id"], role, project=at.get("project", ""), domain=at.get("domain", ""))
            asked = {"system": {"all": True}} if scope == "system" else {scope: {"id": found[0][scope]}}
            proof = {"methods": ["password"], "password": {"user": {"id": who["id"], "password": "pw"}}}
            answer = await identity.auth(proof, asked)
            assert answer.status == 201, answer.raw
            tokens[name] = answer.headers["x-subject-token"]
    return Place(own=found[0], other=found[1], tokens=tokens)


@pytest.mark.parametrize("persona", ["project-reader", "project-member", "project-manager"])
async def test_in_a_project_one_sees_oneself_ones_project_and_ones_domain(
    identity: Cloud, place: Place, persona: str
) -> None:
    token = place.tokens[persona]
    for path in ("users", "projects", "groups", "domains", "role_assignments", "credentials/x", "services"):
        assert (await identity.get(f"/identity/v3/{path}", token=token)).status == 403, path
    assert (await identity.get(f"/identity/v3/projects/{place.own['project']}", token=token)).status == 200
    assert (await identity.get(f"/identity/v3/domains/{place.own['domain']}", token=token)).status == 200
    for id in (place.own["user"], "nobody"):
        assert (await identity.get(f"/identity/v3/users/{id}", token=token)).status == 403
    for path in (f"projects/{place.other['project']}", f"domains/{place.other['domain']}"):
        assert (await identity.get(f"/identity/v3/{path}", token=token)).status == 403


async def test_a_reader_of_a_domain_sees_what_is_in_it_and_nothing_else(identity: Cloud, place: Place) -> None:
    token = place.tokens["domain-reader"]
    users = (await identity.get("/identity/v3/users", token=token)).body["users"]
    assert {user["domain_id"] for user in users} == {place.own["domain"]}
    projects = (await identity.get("/identity/v3/projects", token=token)).body["projects"]
    assert [project["id"] for project in projects] == [place.own["project"]]
    assert (await identity.get(f"/identity/v3/users/{place.own['user']}", token=token)).status == 200
    for id in (place.other["user"], "nobody"):
        assert (await identity.get(f"/identity/v3/users/{id}", token=token)).status == 403
    path = f"/identity/v3/users/{place.own['user']}"
    assert (await identity.call("PATCH", path, {"user": {"name": "x"}}, token=token)).status == 403
    assert (await identity.call("DELETE", path, token=token)).status == 403


async def test_a_manager_of_a_domain_changes_what_is_in_it_and_nothing_else(identity: Cloud, place: Place) -> None:
    token = place.tokens["domain-manager"]
    for kind in ("user", "group", "project"):
        for domain, status in ((place.own["domain"], 201), (place.other["domain"], 403), (None, 403)):
            fields = {"name": "n"} | ({"domain_id": domain} if domain else {})
            answer = await identity.call("POST", f"/identity/v3/{kind}s", {kind: fields}, token=token)
            assert answer.status == status, (kind, domain)
    for where, status in ((place.own, 200), (place.other, 403)):
        path = f"/identity/v3/users/{where['user']}"
        answer = await identity.call("PATCH", path, {"user": {"description": "x"}}, token=token)
        assert answer.status == status
    for path in ("domains", "services", "regions", "roles"):
        kind = path[:-1]
        answer = await identity.call("POST", f"/identity/v3/{path}", {kind: {"name": "n", "type": "t"}}, token=token)
        assert answer.status == 403, path


async def test_a_manager_of_a_domain_gives_roles_up_to_his_own_inside_it(identity: Cloud, place: Place) -> None:
    token = place.tokens["domain-manager"]

    async def give(role: str, user: str, project: str) -> int:
        path = f"/identity/v3/projects/{project}/users/{user}/roles/{await identity.role_id(role)}"
        return (await identity.call("PUT", path, token=token)).status

    own, other = place.own, place.other
    assert await give("manager", own["user"], own["project"]) == 204
    assert await give("admin", own["user"], own["project"]) == 403
    assert await give("member", other["user"], own["project"]) == 403
    assert await give("member", own["user"], other["project"]) == 403
    path = f"/identity/v3/system/users/{own['user']}/roles/{await identity.role_id('reader')}"
    assert (await identity.call("PUT", path, token=token)).status == 403


@pytest.mark.parametrize("above", ["admin of a project", "admin of the domain", "reader of the system", "by a group"])
async def test_a_manager_of_a_domain_becomes_nobody_who_is_above_him(identity: Cloud, place: Place, above: str) -> None:
    token, own = place.tokens["domain-manager"], place.own
    group = await identity.make("group", "groups", name="g", domain_id=own["domain"])
    api = "/identity/v3"
    membership = f"{api}/groups/{group['id']}/users/{own['user']}"
    if above == "by a group":
        assert (await identity.call("PUT", membership)).status == 204
        path = f"{api}/projects/{identity.project_id}/groups/{group['id']}/roles/{await identity.role_id('admin')}"
        assert (await identity.call("PUT", path)).status == 204
    elif above == "reader of the system":
        await identity.grant(own["user"], "reader", system=True)
    elif above == "admin of a project":
        await identity.grant(own["user"], "admin", project=identity.project_id)
    else:
        await identity.grant(own["user"], "admin", domain=own["domain"])
    one = f"{api}/users/{own['user']}"
    for change in ({"password": "mine"}, {"enabled": False}, {"options": {"multi_factor_auth_enabled": False}}):
        assert (await identity.call("PATCH", one, {"user": change}, token=token)).status == 403, change
    assert (await identity.call("DELETE", one, token=token)).status == 403
    other = await identity.make("user", "users", name="other", domain_id=own["domain"])
    joining = f"{api}/groups/{group['id']}/users/{other['id']}"
    assert (await identity.call("PUT", joining, token=token)).status == (403 if above == "by a group" else 204)
    assert (await identity.get(one, token=token)).status == 200, "he still sees them"


async def test_a_reader_of_the_system_sees_everything_and_changes_nothing(identity: Cloud, place: Place) -> None:
    for persona in ("system-reader", "system-member", "system-manager"):
        token = place.tokens[persona]
        for path in ("users", "projects", "groups", "domains", "role_assignments", "services", "endpoints", "policies"):
            assert (await identity.get(f"/identity/v3/{path}", token=token)).status == 200, path
        assert (await identity.get("/identity/v3/users/nobody", token=token)).status == 404
        path = f"/identity/v3/users/{place.own['user']}"
        assert (await identity.call("DELETE", path, token=token)).status == 403
        body = {"domain": {"name": "x"}}
        assert (await identity.call("POST", "/identity/v3/domains", body, token=token)).status == 403


async def test_an_admin_of_a_domain_is_no_operator_of_the_catalog(identity: Cloud, place: Place) -> None:
    await identity.grant(place.own["user"], "admin", domain=place.own["domain"])
    proof = {"methods": ["password"], "password": {"user": {"id": place.own["user"], "password": "pw"}}}
    answer = await identity.auth(proof, {"domain": {"id": place.own["domain"]}})
    token = answer.headers["x-subject-token"]
    for path in ("services", "endpoints", "policies", "role_inferences", "OS-FEDERATION/mappings"):
        assert (await identity.get(f"/identity/v3/{path}", token=token)).status == 403, path
    body = {"service": {"type": "x"}}
    assert (await identity.call("POST", "/identity/v3/services", body, token=token)).status == 403


async def test_everybody_sees_where_he_could_go(identity: Cloud, place: Place) -> None:
    token = place.tokens["project-reader"]
    projects = (await identity.get("/identity/v3/auth/projects", token=token)).body["projects"]
    assert [project["id"] for project in projects] == [place.own["project"]]
    assert (await identity.get("/identity/v3/auth/domains", token=token)).body["domains"] == []
    assert (await identity.get("/identity/v3/auth/system", token=token)).body["system"] == []
    system = (await identity.get("/identity/v3/auth/system", token=place.tokens["system-reader"])).body["system"]
    assert system == [{"all": True}]
