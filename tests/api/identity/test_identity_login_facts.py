"""A login by password reads user, project and roles in one statement, a token that is scoped anew one by one.

Both are held to the same answers.
"""

from tests.api.identity.identity_cloud import Cloud

API = "/identity/v3"
GRANTS = (
    ("users", "ann", "projects", "top", "member", False),
    ("users", "ann", "projects", "top", "manager", True),
    ("users", "bob", "domains", "here", "reader", True),
    ("users", "bob", "domains", "here", "admin", False),
    ("groups", "team", "projects", "below", "member", False),
    ("groups", "team", "domains", "other", "reader", True),
    ("users", "cat", "projects", "lowest", "reader", False),
    ("users", "cat", "projects", "lowest", "member", False),
)


async def granted(cloud: Cloud) -> dict[str, str]:
    """Ids by name: projects one below the other, in a domain and in another, and who has what where."""
    ids = {name: (await cloud.make("domain", "domains", name=name))["id"] for name in ("here", "other")}
    above = ids["here"]
    for name in ("top", "below", "lowest"):
        made = await cloud.make("project", "projects", name=name, domain_id=ids["here"], parent_id=above)
        above = ids[name] = made["id"]
    ids["elsewhere"] = (await cloud.make("project", "projects", name="elsewhere", domain_id=ids["other"]))["id"]
    for name in ("ann", "bob", "cat", "dan"):
        ids[name] = (await cloud.make("user", "users", name=name, password="pw", domain_id=ids["here"]))["id"]
    ids["team"] = (await cloud.make("group", "groups", name="team", domain_id=ids["here"]))["id"]
    assert (await cloud.call("PUT", f"{API}/groups/{ids['team']}/users/{ids['dan']}")).status == 204
    for kind, actor, at, target, role, inherited in GRANTS:
        root, tail = (f"{API}/OS-INHERIT", "/inherited_to_projects") if inherited else (API, "")
        path = f"{root}/{at}/{ids[target]}/{kind}/{ids[actor]}/roles/{await cloud.role_id(role)}{tail}"
        assert (await cloud.call("PUT", path)).status == 204
    return ids


async def roles_both_ways(cloud: Cloud, user_id: str, scope: object) -> list[str]:
    user = {"id": user_id, "password": "pw"}
    by_password = await cloud.auth({"methods": ["password"], "password": {"user": user}}, {"project": scope})
    unscoped = await cloud.auth({"methods": ["password"], "password": {"user": user}}, "unscoped")
    token = unscoped.headers["x-subject-token"]
    by_token = await cloud.auth({"methods": ["token"], "token": {"id": token}}, {"project": scope})
    assert by_password.status == by_token.status, (by_password.raw, by_token.raw)
    if by_password.status != 201:
        by_password.refused(401)
        return []
    told = [answer.body["token"] for answer in (by_password, by_token)]
    for part in ("roles", "project", "user", "is_domain"):
        assert told[0][part] == told[1][part]
    return [role["name"] for role in told[0]["roles"]]


async def test_both_ways_find_the_same_roles(identity: Cloud) -> None:
    ids = await granted(identity)
    found = {
        f"{user} {project}": await roles_both_ways(identity, ids[user], {"id": ids[project]})
        for user in ("ann", "bob", "cat", "dan")
        for project in ("here", "top", "below", "lowest", "elsewhere")
    }
    assert {where: roles for where, roles in found.items() if roles} == {
        "ann top": ["member", "reader"],
        "ann below": ["manager", "member", "reader"],
        "ann lowest": ["manager", "member", "reader"],
        "bob top": ["reader"],
        "bob below": ["reader"],
        "bob lowest": ["reader"],
        "cat lowest": ["member", "reader"],
        "dan below": ["member", "reader"],
        "dan elsewhere": ["reader"],
    }


async def test_both_ways_find_a_project_by_name_and_neither_finds_a_closed_one(identity: Cloud) -> None:
    ids = await granted(identity)
    for domain in ({"name": "here"}, {"id": ids["here"]}):
        assert await roles_both_ways(identity, ids["ann"], {"name": "top", "domain": domain}) == ["member", "reader"]
    assert await roles_both_ways(identity, ids["ann"], {"name": "top", "domain": {"name": "other"}}) == []
    assert await roles_both_ways(identity, ids["ann"], {"name": "nothing", "domain": {"name": "here"}}) == []
    closed = {"project": {"enabled": False}}
    assert (await identity.call("PATCH", f"{API}/projects/{ids['lowest']}", closed)).status == 200
    assert await roles_both_ways(identity, ids["cat"], {"id": ids["lowest"]}) == []
    assert (await identity.call("PATCH", f"{API}/domains/{ids['other']}", {"domain": {"enabled": False}})).status == 200
    assert await roles_both_ways(identity, ids["dan"], {"id": ids["elsewhere"]}) == []
    assert await roles_both_ways(identity, ids["dan"], {"name": "elsewhere", "domain": {"name": "other"}}) == []


async def test_a_user_of_a_closed_domain_logs_in_nowhere(identity: Cloud) -> None:
    ids = await granted(identity)
    assert (await identity.call("PATCH", f"{API}/domains/{ids['here']}", {"domain": {"enabled": False}})).status == 200
    for user in ({"id": ids["dan"]}, {"name": "dan", "domain": {"name": "here"}}):
        proof = {"methods": ["password"], "password": {"user": {**user, "password": "pw"}}}
        (await identity.auth(proof, {"project": {"id": ids["elsewhere"]}})).refused(401)
