"""Loans: what was lent by a trust, an application credential, an OAuth token or an EC2 key does not become more than
that, and no key that outlives it.
"""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer

from trivet.clock import iso_micros
from trivet.domain.callers import expanded
from trivet.domain.identity.delegation.ec2_signatures import Signed, signature

API = "/identity/v3"


class Person:
    """A manager of the project admin, who lends some of it."""

    def __init__(self, identity: Cloud, id: str, name: str, token: str) -> None:
        self.identity, self.id, self.name, self.token = identity, id, name, token

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        return await self.identity.call(method, f"{API}/{path}", body, token=token or self.token)

    async def app_credential(self, token: str = "", **fields: Any) -> Answer:
        body = {"application_credential": {"name": self.identity.parts.ids.hex(), **fields}}
        return await self.ask("POST", f"users/{self.id}/application_credentials", body, token)

    async def trust(self, trustee_id: str, token: str = "", **fields: Any) -> Answer:
        wanted = {
            "trustor_user_id": self.id,
            "trustee_user_id": trustee_id,
            "project_id": self.identity.project_id,
            "impersonation": True,
            "roles": [{"name": "reader"}],
        }
        return await self.ask("POST", "OS-TRUST/trusts", {"trust": wanted | fields}, token)

    async def credential(self, token: str = "", type: str = "totp", blob: Any = "GEZDGNBV") -> Answer:
        said = {"type": type, "blob": blob, "user_id": self.id, "project_id": self.identity.project_id}
        return await self.ask("POST", "credentials", {"credential": said}, token)

    async def ec2_key(self, token: str = "") -> Answer:
        return await self.ask(
            "POST", f"users/{self.id}/credentials/OS-EC2", {"tenant_id": self.identity.project_id}, token
        )


async def person(identity: Cloud, name: str = "ann", role: str = "manager", **fields: Any) -> Person:
    user = await identity.make("user", "users", name=name, password="pw", **fields)
    await identity.grant(user["id"], role, project=identity.project_id)
    proof = {"methods": ["password"], "password": {"user": {"id": user["id"], "password": "pw"}}}
    answer = await identity.auth(proof, {"project": {"id": identity.project_id}})
    return Person(identity, user["id"], name, answer.headers["x-subject-token"])


