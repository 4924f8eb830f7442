"""Tokens: who gets one, what it says, and when it dies."""

import asyncio

import pytest
from tests.api.identity.identity_cloud import Cloud, NewCloud
from tests.api.one_service import FastPasswords

from trivet.domain.identity.tokens import revocations
from trivet.settings import Settings


async def _user(identity: Cloud, name: str = "ann", **fields: object) -> dict[str, str]:
    return await identity.make("user", "users", name=name, password="pw", **fields)


async def _status(identity: Cloud, token: str) -> int:
    return (await identity.get("/identity/v3/auth/tokens", headers={"x-subject-token": token})).status


async def test_a_password_gives_a_token_scoped_to_the_project_that_was_asked_for(identity: Cloud) -> None:
    answer = await identity.login("admin", "secret", project=("admin", "default"))
    token = answer.body["token"]
    assert answer.status == 201
    assert token["project"]["name"] == "admin"
    assert token["methods"] == ["password"]
    assert {role["name"] for role in token["roles"]} == {"admin", "manager", "member", "reader"}
    assert {entry["type"] for entry in token["catalog"]} >= {"identity", "compute", "image", "network", "placement"}
    assert answer.headers["vary"] == "X-Auth-Token"


async def test_a_wrong_password_and_a_wrong_name_look_the_same(identity: Cloud) -> None:
    wrong_password = await identity.login("admin", "nonsense")
    wrong_name = await identity.login("nobody", "secret")
    assert wrong_password.status == wrong_name.status == 401
    assert wrong_password.body == wrong_name.body
    assert wrong_password.body["error"]["title"] == "Unauthorized"


async def test_without_a_scope_the_default_project_is_taken_if_there_is_one(identity: Cloud) -> None:
    assert "project" not in (await identity.login("admin", "secret")).body["token"]
    user = await _user(identity, default_project_id=identity.project_id)
    assert "project" not in (await identity.login("ann", "pw")).body["token"]
    await identity.grant(user["id"], "member", project=identity.project_id)
    assert (await identity.login("ann", "pw")).body["token"]["project"]["id"] == identity.project_id
    assert "project" not in (await identity.login("ann", "pw", scope="unscoped")).body["token"]


async def test_a_scope_without_a_role_there_is_refused(identity: Cloud) -> None:
    await _user(identity)
    for scope in ({"project": {"id": identity.project_id}}, {"domain": {"id": "default"}}, {"system": {"all": True}}):
        assert (await identity.login("ann", "pw", scope=scope)).status == 401


async def test_domain_and_system_scopes_name_themselves(identity: Cloud) -> None:
    user = await _user(identity)
    await identity.grant(user["id"], "reader", domain="default")
    of_domain = await identity.login("ann", "pw", scope={"domain": {"name": "Default"}})
    assert of_domain.body["token"]["domain"] == {"id": "default", "name": "Default"}
    of_system = await identity.login("admin", "secret", scope={"system": {"all": True}})
    assert of_system.body["token"]["system"] == {"all": True}


async def test_a_token_made_from_a_token_ends_with_it_and_remembers_it(identity: Cloud) -> None:
    first = await identity.login("admin", "secret")
    proof = {"methods": ["token"], "token": {"id": first.headers["x-subject-token"]}}
    second = await identity.auth(proof, {"project": {"id": identity.project_id}})
    assert second.body["token"]["expires_at"] == first.body["token"]["expires_at"]
    assert second.body["token"]["methods"] == ["password", "token"]
    assert second.body["token"]["audit_ids"][1] == first.body["token"]["audit_ids"][0]


async def test_a_revoked_token_is_dead_at_once_and_others_are_not(identity: Cloud) -> None:
    token = await identity.token("admin", "secret")
    assert await _status(identity, token) == 200
    gone = await identity.call("DELETE", "/identity/v3/auth/tokens", headers={"x-subject-token": token})
    assert gone.status == 204
    assert await _status(identity, token) == 404
    assert (await identity.get("/identity/v3/users", token=token)).status == 401
    assert (await identity.auth({"methods": ["token"], "token": {"id": token}})).status == 404
    assert await _status(identity, identity.admin) == 200


