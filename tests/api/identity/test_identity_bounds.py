"""How much one user may have. The class: rows that anybody makes and no limit counts, and rows that grow with each
request. Each kind has a bound, and the refusal tells it.
"""

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.api.identity.identity_cloud import Cloud
from tests.api.one_service import Answer

from trivet.domain.identity.delegation import bounds
from trivet.domain.identity.delegation.bounds import Bound

API = "/identity/v3"
MOST = 3


class Person:
    def __init__(self, identity: Cloud, id: str, token: str) -> None:
        self.identity = identity
        self.id = id
        self.token = token

    async def make(self, path: str, body: object) -> Answer:
        return await self.identity.call("POST", f"{API}/{path}", body, token=self.token)


@pytest.fixture
async def ann(identity: Cloud) -> Person:
    user = await identity.make("user", "users", name="ann", password="pw")
    await identity.grant(user["id"], "member", project=identity.project_id)
    token = await identity.token("ann", "pw", {"project": {"id": identity.project_id}})
    return Person(identity, user["id"], token)


async def app_credential(ann: Person, n: int) -> Answer:
    path = f"users/{ann.id}/application_credentials"
    return await ann.make(path, {"application_credential": {"name": f"n{n}"}})


async def access_rule(ann: Person, n: int) -> Answer:
    rules = [{"service": "compute", "method": "GET", "path": f"/{n}"}]
    path = f"users/{ann.id}/application_credentials"
    return await ann.make(path, {"application_credential": {"name": f"r{n}", "access_rules": rules}})


async def credential(ann: Person, n: int) -> Answer:
    return await ann.make("credentials", {"credential": {"type": "totp", "blob": "GEZDGNBV"}})


async def ec2_credential(ann: Person, n: int) -> Answer:
    blob = json.dumps({"access": f"{ann.id}{n}", "secret": "s"})
    return await ann.make(
        "credentials", {"credential": {"type": "ec2", "blob": blob, "project_id": ann.identity.project_id}}
    )


async def ec2_key(ann: Person, n: int) -> Answer:
    return await ann.make(f"users/{ann.id}/credentials/OS-EC2", {"tenant_id": ann.identity.project_id})


async def trust(ann: Person, n: int) -> Answer:
    wanted = {
        "trustor_user_id": ann.id, "trustee_user_id": ann.identity.user_id, "impersonation": False,
        "project_id": ann.identity.project_id, "roles": [{"name": "reader"}],
    }  # fmt: skip
    return await ann.make("OS-TRUST/trusts", {"trust": wanted})