def signed(key: dict[str, str], **params: str) -> dict[str, Any]:
    """A request as an EC2 client of version 2 signs it."""
    params = {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": key["access"], **params}
    query = "&".join(f"{name}={quote(params[name], safe='-_~')}" for name in sorted(params))
    digest = hmac.new(key["secret"].encode(), f"GET\nhost\n/\n{query}".encode(), hashlib.sha256).digest()
    said = {"access": key["access"], "signature": base64.b64encode(digest).decode(), "host": "host", "params": params}
    return {"credentials": said}


async def by_program(ann: Person, **fields: Any) -> str:
    made = (await ann.app_credential(roles=[{"name": "reader"}], **fields)).ok("application_credential")
    proof = {"id": made["id"], "secret": made["secret"]}
    answer = await ann.identity.auth({"methods": ["application_credential"], "application_credential": proof})
    return answer.headers["x-subject-token"]


async def by_trust(ann: Person) -> str:
    await ann.identity.make("user", "users", name="trustee", password="pw")
    trustee_id = (await ann.identity.get(f"{API}/users?name=trustee")).body["users"][0]["id"]
    trust_id = (await ann.trust(trustee_id)).ok("trust")["id"]
    answer = await ann.identity.login("trustee", "pw", scope={"OS-TRUST:trust": {"id": trust_id}})
    return answer.headers["x-subject-token"]


async def by_oauth(ann: Person) -> str:
    """As an access token would give it: with the role reader alone."""
    tokens = ann.identity.parts.tokens
    lent = {"roles": expanded(("reader",)), "methods": ("oauth1",), "oauth_token_id": "t", "audit_id": "a"}
    return tokens.issue(msgspec.structs.replace(tokens.caller(ann.token), **lent))


async def by_key(ann: Person) -> str:
    key = (await ann.ec2_key()).ok("credential")
    answer = await ann.identity.call("POST", f"{API}/ec2tokens", signed(key))
    assert answer.status == 200, answer.raw
    return answer.headers["x-subject-token"]


LOANS = {"program": by_program, "trust": by_trust, "oauth": by_oauth, "key": by_key}


@pytest.mark.parametrize("loan", LOANS)
async def test_what_was_lent_is_not_exchanged_for_a_token_of_another_scope(identity: Cloud, loan: str) -> None:
    ann = await person(identity)
    other = await identity.make("project", "projects", name="other")
    await identity.grant(ann.id, "manager", project=other["id"])
    proof = {"methods": ["token"], "token": {"id": await LOANS[loan](ann)}}
    for scope in (None, {"project": {"id": other["id"]}}, {"project": {"id": identity.project_id}}):
        assert (await identity.auth(proof, scope)).status == 403


@pytest.mark.parametrize("loan", LOANS)
async def test_what_was_lent_becomes_no_key_that_outlives_it(identity: Cloud, loan: str) -> None:
    ann = await person(identity)
    own = (await ann.ec2_key()).ok("credential")
    made = (await ann.app_credential()).ok("application_credential")
    token = await LOANS[loan](ann)
    ec2 = json.dumps({"access": "a", "secret": "s"})
    refused = [
        await ann.credential(token),
        await ann.credential(token, type="ec2", blob=ec2),
        await ann.app_credential(token, roles=[{"name": "manager"}]),
        await ann.app_credential(token),
        await ann.ask("DELETE", f"users/{ann.id}/application_credentials/{made['id']}", token=token),
        await ann.trust(identity.user_id, token, roles=[{"name": "manager"}]),
        await ann.ask("GET", "credentials", token=token),
        await ann.ask("GET", f"users/{ann.id}/credentials/OS-EC2", token=token),
        await ann.ask("GET", f"users/{ann.id}/credentials/OS-EC2/{own['access']}", token=token),
        await ann.ask("GET", f"users/{ann.id}/OS-OAUTH1/access_tokens", token=token),
    ]
    refused.append(await ann.ec2_key(token))
    assert [answer.status for answer in refused] == [403] * len(refused)
    assert all(own["secret"].encode() not in answer.raw for answer in refused)


async def test_who_lends_sees_and_keeps_what_is_his(identity: Cloud) -> None:
    ann = await person(identity)
    key = (await ann.ec2_key()).ok("credential")
    assert (await ann.ask("GET", f"users/{ann.id}/credentials/OS-EC2")).ok("credentials") == [key]
    assert len((await ann.ask("GET", "credentials")).ok("credentials")) == 1
    token = await by_program(ann, unrestricted=True)
    assert (await ann.app_credential(token)).status == 201
    assert (await ann.trust(identity.user_id, token)).status == 201
    assert (await ann.trust(identity.user_id, token, roles=[{"name": "manager"}])).status == 404


async def test_a_key_cannot_claim_the_trust_of_others(identity: Cloud) -> None:
    ann, mallory = await person(identity), await person(identity, "mallory", "member")
    trustee = await identity.make("user", "users", name="ee", password="pw")
    trust_id = (await ann.trust(trustee["id"], roles=[{"name": "manager"}])).ok("trust")["id"]
    for name, value in (("trust_id", trust_id), ("app_cred_id", "x"), ("access_token_id", "x")):
        blob = json.dumps({"access": "a", "secret": "s", name: value})
        assert (await mallory.credential(type="ec2", blob=blob)).status == 400, name
    blob = json.dumps({"access": "a", "secret": "s", "trust_id": None})
    assert (await mallory.credential(type="ec2", blob=blob)).status == 201
    answer = await identity.call("POST", f"{API}/ec2tokens", signed({"access": "a", "secret": "s"}))
    assert answer.ok("token")["user"]["id"] == mallory.id


async def test_a_key_that_was_made_by_a_trust_gives_no_more_than_the_trust(identity: Cloud) -> None:
    ann = await person(identity)
    trustee = await identity.make("user", "users", name="ee", password="pw")
    trust_id = (await ann.trust(trustee["id"], roles=[{"name": "member"}])).ok("trust")["id"]
    acting = await identity.login("ee", "pw", scope={"OS-TRUST:trust": {"id": trust_id}})
    key = (await ann.ec2_key(acting.headers["x-subject-token"])).ok("credential")
    assert key["trust_id"] == trust_id
    answer = await identity.call("POST", f"{API}/ec2tokens", signed(key))
    assert {role["name"] for role in answer.ok("token")["roles"]} == {"member", "reader"}
    assert answer.body["token"]["OS-TRUST:trust"]["id"] == trust_id
    assert (await ann.ask("DELETE", f"OS-TRUST/trusts/{trust_id}")).status == 204
    assert (await identity.call("POST", f"{API}/ec2tokens", signed(key))).status in (401, 404)


@pytest.mark.parametrize(("age_s", "status"), [(0.0, 200), (14 * 60.0, 200), (16 * 60.0, 401)])
async def test_a_signed_request_is_good_for_a_quarter_of_an_hour(identity: Cloud, age_s: float, status: int) -> None:
    ann = await person(identity)
    key = (await ann.ec2_key()).ok("credential")
    at = iso_micros(identity.clock.now() - age_s, "Z")
    assert (await identity.call("POST", f"{API}/ec2tokens", signed(key, Timestamp=str(at)))).status == status


async def test_a_signed_request_of_no_time_is_refused(identity: Cloud) -> None:
    ann = await person(identity)
    key = (await ann.ec2_key()).ok("credential")
    for said in ("yesterday", "99999999999999", "-1"):
        assert (await identity.call("POST", f"{API}/ec2tokens", signed(key, Timestamp=said))).status == 401


async def test_a_trust_ends_with_the_domain_of_its_trustor(identity: Cloud) -> None:
    domain = await identity.make("domain", "domains", name="d")
    ann = await person(identity, domain_id=domain["id"])
    trustee = await identity.make("user", "users", name="ee", password="pw")
    trust_id = (await ann.trust(trustee["id"])).ok("trust")["id"]
    scope = {"OS-TRUST:trust": {"id": trust_id}}
    token = (await identity.login("ee", "pw", scope=scope)).headers["x-subject-token"]
    assert (await identity.call("PATCH", f"{API}/domains/{domain['id']}", {"domain": {"enabled": False}})).status == 200
    assert (await identity.get(f"{API}/auth/projects", token=token)).status == 401
    assert (await identity.login("ee", "pw", scope=scope)).status == 403


async def test_a_token_of_the_system_is_not_exchanged_for_one_of_a_project(identity: Cloud) -> None:
    ann = await person(identity)
    await identity.grant(ann.id, "reader", system=True)
    token = await identity.token("ann", "pw", {"system": {"all": True}})
    proof = {"methods": ["token"], "token": {"id": token}}
    assert (await identity.auth(proof, {"project": {"id": identity.project_id}})).status == 403
    assert (await identity.auth(proof, {"system": {"all": True}})).status == 201


async def test_a_program_with_access_rules_may_always_ask_what_a_token_of_its_user_says(identity: Cloud) -> None:
    ann = await person(identity)
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    token = await by_program(ann, access_rules=[rule])
    said = {"headers": {"openstack-identity-access-rules": "1.0", "x-subject-token": token}, "token": token}
    for method in ("GET", "HEAD"):
        assert (await identity.call(method, f"{API}/auth/tokens", **said)).status == 200  # type: ignore[arg-type]
    assert (await identity.call("DELETE", f"{API}/auth/tokens", **said)).status == 403  # type: ignore[arg-type]
    assert (await identity.get(f"{API}/auth/catalog", token=token)).status == 403


async def _acting(ann: Person, trustee: dict[str, Any], *, impersonation: bool) -> str:
    trust_id = (await ann.trust(trustee["id"], impersonation=impersonation)).ok("trust")["id"]
    proof = {"methods": ["password"], "password": {"user": {"id": trustee["id"], "password": "pw"}}}
    answer = await ann.identity.auth(proof, {"OS-TRUST:trust": {"id": trust_id}})
    assert answer.status == 201, answer.raw
    return answer.headers["x-subject-token"]


@pytest.mark.parametrize("impersonation", [True, False])
@pytest.mark.parametrize("what", ["trustor", "trustee", "domain of the trustor", "domain of the trustee", "role"])
async def test_a_token_by_a_trust_dies_with_what_either_side_loses(
    identity: Cloud, what: str, impersonation: bool
) -> None:
    one = await identity.make("domain", "domains", name="one")
    other = await identity.make("domain", "domains", name="other")
    ann = await person(identity, domain_id=one["id"])
    trustee = await identity.make("user", "users", name="ee", password="pw", domain_id=other["id"])
    token = await _acting(ann, trustee, impersonation=impersonation)
    assert (await identity.get(f"{API}/auth/catalog", token=token)).status == 200
    manager = await identity.role_id("manager")
    path, body = {
        "trustor": (f"users/{ann.id}", {"user": {"enabled": False}}),
        "trustee": (f"users/{trustee['id']}", {"user": {"enabled": False}}),
        "domain of the trustor": (f"domains/{one['id']}", {"domain": {"enabled": False}}),
        "domain of the trustee": (f"domains/{other['id']}", {"domain": {"enabled": False}}),
        "role": (f"projects/{identity.project_id}/users/{ann.id}/roles/{manager}", None),
    }[what]
    assert (await identity.call("DELETE" if body is None else "PATCH", f"{API}/{path}", body)).status < 300
    assert (await identity.get(f"{API}/auth/catalog", token=token)).status == 401


async def test_an_old_request_is_not_made_young_by_what_nobody_signed(identity: Cloud) -> None:
    """Of version 4 only its date is signed, and of a POST no parameters are."""
    ann = await person(identity)
    key = (await ann.ec2_key()).ok("credential")
    old, now = (
        datetime.fromtimestamp(identity.clock.now() - age_s, UTC).strftime("%Y%m%dT%H%M%SZ") for age_s in (3600.0, 0.0)
    )

    async def sent(date: str, **params: str) -> int:
        scope = f"{date[:8]}/region/service/aws4_request"
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={key['access']}/{scope}, SignedHeaders=host, Signature=s",
            "host": "host",
            "x-amz-date": date,
        }
        said = Signed("POST", "host", "/", params, headers, "0" * 64)
        fields = {name: getattr(said, name) for name in said.__struct_fields__}
        made = signature(key["secret"], said)
        body = {"credentials": {**fields, "access": key["access"], "signature": made}}
        return (await identity.call("POST", f"{API}/ec2tokens", body)).status

    assert await sent(now) == 200
    assert await sent(old) == 401
    assert await sent(old, Timestamp=now) == 401


