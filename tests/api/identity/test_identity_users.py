"""Users and groups: their passwords, the rules for those, and who is where."""

import asyncio

import pytest
from tests.api.identity.identity_cloud import Cloud, NewCloud

from trivet.settings import Settings


async def _change(identity: Cloud, user_id: str, old: str, new: str) -> int:
    body = {"user": {"original_password": old, "password": new}}
    return (await identity.call("POST", f"/identity/v3/users/{user_id}/password", body, token=None)).status


async def test_a_user_never_shows_its_password(identity: Cloud) -> None:
    made = await identity.make("user", "users", name="u", password="hush", email="u@x", description="d", shoe="42")
    shown = await identity.get(f"/identity/v3/users/{made['id']}")
    assert shown.body["user"] == made
    assert b"hush" not in shown.raw
    assert "argon2" not in shown.raw.decode()
    assert made["shoe"] == "42"


async def test_a_second_user_of_the_same_name_in_a_domain_is_a_conflict(identity: Cloud) -> None:
    await identity.make("user", "users", name="u")
    assert (await identity.call("POST", "/identity/v3/users", {"user": {"name": "u"}})).status == 409


async def test_changing_a_password_ends_the_tokens_and_the_old_password(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="one")
    token = await identity.token("u", "one")
    assert await _change(identity, user["id"], "wrong", "two") == 401
    assert await _change(identity, user["id"], "one", "two") == 204
    assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    assert (await identity.login("u", "one")).status == 401
    assert (await identity.login("u", "two")).status == 201


async def test_an_administrator_sets_a_password_without_knowing_the_old_one(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="one")
    token = await identity.token("u", "one")
    path = f"/identity/v3/users/{user['id']}"
    assert (await identity.call("PATCH", path, {"user": {"password": "two"}})).status == 200
    assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    assert (await identity.login("u", "two")).status == 201
    assert (await identity.call("PATCH", path, {"user": {"password": None}})).status == 200
    assert (await identity.login("u", "two")).status == 401


async def test_after_too_many_wrong_passwords_a_user_waits(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(lockout_tries=2, lockout_s=600))
    await identity.make("user", "users", name="u", password="pw")
    assert (await identity.login("u", "no")).status == 401
    assert (await identity.login("u", "pw")).status == 201
    for _ in range(2):
        assert (await identity.login("u", "no")).status == 401
    assert (await identity.login("u", "pw")).status == 401
    identity.clock.added_s += 601
    assert (await identity.login("u", "pw")).status == 201


async def test_the_change_of_ones_password_is_no_way_around_the_lockout(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(lockout_tries=2, lockout_s=600))
    id = (await identity.make("user", "users", name="u", password="right"))["id"]
    assert [await _change(identity, id, guess, "new") for guess in ("wrong", "guess", "right")] == [401, 401, 401]
    assert (await identity.login("u", "right")).status == 401, "it is the same lock"
    identity.clock.added_s += 601
    assert await _change(identity, id, "right", "new") == 204
    assert (await identity.login("u", "new")).status == 201


async def test_of_two_changes_of_one_password_one_counts(identity: Cloud) -> None:
    id = (await identity.make("user", "users", name="u", password="old"))["id"]
    statuses = await asyncio.gather(*(_change(identity, id, "old", new) for new in ("one", "two")))
    assert sorted(statuses) == [204, 401]
    assert (await identity.login("u", ("one", "two")[statuses.index(204)])).status == 201


async def test_an_administrator_or_an_option_spares_a_user_the_lockout(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(lockout_tries=1, lockout_s=1000))
    user = await identity.make("user", "users", name="u", password="pw")
    assert (await identity.login("u", "no")).status == 401
    assert (await identity.login("u", "pw")).status == 401
    await identity.call("PATCH", f"/identity/v3/users/{user['id']}", {"user": {"enabled": True}})
    assert (await identity.login("u", "pw")).status == 201
    options = {"ignore_lockout_failure_attempts": True}
    await identity.make("user", "users", name="spared", password="pw", options=options)
    assert (await identity.login("spared", "no")).status == 401
    assert (await identity.login("spared", "pw")).status == 201


async def test_the_last_passwords_do_not_come_back_until_others_came_between(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(password_history=2))
    user = await identity.make("user", "users", name="u", password="one")
    assert await _change(identity, user["id"], "one", "one") == 400
    assert await _change(identity, user["id"], "one", "two") == 204
    assert await _change(identity, user["id"], "two", "one") == 400
    assert await _change(identity, user["id"], "two", "three") == 204
    assert await _change(identity, user["id"], "three", "one") == 204


