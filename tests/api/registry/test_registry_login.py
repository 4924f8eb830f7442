"""Logging in: by password, with the domain said or not; and what the registry's tokens are good for."""

import base64
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from tests.api.one_service import MINE, ask
from tests.api.registry.registry_cloud import APP, Cloud, cloud, said

from trivet.domain.identity.people.users import USERS

__all__ = ["cloud"]

PULL, PUSH = f"repository:{APP}:pull", f"repository:{APP}:pull,push"


async def test_who_shows_nothing_is_told_where_to_log_in(cloud: Cloud) -> None:
    answer = await ask(cloud.app, "GET", f"/v2/{APP}/manifests/1", headers={})
    assert said(answer, 401) == "UNAUTHORIZED"
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="http://cloud:8774/v2/token",service="registry",scope="{PULL}"'
    )
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("user", ["mine", "mine@Default", "mine@default", "ada@other"])
async def test_a_member_pushes_and_pulls_with_a_password(cloud: Cloud, user: str) -> None:
    token = await cloud.bearer(user, PUSH)
    assert (await cloud.call("GET", "/v2/", bearer=token)).status == 200
    image = await cloud.push("1", bearer=token)
    assert (await cloud.pull("1", bearer=token)).raw == image.manifest


async def test_a_reader_is_given_less_than_it_asks_for(cloud: Cloud) -> None:
    await cloud.push("1")
    token = await cloud.bearer("looker", PUSH)
    assert (await cloud.pull("1", bearer=token)).status == 200
    assert (await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", bearer=token)).status == 403


async def test_a_token_is_for_what_it_was_asked_for_and_nothing_else(cloud: Cloud) -> None:
    await cloud.push("1")
    await cloud.push("1", "mine/other")
    token = await cloud.bearer("mine", PULL)
    other = await cloud.pull("1", "mine/other", bearer=token)
    assert (said(other, 401), 'error="insufficient_scope"' in other.headers["www-authenticate"]) == (
        "UNAUTHORIZED",
        True,
    )
    assert (await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", bearer=token)).status == 403
    answer = await ask(cloud.app, "GET", "/image/v2/images", headers={"x-auth-token": token})
    assert answer.status == 401
    assert (await cloud.call("GET", "/v2/", bearer=cloud.tokens["member"])).status == 401


async def test_who_has_no_role_in_a_project_is_given_nothing_there(cloud: Cloud) -> None:
    await cloud.push("1")
    token = await cloud.bearer("theirs", PUSH, "repository:theirs/x:pull,push")
    assert (await cloud.pull("1", bearer=token)).status == 401
    assert (await cloud.call("POST", "/v2/theirs/x/blobs/uploads/", bearer=token)).status == 202
    await cloud.patch((await cloud.images())["app:1"]["id"], who="admin", visibility="public")
    token = await cloud.bearer("theirs", PUSH)
    assert (await cloud.pull("1", bearer=token)).status == 200
    assert (await cloud.call("POST", f"/v2/{APP}/blobs/uploads/", bearer=token)).status == 403


async def test_a_form_is_as_good_as_a_header(cloud: Cloud) -> None:
    said_ = {"grant_type": "password", "username": "mine", "password": "secret", "scope": PUSH, "service": "registry"}
    answer = await ask(cloud.app, "POST", "/v2/token", urlencode(said_).encode(), headers={})
    await cloud.push("1", bearer=answer.ok("access_token"))
    said_["grant_type"] = "refresh_token"
    assert (await ask(cloud.app, "POST", "/v2/token", urlencode(said_).encode(), headers={})).status == 400


async def test_a_token_of_the_cloud_is_a_password(cloud: Cloud) -> None:
    async with cloud.store.read() as tx:
        row = await tx.row("SELECT id FROM users WHERE name = 'mine'")
    assert row is not None
    shown = cloud.issue(MINE, "member", user_id=str(row[0]))
    await cloud.push("1", bearer=await cloud.bearer("token", PUSH, password=shown))
    assert (await cloud.log_in("token", "nonsense", PUSH)).status == 401


@pytest.mark.parametrize("user", ["mine", "nobody", "mine@nowhere", "0" * 32, ""])
async def test_wrong_proofs_are_refused_alike(cloud: Cloud, user: str) -> None:
    answer = await cloud.log_in(user, "wrong", PULL)
    assert (said(answer, 401), answer.body["errors"][0]["detail"]["code"]) == ("UNAUTHORIZED", "auth.failed")


async def test_guesses_are_counted_as_everywhere(cloud: Cloud) -> None:
    cloud.parts.settings = replace(cloud.parts.settings, lockout_tries=3)
    for _ in range(cloud.parts.settings.lockout_tries):
        await cloud.log_in("mine", "wrong")
    assert (await cloud.log_in("mine", "secret")).status == 401


async def test_a_token_ends_soon_and_with_what_it_rests_on(cloud: Cloud) -> None:
    await cloud.push("1")
    token = await cloud.bearer("mine", PULL)
    cloud.parts.tokens.revocations.cut("project", MINE, cloud.clock.now())
    assert (await cloud.pull("1", bearer=token)).status == 401
    cloud.clock.passed_s += 1
    token = await cloud.bearer("mine", PULL)
    assert (await cloud.pull("1", bearer=token)).status == 200
    cloud.clock.passed_s += 301
    assert (await cloud.pull("1", bearer=token)).status == 401


@pytest.mark.parametrize("shown", ["Basic", "Basic !", "Bearer x", "Basic " + base64.b64encode(b"\xff").decode()])
async def test_odd_headers_are_nobodys(cloud: Cloud, shown: str) -> None:
    for path in ("/v2/token", "/v2/"):
        assert (await ask(cloud.app, "GET", path, headers={"authorization": shown})).status == 401


async def test_the_catalog_has_what_its_user_sees_in_all_his_projects(cloud: Cloud) -> None:
    await cloud.push("1")
    await cloud.push("1", "mine/other")
    token = await cloud.bearer("mine", "registry:catalog:*")
    first = await cloud.call("GET", "/v2/_catalog", bearer=token, query={"n": 1})
    assert first.body == {"repositories": [f"{MINE}/app"]}
    rest = await cloud.call("GET", "/v2/_catalog", bearer=token, query={"n": 1, "last": f"{MINE}/app"})
    assert rest.body == {"repositories": [f"{MINE}/other"]}
    token = await cloud.bearer("theirs", "registry:catalog:*")
    assert (await cloud.call("GET", "/v2/_catalog", bearer=token)).body == {"repositories": []}
    assert (await cloud.call("GET", "/v2/_catalog", bearer=await cloud.bearer("mine", PULL))).status == 401


async def test_who_needs_a_second_proof_logs_in_by_something_else(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        user = await tx.find(USERS, "name = 'mine'")
        assert user is not None
        rules = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
        await tx.update(USERS, user, options=rules)
    assert (await cloud.log_in("mine", "secret", PULL)).status == 401