async def by_unbound_program(ann: Person, **fields: Any) -> tuple[dict[str, Any], str]:
    """An application credential that may make others, and a token of it."""
    wanted = {"unrestricted": True, "roles": [{"name": "member"}], **fields}
    made = (await ann.app_credential(**wanted)).ok("application_credential")
    proof = {"id": made["id"], "secret": made["secret"]}
    answer = await ann.identity.auth({"methods": ["application_credential"], "application_credential": proof})
    return made, answer.headers["x-subject-token"]


async def test_an_ec2_key_of_a_program_is_good_for_what_the_program_is(identity: Cloud) -> None:
    """The class: what was made with something lent is looked up later by whose it is, and not by what it was made
    with."""
    ann = await person(identity)
    rules = [
        {"service": "identity", "method": "POST", "path": f"/v3/users/{ann.id}/credentials/OS-EC2"},
        {"service": "image", "method": "GET", "path": "/v2/images"},
    ]
    made, token = await by_unbound_program(ann, access_rules=rules)
    key = (await ann.ec2_key(token)).ok("credential")
    answer = await identity.call("POST", f"{API}/ec2tokens", signed(key))
    assert answer.status == 200, answer.raw
    assert {role["name"] for role in answer.body["token"]["roles"]} == {"member", "reader"}
    assert answer.body["token"]["application_credential"]["id"] == made["id"]
    caller = identity.parts.tokens.caller(answer.headers["x-subject-token"])
    assert caller.access_rules is not None and len(caller.access_rules) == 2
    # Its token gives nobody another way in, and its rules hold.
    assert (await ann.ec2_key(answer.headers["x-subject-token"])).status == 403
    assert (await ann.ask("GET", "auth/catalog", token=answer.headers["x-subject-token"])).status == 403
    # It ends with the program.
    assert (await ann.ask("DELETE", f"users/{ann.id}/application_credentials/{made['id']}")).status == 204
    assert (await identity.call("POST", f"{API}/ec2tokens", signed(key))).status == 401


