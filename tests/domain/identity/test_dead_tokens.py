"""A token that another process has revoked a moment ago: nothing is made with it that would outlive it."""

import base64
from typing import Any

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.domain.identity.test_login_races import two

__all__ = ["two"]

USER = "/identity/v3/users/{user}"
SEED = base64.b32encode(b"12345678901234567890").decode()
EC2_BLOB = '{"access": "a", "secret": "s"}'
WRITES: dict[str, tuple[str, str, Any]] = {
    "an application credential": ("POST", f"{USER}/application_credentials", {"application_credential": {"name": "a"}}),
    "an access rule": (
        "POST",
        f"{USER}/application_credentials",
        {
            "application_credential": {
                "name": "a",
                "access_rules": [{"path": "/v2.1/servers", "method": "GET", "service": "compute"}],
            }
        },
    ),
    "a trust": (
        "POST",
        "/identity/v3/OS-TRUST/trusts",
        {
            "trust": {
                "trustor_user_id": "{user}",
                "trustee_user_id": "{admin}",
                "impersonation": True,
                "project_id": "{project}",
                "roles": [{"name": "member"}],
            }
        },
    ),
    "an EC2 key": ("POST", f"{USER}/credentials/OS-EC2", {"tenant_id": "{project}"}),
    "a seed of passcodes": ("POST", "/identity/v3/credentials", {"credential": {"type": "totp", "blob": SEED}}),
    "an EC2 credential": (
        "POST",
        "/identity/v3/credentials",
        {"credential": {"type": "ec2", "blob": EC2_BLOB, "project_id": "{project}"}},
    ),
    "the consent to an OAuth token": (
        "PUT",
        "/identity/v3/OS-OAUTH1/authorize/unknown",
        {"roles": [{"name": "member"}]},
    ),
    "another user": ("POST", "/identity/v3/users", {"user": {"name": "b", "password": "pw"}}),
    "somebody's password": ("PATCH", USER, {"user": {"password": "mine now"}}),
    "a role": ("PUT", "/identity/v3/projects/{project}/users/{user}/roles/{role}", None),
    "an OAuth consumer": ("POST", "/identity/v3/OS-OAUTH1/consumers", {"consumer": {}}),
    "a project": ("POST", "/identity/v3/projects", {"project": {"name": "p"}}),
}


def filled(said: Any, words: dict[str, str]) -> Any:
    if isinstance(said, dict):
        return {name: filled(value, words) for name, value in said.items()}
    if isinstance(said, list):
        return [filled(value, words) for value in said]
    if isinstance(said, str):
        for word, value in words.items():
            said = said.replace(f"{{{word}}}", value)
    return said


@pytest.mark.parametrize("what", WRITES)
async def test_a_token_revoked_elsewhere_a_moment_ago_makes_nothing_lasting(
    two: tuple[Cloud, Cloud], what: str
) -> None:
    here, late = two
    user = await here.make("user", "users", name="ann", password="pw")
    await here.grant(user["id"], "admin", project=here.project_id)
    words = {
        "user": user["id"],
        "admin": here.user_id,
        "project": here.project_id,
        "role": await here.role_id("reader"),
    }
    token = await here.token("ann", "pw", {"project": {"id": here.project_id}})
    answer = await here.call("DELETE", "/identity/v3/auth/tokens", headers={"x-subject-token": token})
    assert answer.status == 204
    assert (await late.get("/identity/v3/auth/projects", token=token)).status == 200, "it has not heard yet"
    method, path, body = WRITES[what]
    answer = await late.call(method, filled(path, words), filled(body, words), token=token)
    assert answer.status == 401, answer.raw
    assert (await late.get("/identity/v3/auth/projects", token=token)).status == 401, "now it has"
    assert (await here.login("ann", "pw")).status == 201


async def test_who_lost_a_role_elsewhere_a_moment_ago_cannot_lend_it(two: tuple[Cloud, Cloud]) -> None:
    here, late = two
    user = await here.make("user", "users", name="ann", password="pw")
    await here.grant(user["id"], "member", project=here.project_id)
    token = await here.token("ann", "pw", {"project": {"id": here.project_id}})
    role = f"/identity/v3/projects/{here.project_id}/users/{user['id']}/roles/{await here.role_id('member')}"
    assert (await here.call("DELETE", role)).status == 204
    method, path, body = WRITES["an application credential"]
    words = {"user": user["id"]}
    answer = await late.call(method, filled(path, words), filled(body, words), token=token)
    assert answer.status == 401, answer.raw
