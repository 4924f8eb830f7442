"""Who may do what: by role, by project, by whose it is, and by an access list; and what lies in the database."""

import base64
from typing import Any

import pytest
from tests.api.key_manager.key_cloud import TEXT, KeyCloud, told
from tests.api.one_service import MINE, THEIRS

from trivet.domain.key_manager import rotation
from trivet.domain.secrets import Secrets
from trivet.store.store import transact

PRIVATE: dict[str, Any] = {"read": {"project-access": False}}


async def test_a_member_uses_what_is_in_his_project_and_a_reader_nothing(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    assert (await keys.payload(id, user="rae")).status == 200
    for method, path, body in (
        ("GET", f"/secrets/{id}", None),
        ("GET", f"/secrets/{id}/payload", None),
        ("GET", "/secrets", None),
        ("POST", "/secrets", TEXT),
        ("DELETE", f"/secrets/{id}", None),
        ("GET", f"/secrets/{id}/metadata", None),
        ("GET", f"/secrets/{id}/acl", None),
        ("GET", f"/secrets/{id}/consumers", None),
        ("POST", "/containers", {"type": "generic"}),
        ("POST", "/orders", {"type": "key", "meta": {"algorithm": "aes", "bit_length": 128}}),
    ):
        why = told(await keys.call(method, path, body, roles=("reader",)), 403)
        assert "please review your user/project privileges" in why
        if id in path:
            told(await keys.call(method, path, body, project=THEIRS), 403)
    assert (await keys.call("GET", "/secrets", project=THEIRS)).ok("total") == 0
    assert (await keys.call("GET", "/quotas", roles=("reader",))).status == 200


async def test_an_operator_sees_and_removes_what_he_cannot_read(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    admin: dict[str, Any] = {"project": THEIRS, "user": "root", "roles": ("admin",)}
    assert (await keys.call("GET", f"/secrets/{id}", **admin)).status == 200
    told(await keys.payload(id, **admin), 403)
    told(await keys.call("GET", f"/secrets/{id}/metadata", **admin), 403)
    assert (await keys.call("DELETE", f"/secrets/{id}", **admin)).status == 204


async def test_what_is_private_is_for_who_made_it_and_for_the_projects_admin(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    assert (await keys.call("GET", f"/secrets/{id}/acl")).ok() == {"read": {"project-access": True}}
    put = await keys.call("PUT", f"/secrets/{id}/acl", PRIVATE)
    assert put.status == 200 and put.body == {"acl_ref": f"{keys.ref(id)}/acl"}
    told(await keys.payload(id, user="rae"), 403)
    told(await keys.call("DELETE", f"/secrets/{id}", user="rae"), 403)
    told(await keys.call("PUT", f"/secrets/{id}/acl", {}, user="rae"), 403)
    assert (await keys.payload(id)).status == 200
    assert (await keys.payload(id, user="root", roles=("admin",))).status == 200
    assert (await keys.call("DELETE", f"/secrets/{id}/acl")).status == 200
    assert (await keys.payload(id, user="rae")).status == 200


async def test_who_is_in_the_list_reads_from_another_project_and_changes_nothing(keys: KeyCloud) -> None:
    id = await keys.secret(name="shared", **TEXT)
    await keys.call("PUT", f"/secrets/{id}/acl", {"read": {"users": ["mallory", "mallory"]}})
    them: dict[str, Any] = {"project": THEIRS, "user": "mallory"}
    assert (await keys.payload(id, **them)).raw == b"open sesame"
    assert (await keys.call("GET", f"/secrets/{id}", **them)).status == 200
    listed = (await keys.call("GET", "/secrets", acl_only="true", **them)).ok()
    assert listed["total"] == 1 and listed["secrets"][0]["name"] == "shared"
    told(await keys.call("DELETE", f"/secrets/{id}", **them), 403)
    told(await keys.call("PUT", f"/secrets/{id}/metadata", {"metadata": {}}, **them), 403)
    told(await keys.call("GET", f"/secrets/{id}/acl", **them), 403)
    patched = await keys.call("PATCH", f"/secrets/{id}/acl", {"read": {"project-access": False}})
    assert patched.status == 200
    shown = (await keys.call("GET", f"/secrets/{id}/acl")).ok("read")
    assert shown["users"] == ["mallory"] and shown["project-access"] is False and shown["created"]
    await keys.call("PATCH", f"/secrets/{id}/acl", {"read": {"users": []}})
    told(await keys.payload(id, **them), 403)
    told(await keys.call("PUT", f"/secrets/{id}/acl", {"write": {}}), 400)
    told(await keys.call("PUT", f"/secrets/{id}/acl", {"read": {"creator-only": True}}), 400)


@pytest.mark.parametrize(
    ("role", "lists", "sees", "reads", "makes", "removes"),
    [
        ("creator", 200, 200, 200, 201, 204),
        ("observer", 200, 200, 200, 403, 403),
        ("audit", 403, 200, 403, 403, 403),
        ("nothing", 403, 403, 403, 403, 403),
    ],
)
async def test_older_roles_do_what_they_did(
    database: str, role: str, lists: int, sees: int, reads: int, makes: int, removes: int
) -> None:
    async with KeyCloud() as keys:
        id = await keys.secret(**TEXT)
        who: dict[str, Any] = {"user": "old", "roles": (role,)}
        assert (await keys.call("GET", "/secrets", **who)).status == lists
        assert (await keys.call("GET", f"/secrets/{id}", **who)).status == sees
        assert (await keys.payload(id, **who)).status == reads
        assert (await keys.call("POST", "/secrets", TEXT, **who)).status == makes
        await keys.call("PUT", f"/secrets/{id}/acl", PRIVATE)
        assert (await keys.call("GET", f"/secrets/{id}", **who)).status == 403
        await keys.call("DELETE", f"/secrets/{id}/acl")
        assert (await keys.call("DELETE", f"/secrets/{id}", **who)).status == removes


async def test_the_database_tells_no_payload_without_the_clouds_key(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    other = await keys.secret(payload="another", payload_content_type="text/plain")
    async with keys.store.read() as tx:
        rows = await tx.rows("SELECT sealed FROM stored_secrets")
        wraps = await tx.rows("SELECT sealed FROM payload_keys")
    everything = " ".join(str(row[0]) for row in (*rows, *wraps))
    assert len(wraps) == 1, "a project has one key"
    for clear in (b"open sesame", base64.b64encode(b"open sesame"), base64.b64encode(b"another")):
        assert clear.decode() not in everything
    keys.parts.secrets = Secrets(b"of another cloud")
    answer = await keys.payload(id)
    assert answer.status == 503 and b"key file" in answer.raw
    keys.parts.secrets = Secrets(b"of the cloud")
    async with keys.store.write() as tx:
        await tx.run(
            "UPDATE stored_secrets SET sealed = (SELECT o.sealed FROM stored_secrets o WHERE o.id = ?) WHERE id = ?",
            other,
            id,
        )
    answer = await keys.payload(id)
    assert answer.status == 503 and b"damaged" in answer.raw, "a payload opens in its own row only"


async def test_each_project_has_a_key_of_its_own(keys: KeyCloud) -> None:
    for project in (MINE, THEIRS):
        await keys.secret(project=project, **TEXT)
    async with keys.store.read() as tx:
        assert {row[0] for row in await tx.rows("SELECT project_id FROM payload_keys")} == {MINE, THEIRS}


async def test_new_keys_open_what_the_old_ones_sealed_and_the_old_ones_are_gone(keys: KeyCloud) -> None:
    kept = {await keys.secret(project=project, **TEXT): project for project in (MINE, THEIRS) for _ in range(2)}
    empty = await keys.secret(name="nothing in it")
    secrets = keys.parts.secrets
    async with keys.store.read() as tx:
        before = {row[0] for row in await tx.rows("SELECT id FROM payload_keys")}
    assert await transact(keys.store, lambda tx: rotation.begin(tx, secrets)) == 2
    later = await keys.secret(**TEXT)
    assert await transact(keys.store, lambda tx: rotation.go_on(tx, secrets)) == 4
    assert await transact(keys.store, lambda tx: rotation.go_on(tx, secrets)) == 0
    await transact(keys.store, rotation.end)
    async with keys.store.read() as tx:
        after = {row[0] for row in await tx.rows("SELECT id FROM payload_keys")}
    assert len(after) == 2 and not before & after
    for id, project in (*kept.items(), (later, MINE)):
        assert (await keys.payload(id, project=project)).raw == b"open sesame"
    told(await keys.payload(empty), 404)