async def test_a_token_can_be_looked_at_with_head_and_without_its_catalog(identity: Cloud) -> None:
    said = {"x-subject-token": identity.admin}
    head = await identity.call("HEAD", "/identity/v3/auth/tokens", headers=said)
    assert (head.status, head.raw) == (200, b"")
    assert "catalog" not in (await identity.get("/identity/v3/auth/tokens?nocatalog", headers=said)).body["token"]
    assert "catalog" in (await identity.get("/identity/v3/auth/tokens", headers=said)).body["token"]


async def test_nobody_looks_at_the_token_of_another_but_the_operator(identity: Cloud) -> None:
    user = await _user(identity)
    await identity.grant(user["id"], "member", project=identity.project_id)
    token = await identity.token("ann", "pw", {"project": {"id": identity.project_id}})
    own = await identity.get("/identity/v3/auth/tokens", token=token, headers={"x-subject-token": token})
    other = await identity.get("/identity/v3/auth/tokens", token=token, headers={"x-subject-token": identity.admin})
    assert (own.status, other.status) == (200, 403)
    assert await _status(identity, token) == 200


async def test_a_token_ends_when_its_time_is_over(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(token_s=60))
    assert await _status(identity, identity.admin) == 200
    identity.clock.added_s += 61
    assert (await identity.get("/identity/v3/users")).status == 401


@pytest.mark.parametrize("what", ["user", "project", "domain"])
async def test_what_a_token_rests_on_kills_it_when_disabled_or_deleted(identity: Cloud, what: str) -> None:
    domain = await identity.make("domain", "domains", name="d")
    project = await identity.make("project", "projects", name="p", domain_id=domain["id"])
    user = await _user(identity, domain_id=domain["id"])
    await identity.grant(user["id"], "member", project=project["id"])
    proof = {"methods": ["password"], "password": {"user": {"id": user["id"], "password": "pw"}}}
    answer = await identity.auth(proof, {"project": {"id": project["id"]}})
    token = answer.headers["x-subject-token"]
    id = {"user": user, "project": project, "domain": domain}[what]["id"]
    changed = await identity.call("PATCH", f"/identity/v3/{what}s/{id}", {what: {"enabled": False}})
    assert changed.status == 200
    assert await _status(identity, token) == 404
    assert (await identity.auth(proof, {"project": {"id": project["id"]}})).status == 401
    assert (await identity.call("DELETE", f"/identity/v3/{what}s/{id}")).status == 204
    assert (await identity.get(f"/identity/v3/{what}s/{id}")).status == 404


async def test_taking_a_role_away_kills_the_tokens_for_that_project_only(identity: Cloud) -> None:
    user = await _user(identity)
    projects = [await identity.make("project", "projects", name=name) for name in ("one", "two")]
    tokens = []
    for project in projects:
        await identity.grant(user["id"], "member", project=project["id"])
        tokens.append(await identity.token("ann", "pw", {"project": {"id": project["id"]}}))
    role = await identity.role_id("member")
    path = f"/identity/v3/projects/{projects[0]['id']}/users/{user['id']}/roles/{role}"
    assert (await identity.call("DELETE", path)).status == 204
    assert await _status(identity, tokens[0]) == 404
    assert await _status(identity, tokens[1]) == 200


async def test_leaving_a_group_kills_the_tokens_that_rested_on_it(identity: Cloud) -> None:
    user = await _user(identity)
    group = await identity.make("group", "groups", name="g")
    member = f"/identity/v3/groups/{group['id']}/users/{user['id']}"
    assert (await identity.call("PUT", member)).status == 204
    role = await identity.role_id("member")
    path = f"/identity/v3/projects/{identity.project_id}/groups/{group['id']}/roles/{role}"
    assert (await identity.call("PUT", path)).status == 204
    token = await identity.token("ann", "pw", {"project": {"id": identity.project_id}})
    assert (await identity.call("DELETE", member)).status == 204
    assert await _status(identity, token) == 404
    assert (await identity.login("ann", "pw", scope={"project": {"id": identity.project_id}})).status == 401


async def test_a_renamed_project_is_renamed_in_what_tokens_say(identity: Cloud) -> None:
    said = {"x-subject-token": identity.admin}
    assert (await identity.get("/identity/v3/auth/tokens", headers=said)).body["token"]["project"]["name"] == "admin"
    await identity.call("PATCH", f"/identity/v3/projects/{identity.project_id}", {"project": {"name": "ops"}})
    assert (await identity.get("/identity/v3/auth/tokens", headers=said)).body["token"]["project"]["name"] == "ops"


