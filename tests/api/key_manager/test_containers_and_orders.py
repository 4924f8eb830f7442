"""Containers and orders: what belongs together, and keys that the key manager makes itself."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from tests.api.key_manager.key_cloud import AES, TEXT, KeyCloud, id_of, told
from tests.api.one_service import THEIRS

NOBODY = "00000000-0000-4000-8000-000000000000"
READS: dict[str, Any] = {"user": "mallory", "project": THEIRS}


async def test_a_container_holds_secrets_by_name(keys: KeyCloud) -> None:
    a, b = await keys.secret(**TEXT), await keys.secret(**TEXT)
    refs = [{"name": "a", "secret_ref": keys.ref(a)}, {"name": "b", "secret_ref": keys.ref(b) + "/"}]
    id = await keys.container(name="both", type="generic", secret_refs=refs)
    shown = (await keys.call("GET", f"/containers/{id}")).ok()
    assert shown["container_ref"] == f"http://cloud:8774/key-manager/v1/containers/{id}"
    assert shown["secret_refs"] == [{"name": "a", "secret_ref": keys.ref(a)}, {"name": "b", "secret_ref": keys.ref(b)}]
    assert (shown["name"], shown["type"], shown["status"], shown["consumers"]) == ("both", "generic", "ACTIVE", [])
    c = await keys.secret(**TEXT)
    added = await keys.call("POST", f"/containers/{id}/secrets", {"name": "c", "secret_ref": keys.ref(c)})
    assert added.status == 201 and added.body == {"container_ref": shown["container_ref"]}
    again = await keys.call("POST", f"/containers/{id}/secrets", {"name": "c", "secret_ref": keys.ref(c)})
    assert "already stored in this container" in told(again, 409)
    gone = await keys.call("DELETE", f"/containers/{id}/secrets", {"name": "a", "secret_ref": keys.ref(a)})
    assert gone.status == 204
    told(await keys.call("DELETE", f"/containers/{id}/secrets", {"name": "a", "secret_ref": keys.ref(a)}), 404)
    assert (await keys.call("DELETE", f"/secrets/{b}")).status == 204
    names = [one["name"] for one in (await keys.call("GET", f"/containers/{id}")).ok("secret_refs")]
    assert names == ["c"], "a secret that is deleted is in no container"
    assert (await keys.call("DELETE", f"/containers/{id}")).status == 204
    assert (await keys.payload(c)).status == 200
    told(await keys.call("GET", f"/containers/{id}"), 404)


async def test_containers_are_listed_by_name_and_type(keys: KeyCloud) -> None:
    await keys.container(name="x", type="generic")
    await keys.container(name="y", type="rsa")
    asked: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "xy"),
        ({"name": "x"}, "x"),
        ({"type": "rsa"}, "y"),
        ({"limit": 1}, "x"),
    )
    for query, wanted in asked:
        listed = (await keys.call("GET", "/containers", **query)).ok()
        assert "".join(one["name"] for one in listed["containers"]) == wanted
    assert listed["next"].endswith("/v1/containers?limit=1&offset=1") and listed["total"] == 2


async def test_a_container_is_what_its_type_says(keys: KeyCloud) -> None:
    a, b = keys.ref(await keys.secret(**TEXT)), keys.ref(await keys.secret(**TEXT))

    async def refused(type: str, *refs: tuple[str, str], status: int = 400) -> str:
        held = [{"name": name, "secret_ref": ref} for name, ref in refs]
        return told(await keys.call("POST", "/containers", {"type": type, "secret_refs": held}), status)

    assert "Duplicate reference names" in await refused("generic", ("a", a), ("a", b))
    assert "Duplicate secret ids" in await refused("generic", ("a", a), ("b", a))
    assert "minimum required" in await refused("rsa", ("private_key", a))
    assert "only 'private_key'" in await refused("rsa", ("private_key", a), ("love", b))
    assert "minimum required" in await refused("certificate", ("private_key", a))
    assert "doesn't exist" in await refused("generic", ("a", keys.ref(NOBODY)), status=404)
    theirs = await keys.secret(project=THEIRS, **TEXT)
    assert "doesn't exist" in await refused("generic", ("a", keys.ref(theirs)), status=404)
    assert "not supported" in await refused("generic", ("a", a.replace("cloud:8774", "evil.example")))
    told(await keys.call("POST", "/containers", {"type": "love"}), 400)
    rsa = await keys.container(
        type="rsa", secret_refs=[{"name": "private_key", "secret_ref": a}, {"name": "public_key", "secret_ref": b}]
    )
    fixed = await keys.call("POST", f"/containers/{rsa}/secrets", {"name": "c", "secret_ref": a})
    assert "Only 'generic'" in told(fixed, 400)


async def test_a_container_has_users_and_an_access_list(keys: KeyCloud) -> None:
    id = await keys.container(type="generic")
    told(await keys.call("GET", f"/containers/{id}", **READS), 403)
    assert (await keys.call("PUT", f"/containers/{id}/acl", {"read": {"users": ["mallory"]}})).status == 200
    assert (await keys.call("GET", f"/containers/{id}", **READS)).status == 200
    use = {"name": "lb", "URL": "https://lb.example/1"}
    shown = (await keys.call("POST", f"/containers/{id}/consumers", use, **READS)).ok()
    assert shown["consumers"] == [use]
    assert (await keys.call("GET", f"/containers/{id}/consumers")).ok("total") == 1
    assert (await keys.call("DELETE", f"/containers/{id}/consumers", use)).ok("consumers") == []
    told(await keys.call("DELETE", f"/containers/{id}", **READS), 403)
    assert (await keys.call("GET", f"/containers/{id}/acl")).ok("read")["users"] == ["mallory"]


async def test_an_order_makes_a_key(keys: KeyCloud) -> None:
    meta = {"name": "k", "payload_content_type": "application/octet-stream", **AES}
    made = await keys.call("POST", "/orders", {"type": "key", "meta": meta})
    assert made.status == 202 and made.headers["location"] == made.body["order_ref"]
    id = id_of(made.body["order_ref"])
    shown = (await keys.call("GET", f"/orders/{id}")).ok()
    assert (shown["status"], shown["type"], shown["meta"]["name"]) == ("ACTIVE", "key", "k")
    secret = id_of(shown["secret_ref"])
    kept = (await keys.call("GET", f"/secrets/{secret}")).ok()
    assert (kept["name"], kept["secret_type"], kept["algorithm"]) == ("k", "symmetric", "aes")
    first = (await keys.payload(secret)).raw
    again = await keys.call("POST", "/orders", {"type": "key", "meta": meta})
    other = (await keys.call("GET", f"/orders/{id_of(again.body['order_ref'])}")).ok("secret_ref")
    assert len(first) == 32 and first != (await keys.payload(id_of(other))).raw
    assert (await keys.call("GET", "/orders")).ok("total") == 2
    told(await keys.call("GET", f"/orders/{id}", **READS), 404)
    told(await keys.call("DELETE", f"/orders/{id}", **READS), 404)
    assert (await keys.call("DELETE", f"/orders/{id}")).status == 204
    told(await keys.call("GET", f"/orders/{id}"), 404)
    assert (await keys.payload(secret)).status == 200, "what was made stays"


async def test_an_order_makes_a_pair(keys: KeyCloud) -> None:
    meta = {"name": "p", "algorithm": "rsa", "bit_length": 2048, "passphrase": "pass"}
    made = await keys.call("POST", "/orders", {"type": "asymmetric", "meta": meta})
    shown = (await keys.call("GET", f"/orders/{id_of(made.body['order_ref'])}")).ok()
    assert "pass" not in shown["meta"].values(), "what is secret is told by no order"
    held = (await keys.call("GET", f"/containers/{id_of(shown['container_ref'])}")).ok()
    assert held["type"] == "rsa"
    parts = {one["name"]: (await keys.payload(id_of(one["secret_ref"]))).raw for one in held["secret_refs"]}
    assert parts["private_key_passphrase"] == b"pass"
    private = load_pem_private_key(parts["private_key"], b"pass")
    assert isinstance(private, rsa.RSAPrivateKey) and private.key_size == 2048
    assert load_pem_public_key(parts["public_key"]) == private.public_key()


async def test_an_order_that_cannot_be_says_why(keys: KeyCloud) -> None:
    for type, meta in (
        ("key", {"algorithm": "love", "bit_length": 128}),
        ("key", {"algorithm": "aes", "bit_length": 136}),
        ("asymmetric", {"algorithm": "dsa", "bit_length": 2048}),
    ):
        made = await keys.call("POST", "/orders", {"type": type, "meta": meta})
        shown = (await keys.call("GET", f"/orders/{id_of(made.body['order_ref'])}")).ok()
        assert (shown["status"], shown["error_status_code"]) == ("ERROR", "400") and shown["error_reason"]
        assert "secret_ref" not in shown


@pytest.mark.parametrize(
    ("type", "meta", "why"),
    [
        ("certificate", {}, "Invalid property: 'type'"),
        ("key", {"bit_length": 128}, "'algorithm' is required"),
        ("key", {"algorithm": "aes"}, "'bit_length' is required"),
        ("key", {"algorithm": "aes", "bit_length": 129}, "not supported"),
        ("key", {"algorithm": "aes", "bit_length": 128, "payload": "x"}, "'payload' not allowed"),
        ("key", {"algorithm": "aes", "bit_length": 128, "expiration": "2015-01-01"}, "before current time"),
    ],
)
async def test_what_is_wrong_with_an_order_is_said(database: str, type: str, meta: object, why: str) -> None:
    async with KeyCloud() as keys:
        assert why in told(await keys.call("POST", "/orders", {"type": type, "meta": meta}), 400)
        assert (await keys.call("GET", "/orders")).ok("total") == 0
        told(await keys.call("PUT", "/orders", {}), 405)
