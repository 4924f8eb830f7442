"""Secrets: kept in one step or in two, given back as they came, found again, and gone when they are done with."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.api.key_manager.key_cloud import AES, TEXT, KeyCloud, id_of, told

NOBODY = "00000000-0000-4000-8000-000000000000"
KEY = bytes(range(32))
BINARY: dict[str, Any] = {
    "payload": base64.b64encode(KEY).decode(),
    "payload_content_type": "application/octet-stream",
    "payload_content_encoding": "base64",
}


def at(keys: KeyCloud, seconds: float) -> str:
    return datetime.fromtimestamp(keys.clock.now() + seconds, UTC).replace(tzinfo=None).isoformat()


async def test_a_secret_kept_in_one_step_is_given_back_as_it_came(keys: KeyCloud) -> None:
    id = await keys.secret(name=" door ", secret_type="symmetric", expiration=at(keys, 3600), **AES, **BINARY)
    shown = (await keys.call("GET", f"/secrets/{id}")).ok()
    assert shown["secret_ref"] == keys.ref(id)
    assert (shown["name"], shown["status"], shown["secret_type"]) == ("door", "ACTIVE", "symmetric")
    assert (shown["algorithm"], shown["bit_length"], shown["mode"]) == ("aes", 256, "cbc")
    assert shown["content_types"] == {"default": "application/octet-stream"}
    assert shown["creator_id"] == "wei" and shown["consumers"] == []
    for accept in ("application/octet-stream", "*/*"):
        found = await keys.payload(id, accept)
        assert (found.status, found.raw) == (200, KEY)
        assert found.headers["content-type"] == "application/octet-stream"
    older = await keys.call("GET", f"/secrets/{id}", headers={"accept": "application/octet-stream"})
    assert older.raw == KEY
    assert "consumers" not in (await keys.call("GET", f"/secrets/{id}", version="1.0")).ok()
    assert "Wrong payload content-type" in told(await keys.payload(id, "application/json"), 406)


async def test_a_secret_kept_in_two_steps_is_empty_until_the_second(keys: KeyCloud) -> None:
    id = await keys.secret(name="later")
    assert "content_types" not in (await keys.call("GET", f"/secrets/{id}")).ok()
    assert told(await keys.payload(id), 404) == "Not Found. Sorry but your secret has no payload."
    plain = {"content-type": "text/plain; charset=utf-8"}
    assert (await keys.call("PUT", f"/secrets/{id}", "schlüssel".encode(), headers=plain)).status == 204
    found = await keys.payload(id)
    assert found.raw.decode() == "schlüssel" and found.headers["content-type"].startswith("text/plain")
    assert "already has data" in told(await keys.call("PUT", f"/secrets/{id}", b"again", headers=plain), 409)
    coded = await keys.secret(name="coded")
    headers = {"content-type": "application/octet-stream", "content-encoding": "base64"}
    assert (await keys.call("PUT", f"/secrets/{coded}", base64.b64encode(KEY), headers=headers)).status == 204
    assert (await keys.payload(coded)).raw == KEY
    assert "Wrong payload" in told(
        await keys.payload(await keys.secret(**BINARY | {"payload": "gIGC"}), "text/plain"), 406
    )


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (TEXT | {"payload": " "}, 400, "must be non empty"),
        ({"payload": "x"}, 400, "payload_content_type"),
        (TEXT | {"payload_content_type": "text/html"}, 400, "payload_content_type is not one of"),
        (TEXT | {"payload_content_encoding": "base64"}, 400, "payload_content_encoding"),
        ({"payload": "eA==", "payload_content_type": "application/octet-stream"}, 400, "payload_content_encoding"),
        (BINARY | {"payload": "a"}, 400, "Invalid payload for payload_content_encoding"),
        ({"payload_content_type": "text/plain"}, 400, "payload must be provided"),
        (TEXT | {"payload": "x" * 20_001}, 413, "too large"),
        (TEXT | {"name": "x" * 256}, 400, "Invalid property: 'name'"),
        (TEXT | {"bit_length": 0}, 400, "Invalid property: 'bit_length'"),
        (TEXT | {"bit_length": 32768}, 400, "Invalid property: 'bit_length'"),
        (TEXT | {"bit_length": "256"}, 400, "Invalid property: 'bit_length'"),
        (TEXT | {"secret_type": "love"}, 400, "Invalid property: 'secret_type'"),
        (TEXT | {"expiration": "tomorrow"}, 400, "Invalid date for 'expiration'"),
        (TEXT | {"expiration": "2015-01-01T00:00:00"}, 400, "before current time"),
        (TEXT | {"transport_key_id": NOBODY}, 400, "transport key was not found"),
        ([], 400, "does not match schema 'Secret'"),
        (b"{", 400, "Malformed JSON"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_secret_is_said(database: str, body: object, status: int, why: str) -> None:
    async with KeyCloud() as keys:
        assert why in told(await keys.call("POST", "/secrets", body), status)
        assert (await keys.call("GET", "/secrets")).ok() == {"secrets": [], "total": 0}


async def test_requests_and_payloads_are_bounded(keys: KeyCloud) -> None:
    told(await keys.call("POST", "/secrets", b" " * 25_001), 413)
    id = await keys.secret(name="empty")
    headers = {"content-type": "application/octet-stream"}
    told(await keys.call("PUT", f"/secrets/{id}", b"x" * 20_001, headers=headers), 413)
    assert "No data supplied" in told(await keys.call("PUT", f"/secrets/{id}", b"", headers=headers), 400)
    told(await keys.call("PUT", f"/secrets/{id}", {"a": 1}), 415)
    told(await keys.call("POST", "/secrets", b"x", headers={"content-type": "text/plain"}), 415)
    assert (await keys.call("PUT", f"/secrets/{id}", b"x" * 20_000, headers=headers)).status == 204
    assert (await keys.payload(id)).raw == b"x" * 20_000


async def test_a_secret_that_has_expired_is_not_there_and_takes_no_room(keys: KeyCloud) -> None:
    id = await keys.secret(expiration=at(keys, 60), **TEXT)
    kept = await keys.secret(**TEXT)
    container = await keys.container(type="generic", secret_refs=[{"name": "a", "secret_ref": keys.ref(id)}])
    keys.clock.passed_s += 61
    assert told(await keys.call("GET", f"/secrets/{id}"), 404) == "Secret not found."
    told(await keys.payload(id), 404)
    assert [id_of(one["secret_ref"]) for one in (await keys.call("GET", "/secrets")).ok("secrets")] == [kept]
    await keys.secret(**TEXT)
    async with keys.store.read() as tx:
        row = await tx.row("SELECT used FROM quota_usages WHERE resource = 'secrets'")
        assert row is not None and row[0] == 2
    assert (await keys.call("GET", f"/containers/{container}")).ok("secret_refs") == []


async def test_secrets_are_found_by_what_they_are(keys: KeyCloud) -> None:
    await keys.secret(name="a", **AES, **BINARY)
    await keys.secret(name="b", secret_type="passphrase", **TEXT)
    await keys.secret(name="c", expiration=at(keys, 60), **AES | {"bit_length": 128})

    async def named(**query: Any) -> str:
        return "".join(one["name"] for one in (await keys.call("GET", "/secrets", **query)).ok("secrets"))

    assert await named() == "abc"
    assert await named(name="b") == "b"
    assert await named(alg="aes") == "ac"
    assert await named(bits="128") == "c"
    assert await named(bits="many") == "abc"
    assert await named(mode="cbc", bits="256") == "a"
    assert await named(secret_type="passphrase") == "b"
    assert await named(sort="name:desc") == "cba"
    assert await named(sort="bit_length:desc,name") == "acb"
    assert await named(sort="status,created:desc") == "cba"
    assert await named(created=f"gt:{at(keys, -60)},lt:{at(keys, 60)}") == "abc"
    assert await named(updated=f"lte:{at(keys, -60)}") == ""
    assert await named(expiration=f"gte:{at(keys, 30)}") == "c"
    odd: tuple[dict[str, Any], ...] = (
        {"created": "gt:yesterday"},
        {"created": f"gt:{at(keys, 0)},gte:{at(keys, 0)}"},
        {"sort": "love"},
        {"sort": "name:up"},
        {"sort": "name,name"},
    )
    for query in odd:
        assert "invalid query string" in told(await keys.call("GET", "/secrets", **query), 400)


async def test_a_list_comes_in_pages_that_name_those_beside_them(keys: KeyCloud) -> None:
    for n in range(5):
        await keys.secret(name=f"s{n}", **TEXT)
    page = (await keys.call("GET", "/secrets", limit=2, offset=2, secret_type="opaque")).ok()
    assert [one["name"] for one in page["secrets"]] == ["s2", "s3"] and page["total"] == 5
    base = "http://cloud:8774/key-manager/v1/secrets"
    assert page["previous"] == f"{base}?limit=2&offset=0&secret_type=opaque"
    assert page["next"] == f"{base}?limit=2&offset=4&secret_type=opaque"
    last = (await keys.call("GET", "/secrets", limit=2, offset=4)).ok()
    assert "next" not in last and "previous" in last
    odd = (await keys.call("GET", "/secrets", limit="many", offset="-1")).ok()
    assert len(odd["secrets"]) == 5


async def test_notes_about_a_secret(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    path = f"/secrets/{id}/metadata"
    assert (await keys.call("GET", path)).ok() == {"metadata": {}}
    put = await keys.call("PUT", path, {"metadata": {"Description": "d", "geo": "x"}})
    assert put.status == 201 and put.body == {"metadata_ref": f"{keys.ref(id)}/metadata"}
    assert (await keys.call("GET", path)).ok("metadata") == {"description": "d", "geo": "x"}
    made = await keys.call("POST", f"{path}/", {"key": "Access-Limit", "value": "11"})
    assert made.status == 201 and made.body == {"key": "access-limit", "value": "11"}
    assert made.headers["location"] == f"{keys.ref(id)}/metadata/access-limit"
    assert "already in the secret metadata" in told(await keys.call("POST", path, {"key": "geo", "value": "y"}), 409)
    changed = await keys.call("PUT", f"{path}/geo", {"key": "geo", "value": "y"})
    assert changed.status == 200 and changed.body == {"key": "geo", "value": "y"}
    assert (await keys.call("GET", f"{path}/geo")).ok() == {"key": "geo", "value": "y"}
    told(await keys.call("PUT", f"{path}/geo", {"key": "other", "value": "y"}), 409)
    assert told(await keys.call("GET", f"{path}/none"), 404) == "Secret metadata not found."
    told(await keys.call("PUT", f"{path}/none", {"key": "none", "value": "y"}), 404)
    told(await keys.call("DELETE", f"{path}/none"), 404)
    assert (await keys.call("DELETE", f"{path}/geo")).status == 204
    assert "must be Strings" in told(await keys.call("PUT", path, {"metadata": {"a": 1}}), 400)
    assert "URL safe" in told(await keys.call("PUT", path, {"metadata": {"a b": "c"}}), 400)
    told(await keys.call("POST", path, {"key": "a", "value": "b", "more": "c"}), 400)
    many = {f"k{n}": "v" for n in range(129)}
    assert "128" in told(await keys.call("PUT", path, {"metadata": many}), 400)


async def test_who_uses_a_secret_says_so_and_keeps_it(keys: KeyCloud) -> None:
    id = await keys.secret(**TEXT)
    path = f"/secrets/{id}/consumers"
    use = {"service": "volume", "resource_type": "volumes", "resource_id": "v1"}
    for _ in range(2):
        shown = (await keys.call("POST", path, use)).ok()
        assert shown["consumers"] == [use] and shown["secret_ref"] == keys.ref(id)
    listed = (await keys.call("GET", path)).ok()
    assert listed["total"] == 1 and listed["consumers"][0]["resource_id"] == "v1"
    assert "has consumers" in told(await keys.call("DELETE", f"/secrets/{id}"), 400)
    told(await keys.call("DELETE", f"/secrets/{id}", force="perhaps"), 400)
    told(await keys.call("DELETE", path, use | {"resource_id": "v2"}), 404)
    assert (await keys.call("DELETE", path, use)).ok("consumers") == []
    await keys.call("POST", path, use)
    assert (await keys.call("DELETE", f"/secrets/{id}", version="1.1")).status == 204
    used = await keys.secret(**TEXT)
    await keys.call("POST", f"/secrets/{used}/consumers", use)
    assert (await keys.call("DELETE", f"/secrets/{used}", force="true")).status == 204
    async with keys.store.read() as tx:
        for table in ("stored_secrets", "secret_consumers"):
            assert await tx.rows(f"SELECT id FROM {table}") == []
        assert all(row[0] == 0 for row in await tx.rows("SELECT used FROM quota_usages"))


async def test_what_is_not_there_is_said_to_be_not_there(keys: KeyCloud) -> None:
    assert told(await keys.call("GET", f"/secrets/{NOBODY}"), 404) == "Secret not found."
    assert "id is invalid" in told(await keys.call("GET", "/secrets/nonsense"), 404)
    told(await keys.call("DELETE", f"/secrets/{NOBODY}"), 404)
    told(await keys.call("GET", f"/secrets/{await keys.secret(**TEXT)}/nothing"), 404)
    assert "405" not in told(await keys.call("PUT", "/secrets"), 405)