class _SlowPasswords(FastPasswords):
    """Compares only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def matches(self, password: str, hashed: str) -> bool:
        self.asked.set()
        await self.go_on.wait()
        return await super().matches(password, hashed)


async def test_a_login_during_which_the_password_changes_gives_a_token_that_is_dead(identity: Cloud) -> None:
    user = await _user(identity)
    quick, slow = identity.parts.passwords, _SlowPasswords()
    identity.parts.passwords = slow
    login = asyncio.create_task(identity.login("ann", "pw"))
    await slow.asked.wait()
    changed = await identity.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"password": "new"}})
    assert changed.status == 200
    slow.go_on.set()
    answer = await login
    identity.parts.passwords = quick
    slow.close()
    assert answer.status == 201
    assert await _status(identity, answer.headers["x-subject-token"]) == 404


async def test_revocations_can_be_listed_by_the_operator(identity: Cloud) -> None:
    token = await identity.token("admin", "secret")
    await identity.call("DELETE", "/identity/v3/auth/tokens", headers={"x-subject-token": token})
    events = (await identity.get("/identity/v3/OS-REVOKE/events")).body["events"]
    assert len(events) == 1
    assert "OS-REVOKE:audit_id" in events[0]


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"identity": {}},
        {"identity": {"methods": []}},
        {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "x"}}}},
        {"identity": {"methods": "password"}},
        {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "x"}}}},
    ],
)
async def test_a_malformed_login_is_the_clients_fault(identity: Cloud, auth: object) -> None:
    answer = await identity.call("POST", "/identity/v3/auth/tokens", {"auth": auth}, token=None)
    assert answer.status == 400
    assert answer.body["error"]["code"] == 400


@pytest.mark.parametrize(
    "scope",
    [
        "nonsense",
        {"system": {"all": False}},
        {"project": {"name": "admin"}},
        {"project": {"id": "x"}, "domain": {"id": "default"}},
        {"project": {}},
        {"domain": {}},
        {},
    ],
)
async def test_a_malformed_scope_is_the_clients_fault(identity: Cloud, scope: object) -> None:
    assert (await identity.login("admin", "secret", scope=scope)).status == 400


async def test_a_method_that_is_not_known_or_not_backed_is_no_proof(identity: Cloud) -> None:
    for methods in (["magic"], ["password"], ["totp"], ["application_credential"]):
        assert (await identity.auth({"methods": methods})).status == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10, "x" * 5000])
async def test_a_forged_token_is_refused(identity: Cloud, token: str) -> None:
    answer = await identity.call("GET", "/identity/v3/users", token=token.encode().decode("latin-1"))
    assert answer.status == 401
    assert "www-authenticate" in answer.headers


async def test_a_token_whose_claims_were_changed_is_refused(identity: Cloud) -> None:
    head, _, signature = identity.admin.split(".")
    other = await identity.token("admin", "secret")
    assert await _status(identity, f"{head}.{other.split('.')[1]}.{signature}") == 404


async def test_tokens_that_are_made_and_revoked_without_end_leave_an_end_of_rows(
    identity: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes on revokes all that he has, which is what he says, and nobody else's."""
    monkeypatch.setattr(revocations, "EACH_MAX", 5)
    await identity.make("user", "users", name="busy", password="secret")
    first = await identity.token("busy", "secret")
    for _ in range(8):
        token = await identity.token("busy", "secret")
        gone = await identity.call(
            "DELETE", "/identity/v3/auth/tokens", token=token, headers={"x-subject-token": token}
        )
        assert gone.status == 204
        assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    async with identity.store.read() as tx:
        rows = await tx.rows("SELECT what FROM revocations")
    assert len(rows) <= 5
    assert [row[0] for row in rows].count("user") == 1
    assert (await identity.get("/identity/v3/auth/projects", token=first)).status == 401
    assert (await identity.get("/identity/v3/auth/projects")).status == 200
    assert (
        await identity.get("/identity/v3/auth/projects", token=await identity.token("busy", "secret"))
    ).status == 200