async def test_an_ec2_key_of_a_program_ends_when_the_program_does(identity: Cloud) -> None:
    ann = await person(identity)
    ends = datetime.fromtimestamp(identity.parts.clock.now() + 60, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    _, token = await by_unbound_program(ann, expires_at=ends)
    key = (await ann.ec2_key(token)).ok("credential")
    assert (await identity.call("POST", f"{API}/ec2tokens", signed(key))).status == 200
    identity.clock.passed_s += 61
    assert (await identity.call("POST", f"{API}/ec2tokens", signed(key))).status == 401


async def test_a_program_makes_an_ec2_key_for_its_own_project_only(identity: Cloud) -> None:
    ann = await person(identity)
    other = await identity.make("project", "projects", name="other")
    await identity.grant(ann.id, "manager", project=other["id"])
    _, token = await by_unbound_program(ann)
    path = f"users/{ann.id}/credentials/OS-EC2"
    assert (await ann.ask("POST", path, {"tenant_id": other["id"]}, token)).status == 403


async def test_a_header_is_signed_once_however_often_it_is_named(identity: Cloud) -> None:
    """The class: a request names a long thing many times, and each time it is written out again."""
    ann = await person(identity)
    key = (await ann.ec2_key()).ok("credential")
    scope = "20200101/r/ec2/aws4_request"
    said = f"AWS4-HMAC-SHA256 Credential={key['access']}/{scope}, SignedHeaders={';'.join(['x'] * 20_000)}, Signature=s"
    headers = {"Authorization": said, "X-Amz-Date": "20200101T000000Z", "x": "y" * 10_000}
    body = {"credentials": {"access": key["access"], "signature": "s", "host": "host", "headers": headers}}
    answer = await identity.call("POST", f"{API}/ec2tokens", body)
    assert (answer.status, "twice" in answer.raw.decode()) == (400, True)
