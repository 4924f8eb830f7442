"""Delegation: application credentials, access rules, trusts, EC2 keys, TOTP and OAuth."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer

from trivet.domain.identity.delegation import access_rules
from trivet.domain.identity.login import totp


async def _member(identity: Cloud, name: str = "u", role: str = "member") -> tuple[str, str]:
    """(id, token in the project admin)"""
    user = await identity.make("user", "users", name=name, password="pw")
    await identity.grant(user["id"], role, project=identity.project_id)
    return user["id"], await identity.token(name, "pw", {"project": {"id": identity.project_id}})


# -- application credentials


async def _app_credential(identity: Cloud, user_id: str, token: str, **fields: Any) -> Answer:
    body = {"application_credential": {"name": "app", **fields}}
    path = f"/identity/v3/users/{user_id}/application_credentials"
    return await identity.call("POST", path, body, token=token)


async def _app_login(identity: Cloud, made: dict[str, Any], scope: Any = None) -> Answer:
    proof = {"id": made["id"], "secret": made["secret"]}
    return await identity.auth({"methods": ["application_credential"], "application_credential": proof}, scope)


async def test_a_program_logs_in_with_its_secret_and_has_no_more_than_it_was_given(identity: Cloud) -> None:
    user_id, token = await _member(identity, role="manager")
    answer = await _app_credential(identity, user_id, token, roles=[{"name": "reader"}])
    made = answer.body["application_credential"]
    assert answer.status == 201
    logged_in = (await _app_login(identity, made)).body["token"]
    assert [role["name"] for role in logged_in["roles"]] == ["reader"]
    assert logged_in["project"]["id"] == identity.project_id
    assert logged_in["application_credential"] == {"id": made["id"], "name": "app", "restricted": True}
    shown = await identity.get(f"/identity/v3/users/{user_id}/application_credentials/{made['id']}", token=token)
    assert "secret" not in shown.body["application_credential"]
    assert made["secret"].encode() not in shown.raw


async def test_a_program_may_be_named_by_its_name_and_its_user(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    made = await _app_credential(identity, user_id, token, secret="of my own")
    assert made.body["application_credential"]["secret"] == "of my own"
    for user in ({"id": user_id}, {"name": "u", "domain": {"id": "default"}}):
        proof = {"name": "app", "secret": "of my own", "user": user}
        answer = await identity.auth({"methods": ["application_credential"], "application_credential": proof})
        assert answer.status == 201
    proof = {"name": "app", "secret": "guessed", "user": {"id": user_id}}
    answer = await identity.auth({"methods": ["application_credential"], "application_credential": proof})
    assert answer.status == 401


async def test_an_application_credential_dies_with_the_role_it_rests_on(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    made = (await _app_credential(identity, user_id, token)).body["application_credential"]
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    member = await identity.role_id("member")
    path = f"/identity/v3/projects/{identity.project_id}/users/{user_id}/roles/{member}"
    assert (await identity.call("DELETE", path)).status == 204
    assert (await identity.get("/identity/v3/auth/projects", token=program)).status == 401
    assert (await _app_login(identity, made)).status == 401


async def test_a_deleted_or_ended_application_credential_lets_nobody_in(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    path = f"/identity/v3/users/{user_id}/application_credentials"
    made = (await _app_credential(identity, user_id, token)).body["application_credential"]
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    assert (await identity.call("DELETE", f"{path}/{made['id']}", token=token)).status == 204
    assert (await identity.get("/identity/v3/auth/projects", token=program)).status == 401
    assert (await _app_login(identity, made)).status == 401
    assert (await _app_credential(identity, user_id, token, expires_at="2001-01-01T00:00:00")).status == 400
    ending = await _app_credential(identity, user_id, token, expires_at="2199-01-01T00:00:00.000000")
    identity.clock.added_s += 200 * 366 * 86_400
    assert (await _app_login(identity, ending.body["application_credential"])).status == 401


async def test_a_program_makes_no_other_ways_in_unless_it_is_unrestricted(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    made = (await _app_credential(identity, user_id, token)).body["application_credential"]
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    assert (await _app_credential(identity, user_id, program, name="second")).status == 403
    free = await _app_credential(identity, user_id, token, name="free", unrestricted=True)
    program = (await _app_login(identity, free.body["application_credential"])).headers["x-subject-token"]
    assert (await _app_credential(identity, user_id, program, name="third")).status == 201


async def test_a_program_keeps_its_scope(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    made = (await _app_credential(identity, user_id, token)).body["application_credential"]
    assert (await _app_login(identity, made, {"project": {"id": identity.project_id}})).status == 401
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    proof = {"methods": ["token"], "token": {"id": program}}
    assert (await identity.auth(proof, {"project": {"id": identity.project_id}})).status == 403


async def test_nobody_makes_an_application_credential_for_another_or_with_roles_he_lacks(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    assert (await _app_credential(identity, identity.user_id, token)).status == 403
    assert (await _app_credential(identity, user_id, token, roles=[{"name": "admin"}])).status == 400
    assert (await _app_credential(identity, user_id, token, roles=[{"name": "nonsense"}])).status == 404
    assert (await _app_credential(identity, user_id, token)).status == 201
    assert (await _app_credential(identity, user_id, token)).status == 409
    unscoped = await identity.token("u", "pw")
    assert (await _app_credential(identity, user_id, unscoped, name="x")).status == 403


async def test_access_rules_travel_in_the_token_and_are_kept_once(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers/*"}]
    made = (await _app_credential(identity, user_id, token, access_rules=rules)).body["application_credential"]
    await _app_credential(identity, user_id, token, name="again", access_rules=rules)
    listed = (await identity.get(f"/identity/v3/users/{user_id}/access_rules", token=token)).body["access_rules"]
    assert len(listed) == 1
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    caller = identity.parts.tokens.caller(program)
    assert access_rules.allowed(caller, ("compute",), "GET", "/v2.1/servers/x")
    assert not access_rules.allowed(caller, ("compute",), "DELETE", "/v2.1/servers/x")
    assert not access_rules.allowed(caller, ("image",), "GET", "/v2.1/servers/x")
    one = f"/identity/v3/users/{user_id}/access_rules/{listed[0]['id']}"
    assert (await identity.get(one, token=token)).status == 200
    assert (await identity.call("DELETE", one, token=token)).status == 403


async def test_no_access_rules_are_no_limits(identity: Cloud) -> None:
    """The stock client sends an empty list where nobody asked for rules."""
    user_id, token = await _member(identity)
    made = (await _app_credential(identity, user_id, token, access_rules=[])).body["application_credential"]
    program = (await _app_login(identity, made)).headers["x-subject-token"]
    assert (await identity.get(f"/identity/v3/users/{user_id}", token=program)).status == 200


@pytest.mark.parametrize(
    "rule", [{}, {"service": "x", "method": "GET"}, {"service": "x", "method": "FETCH", "path": "/"}, {"id": "absent"}]
)
async def test_an_access_rule_is_whole_or_known(identity: Cloud, rule: dict[str, str]) -> None:
    user_id, token = await _member(identity)
    assert (await _app_credential(identity, user_id, token, access_rules=[rule])).status == 400


# -- trusts


async def _trust(identity: Cloud, trustor: tuple[str, str], trustee_id: str, **fields: Any) -> Answer:
    body = {
        "trustor_user_id": trustor[0],
        "trustee_user_id": trustee_id,
        "project_id": identity.project_id,
        "impersonation": False,
        "roles": [{"name": "member"}],
        **fields,
    }
    return await identity.call("POST", "/identity/v3/OS-TRUST/trusts", {"trust": body}, token=trustor[1])


async def _trusted(identity: Cloud, name: str, trust_id: str) -> Answer:
    return await identity.login(name, "pw", scope={"OS-TRUST:trust": {"id": trust_id}})


async def test_a_trustee_acts_in_the_project_as_itself_or_as_the_trustor(identity: Cloud) -> None:
    trustor = await _member(identity, "or")
    trustee = await identity.make("user", "users", name="ee", password="pw")
    for impersonation, acts_as in ((False, trustee["id"]), (True, trustor[0])):
        made = await _trust(identity, trustor, trustee["id"], impersonation=impersonation)
        token = (await _trusted(identity, "ee", made.body["trust"]["id"])).body["token"]
        assert token["user"]["id"] == acts_as
        assert token["project"]["id"] == identity.project_id
        assert {role["name"] for role in token["roles"]} == {"member", "reader"}
        assert token["OS-TRUST:trust"]["trustor_user"] == {"id": trustor[0]}


async def test_a_trust_is_used_only_by_its_trustee_and_only_as_often_as_it_says(identity: Cloud) -> None:
    trustor = await _member(identity, "or")
    trustee = await identity.make("user", "users", name="ee", password="pw")
    await identity.make("user", "users", name="third", password="pw")
    trust_id = (await _trust(identity, trustor, trustee["id"], remaining_uses=1)).body["trust"]["id"]
    assert (await _trusted(identity, "third", trust_id)).status == 403
    assert (await _trusted(identity, "ee", trust_id)).status == 201
    assert (await _trusted(identity, "ee", trust_id)).status == 403


async def test_a_deleted_trust_kills_its_tokens_and_those_of_trusts_made_from_it(identity: Cloud) -> None:
    trustor = await _member(identity, "or")
    trustee = await identity.make("user", "users", name="ee", password="pw")
    await identity.make("user", "users", name="third", password="pw")
    third = (await identity.get("/identity/v3/users?name=third")).body["users"][0]["id"]
    made = await _trust(identity, trustor, trustee["id"], impersonation=True, allow_redelegation=True)
    trust_id = made.body["trust"]["id"]
    token = (await _trusted(identity, "ee", trust_id)).headers["x-subject-token"]
    onwards = await _trust(identity, (trustor[0], token), third, impersonation=True)
    assert onwards.status == 201
    assert onwards.body["trust"]["redelegated_trust_id"] == trust_id
    far = (await _trusted(identity, "third", onwards.body["trust"]["id"])).headers["x-subject-token"]
    assert (await identity.call("DELETE", f"/identity/v3/OS-TRUST/trusts/{trust_id}", token=trustor[1])).status == 204
    for dead in (token, far):
        assert (await identity.get("/identity/v3/auth/projects", token=dead)).status == 401
    assert (await _trusted(identity, "third", onwards.body["trust"]["id"])).status == 404


async def test_a_trust_gives_nothing_its_trustor_does_not_have(identity: Cloud) -> None:
    trustor = await _member(identity, "or")
    trustee = await identity.make("user", "users", name="ee", password="pw")
    assert (await _trust(identity, trustor, trustee["id"], roles=[{"name": "admin"}])).status == 404
    assert (await _trust(identity, trustor, trustee["id"], roles=[])).status == 403
    assert (await _trust(identity, trustor, "nobody")).status == 404
    assert (await _trust(identity, (identity.user_id, trustor[1]), trustee["id"])).status == 403
    assert (await _trust(identity, trustor, trustee["id"], expires_at="2001-01-01T00:00:00Z")).status == 400
    assert (await _trust(identity, trustor, trustee["id"], remaining_uses=0)).status == 400
    made = await _trust(identity, trustor, trustee["id"])
    member = await identity.role_id("member")
    await identity.call("DELETE", f"/identity/v3/projects/{identity.project_id}/users/{trustor[0]}/roles/{member}")
    assert (await _trusted(identity, "ee", made.body["trust"]["id"])).status == 403


async def test_a_trust_is_seen_by_the_two_it_is_between(identity: Cloud) -> None:
    trustor = await _member(identity, "or")
    trustee = await _member(identity, "ee")
    third = await _member(identity, "third")
    trust_id = (await _trust(identity, trustor, trustee[0])).body["trust"]["id"]
    path = "/identity/v3/OS-TRUST/trusts"
    for _, token in (trustor, trustee):
        assert (await identity.get(f"{path}/{trust_id}", token=token)).status == 200
        assert (await identity.get(f"{path}/{trust_id}/roles", token=token)).status == 200
    assert (await identity.get(f"{path}/{trust_id}", token=third[1])).status == 403
    assert (await identity.get(path, token=trustor[1])).status == 403
    own = await identity.get(f"{path}?trustor_user_id={trustor[0]}", token=trustor[1])
    assert [trust["id"] for trust in own.body["trusts"]] == [trust_id]


# -- other proofs


async def test_six_digits_from_a_phone_are_a_second_proof_and_good_once(identity: Cloud) -> None:
    rules = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}
    user = await identity.make("user", "users", name="u", password="pw", options=rules)
    seed = base64.b32encode(b"12345678901234567890").decode()
    await identity.make("credential", "credentials", user_id=user["id"], type="totp", blob=seed)
    first = await identity.login("u", "pw")
    assert first.status == 401
    assert first.body["required_auth_methods"] == [["password", "totp"]]
    receipt = {"openstack-auth-receipt": first.headers["openstack-auth-receipt"]}
    code = totp.passcode(b"12345678901234567890", totp.step_at(identity.clock.now()))
    said = {"identity": {"methods": ["totp"], "totp": {"user": {"id": user["id"], "passcode": code}}}}
    path = "/identity/v3/auth/tokens"
    answer = await identity.call("POST", path, {"auth": said}, token=None, headers=receipt)
    assert answer.status == 201
    assert sorted(answer.body["token"]["methods"]) == ["password", "totp"]
    assert (await identity.call("POST", path, {"auth": said}, token=None, headers=receipt)).status == 401
    as_token = await identity.get("/identity/v3/users", token=receipt["openstack-auth-receipt"])
    assert as_token.status == 401


def test_passcodes_are_those_of_the_standard() -> None:
    for at, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert totp.passcode(b"12345678901234567890", totp.step_at(at)) == code


async def test_a_request_signed_with_an_ec2_key_becomes_a_token(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    path = f"/identity/v3/users/{user_id}/credentials/OS-EC2"
    key = (await identity.call("POST", path, {"tenant_id": identity.project_id}, token=token)).body["credential"]
    params = {
        "Action": "Test",
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
        "AWSAccessKeyId": key["access"],
    }
    query = "&".join(f"{name}={quote(params[name], safe='-_~')}" for name in sorted(params))
    text = f"GET\nhost\n/\n{query}".encode()
    signature = base64.b64encode(hmac.new(key["secret"].encode(), text, hashlib.sha256).digest()).decode()
    said = {"access": key["access"], "signature": signature, "host": "host:80", "params": params}
    answer = await identity.call("POST", "/identity/v3/ec2tokens", {"credentials": said})
    assert answer.status == 200
    assert answer.body["token"]["user"]["id"] == user_id
    assert "x-subject-token" in answer.headers
    wrong = {"credentials": {**said, "signature": signature.swapcase()}}
    assert (await identity.call("POST", "/identity/v3/ec2tokens", wrong)).status == 401
    assert (await identity.call("POST", "/identity/v3/ec2tokens", {"credentials": said}, token=token)).status == 403
    assert (await identity.get(f"{path}/{key['access']}", token=token)).body["credential"] == key
    assert (await identity.call("DELETE", f"{path}/{key['access']}", token=token)).status == 204
    assert (await identity.get(f"{path}/{key['access']}", token=token)).status == 404


async def test_an_s3_request_becomes_a_token(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    path = f"/identity/v3/users/{user_id}/credentials/OS-EC2"
    key = (await identity.call("POST", path, {"tenant_id": identity.project_id}, token=token)).body["credential"]
    text = b"GET\n\n\nThu, 01 Jan 2026 00:00:00 GMT\n/bucket"
    signature = base64.b64encode(hmac.new(key["secret"].encode(), text, hashlib.sha1).digest()).decode()
    said = {"access": key["access"], "token": base64.urlsafe_b64encode(text).decode(), "signature": signature}
    assert (await identity.call("POST", "/identity/v3/s3tokens", {"credentials": said})).status == 200
    said["signature"] = "nonsense"
    assert (await identity.call("POST", "/identity/v3/s3tokens", {"credentials": said})).status == 401


async def test_credentials_are_their_owners_and_sealed_in_the_database(identity: Cloud) -> None:
    user_id, token = await _member(identity)
    made = await identity.call(
        "POST", "/identity/v3/credentials", {"credential": {"type": "cert", "blob": "very secret"}}, token=token
    )
    assert made.status == 201
    assert made.body["credential"]["user_id"] == user_id
    async with identity.store.read() as tx:
        row = await tx.row("SELECT sealed FROM credentials")
    assert row is not None and "very secret" not in row[0]
    path = f"/identity/v3/credentials/{made.body['credential']['id']}"
    other = await _member(identity, "v")
    assert (await identity.get(path, token=other[1])).status == 403
    assert (await identity.get("/identity/v3/credentials", token=other[1])).body["credentials"] == []
    changed = await identity.call("PATCH", path, {"credential": {"blob": "other"}}, token=token)
    assert changed.body["credential"]["blob"] == "other"
    for bad in (
        {"type": "ec2", "blob": "no json"},
        {"type": "ec2", "blob": json.dumps({"access": "a"})},
        {"type": "x"},
    ):
        assert (await identity.call("POST", "/identity/v3/credentials", {"credential": bad})).status == 400