async def test_a_password_that_a_user_chose_is_kept_for_its_days(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(password_min_days=1))
    user = await identity.make("user", "users", name="u", password="one")
    assert await _change(identity, user["id"], "one", "two") == 204, "that one was an administrator's"
    assert await _change(identity, user["id"], "two", "three") == 400
    assert await _change(identity, user["id"], "wrong", "three") == 401
    path = f"/identity/v3/users/{user['id']}"
    assert (await identity.call("PATCH", path, {"user": {"password": "four"}})).status == 200
    assert await _change(identity, user["id"], "four", "five") == 204
    identity.clock.added_s += 86_401
    assert await _change(identity, user["id"], "five", "six") == 204


async def test_a_password_ends_after_its_days_and_can_still_be_changed(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(password_days=30))
    user = await identity.make("user", "users", name="u", password="one")
    kept = await identity.make("user", "users", name="k", password="one", options={"ignore_password_expiry": True})
    assert user["password_expires_at"] is not None
    assert kept["password_expires_at"] is None
    identity.clock.added_s += 31 * 86_400
    assert (await identity.login("u", "one")).status == 401
    assert (await identity.login("k", "one")).status == 201
    assert await _change(identity, user["id"], "one", "two") == 204
    assert (await identity.login("u", "two")).status == 201


async def test_users_are_found_by_when_their_password_ends(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(password_days=30))
    await identity.make("user", "users", name="u", password="one")
    path = "/identity/v3/users?password_expires_at="
    assert len((await identity.get(f"{path}gt:2020-01-01T00:00:00Z")).body["users"]) == 1
    assert len((await identity.get(f"{path}lt:2020-01-01T00:00:00Z")).body["users"]) == 0
    assert (await identity.get(f"{path}soon:2020-01-01T00:00:00Z")).status == 400
    assert (await identity.get(f"{path}lt:yesterday")).status == 400


async def test_a_password_must_look_as_the_setting_says(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(password_regex="^.{8,}$"))
    user = await identity.make("user", "users", name="u", password="longenough")
    assert await _change(identity, user["id"], "longenough", "short") == 400
    body = {"user": {"name": "v", "password": "short"}}
    assert (await identity.call("POST", "/identity/v3/users", body)).status == 400
    told = await identity.get("/identity/v3/domains/default/config/security_compliance/password_regex")
    assert told.body == {"config": {"password_regex": "^.{8,}$"}}


async def test_a_locked_password_is_the_administrators_to_change(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="one", options={"lock_password": True})
    assert await _change(identity, user["id"], "one", "two") == 400


@pytest.mark.parametrize("options", [{"nonsense": True}, {"lock_password": "yes"}, {"multi_factor_auth_rules": [[]]}])
async def test_options_are_those_that_exist(identity: Cloud, options: dict[str, object]) -> None:
    body = {"user": {"name": "u", "options": options}}
    assert (await identity.call("POST", "/identity/v3/users", body)).status == 400


async def test_groups_have_members_and_members_have_groups(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u")
    group = await identity.make("group", "groups", name="g", description="d")
    path = f"/identity/v3/groups/{group['id']}/users/{user['id']}"
    assert (await identity.get(path)).status == 404
    assert (await identity.call("PUT", path)).status == 204
    assert (await identity.call("PUT", path)).status == 204
    assert (await identity.call("HEAD", path)).status == 204
    of_group = await identity.get(f"/identity/v3/groups/{group['id']}/users")
    assert [one["id"] for one in of_group.body["users"]] == [user["id"]]
    of_user = await identity.get(f"/identity/v3/users/{user['id']}/groups")
    assert [one["id"] for one in of_user.body["groups"]] == [group["id"]]
    assert (await identity.call("DELETE", path)).status == 204
    assert (await identity.call("DELETE", path)).status == 404
    assert (await identity.call("DELETE", f"/identity/v3/groups/{group['id']}")).status == 204
    assert (await identity.get(f"/identity/v3/groups/{group['id']}")).status == 404


async def test_a_deleted_user_leaves_nothing_behind(identity: Cloud) -> None:
    user = await identity.make("user", "users", name="u", password="pw")
    await identity.grant(user["id"], "member", project=identity.project_id)
    await identity.make("credential", "credentials", user_id=user["id"], type="totp", blob="GEZDGNBV")
    token = await identity.token("u", "pw", {"project": {"id": identity.project_id}})
    path = f"/identity/v3/users/{user['id']}"
    made = await identity.call(
        "POST", f"{path}/application_credentials", {"application_credential": {"name": "a"}}, token=token
    )
    assert made.status == 201
    assert (await identity.call("DELETE", path)).status == 204
    assert (await identity.get("/identity/v3/auth/projects", token=token)).status == 401
    assert (await identity.get("/identity/v3/credentials")).body["credentials"] == []
    found = await identity.get(f"/identity/v3/role_assignments?user.id={user['id']}")
    assert found.body["role_assignments"] == []