KINDS: dict[str, tuple[str, Callable[[Person, int], Awaitable[Answer]]]] = {
    "application credentials": ("APP_CREDENTIALS", app_credential),
    "access rules": ("ACCESS_RULES", access_rule),
    "credentials": ("CREDENTIALS", credential),
    "EC2 credentials": ("CREDENTIALS", ec2_credential),
    "EC2 keys": ("CREDENTIALS", ec2_key),
    "trusts": ("TRUSTS", trust),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_user_has_so_many_and_the_next_is_refused_with_the_limit(
    ann: Person, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make = KINDS[kind]
    bound: Bound = getattr(bounds, name)
    monkeypatch.setattr(bounds, name, Bound(bound.table, bound.owner, MOST, bound.noun))
    assert [(await make(ann, n)).status for n in range(MOST)] == [201] * MOST
    assert f"at most {MOST} {bound.noun}" in (await make(ann, MOST)).refused(403)
    other = await ann.identity.make("user", "users", name="bob", password="pw")
    await ann.identity.grant(other["id"], "member", project=ann.identity.project_id)
    token = await ann.identity.token("bob", "pw", {"project": {"id": ann.identity.project_id}})
    assert (await make(Person(ann.identity, other["id"], token), 0)).status == 201, "another's do not count"


async def test_the_rules_of_one_credential_are_few_and_their_paths_short(ann: Person) -> None:
    path = f"users/{ann.id}/application_credentials"
    many = [{"service": "compute", "method": "GET", "path": f"/{n}"} for n in range(51)]
    long = [{"service": "compute", "method": "GET", "path": f"/{n}".ljust(250, "x")} for n in range(17)]
    for rules in (many, long):
        wanted = {"application_credential": {"name": "n", "access_rules": rules}}
        assert (await ann.make(path, wanted)).status == 400
    assert (await ann.identity.get(f"{API}/users/{ann.id}/access_rules", token=ann.token)).body["access_rules"] == []


async def test_a_row_does_not_grow_with_each_request(ann: Person) -> None:
    """Fields of one's own are kept together with those from before, so together they have a bound."""
    made = (await credential(ann, 0)).body["credential"]
    path = f"{API}/credentials/{made['id']}"
    statuses = set()
    for n in range(20):
        body = {"credential": {f"own{n}": "x" * 1_000}}
        statuses.add((await ann.identity.call("PATCH", path, body, token=ann.token)).status)
    assert statuses == {200, 400}
    assert len((await ann.identity.get(path, token=ann.token)).raw) < 17_000
    assert (await ann.make("credentials", {"credential": {"type": "x", "blob": "x" * 20_000}})).status == 400
    assert (await ann.make("credentials", {"credential": {"type": "x", "blob": "", "own": "x" * 20_000}})).status == 400


async def test_who_may_only_look_sees_no_secret_of_others(ann: Person) -> None:
    """The class: what is shown to its owner and proves who he is (TOTP seeds, EC2 secrets, whatever a credential
    holds). A reader of the system sees that it is there."""
    seed, own = "GEZDGNBVGY3TQOJQ", json.dumps({"access": "a", "secret": "the-secret"})
    await ann.make("credentials", {"credential": {"type": "totp", "blob": seed}})
    await ann.make("credentials", {"credential": {"type": "ec2", "blob": own, "project_id": ann.identity.project_id}})
    key = (await ec2_key(ann, 0)).body["credential"]
    looker = await ann.identity.make("user", "users", name="looker", password="pw")
    await ann.identity.grant(looker["id"], "reader", system=True)
    token = await ann.identity.token("looker", "pw", {"system": {"all": True}})
    secrets = (seed.encode(), b"the-secret", key["secret"].encode())
    looked = 0
    listed = (await ann.identity.get(f"{API}/credentials", token=token)).ok("credentials")
    paths = [f"credentials/{one['id']}" for one in listed]
    keys = f"users/{ann.id}/credentials/OS-EC2"
    for path in ("credentials", f"credentials?user_id={ann.id}", *paths, keys, f"{keys}/{key['access']}"):
        answer = await ann.identity.get(f"{API}/{path}", token=token)
        assert answer.status == 200
        assert not any(secret in answer.raw for secret in secrets), path
        looked += 1
    assert looked == 7
    mine = await ann.identity.get(f"{API}/credentials", token=ann.token)
    assert all(secret in mine.raw.replace(b'\\"', b'"') for secret in secrets), "and whose it is sees it"


async def test_access_rules_come_back_in_the_order_given(ann: Person) -> None:
    paths = ["/z", "/a", "/m", "/b"]
    rules = [{"service": "compute", "method": "GET", "path": path} for path in paths]
    path = f"users/{ann.id}/application_credentials"
    made = (await ann.make(path, {"application_credential": {"name": "n", "access_rules": rules}})).ok(
        "application_credential"
    )
    shown = (await ann.identity.get(f"{API}/{path}/{made['id']}", token=ann.token)).ok("application_credential")
    listed = (await ann.identity.get(f"{API}/{path}", token=ann.token)).ok("application_credentials")
    for found in (made, shown, listed[0]):
        assert [rule["path"] for rule in found["access_rules"]] == paths
    proof = {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": made["secret"]},
    }
    told = await ann.identity.auth(proof)
    seen = {"x-subject-token": told.headers["x-subject-token"]}
    assert (await ann.identity.get(f"{API}/auth/tokens", headers=seen)).status == 404, "for who does not heed them"
    seen["openstack-identity-access-rules"] = "1.0"
    assert (await ann.identity.get(f"{API}/auth/tokens", headers=seen)).status == 200
    assert [rule["path"] for rule in told.body["token"]["application_credential"]["access_rules"]] == paths
