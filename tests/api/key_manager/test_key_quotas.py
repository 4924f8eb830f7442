"""Quotas of the key manager, what it has only one of, and the versions that it speaks."""

from tests.api.key_manager.key_cloud import TEXT, KeyCloud, told
from tests.api.one_service import MINE, THEIRS, ask

ADMIN = ("admin",)


async def test_an_operator_sets_what_a_project_may_keep(keys: KeyCloud) -> None:
    path = f"/project-quotas/{MINE}"
    assert told(await keys.call("GET", path, roles=ADMIN), 404) == "Project quotas not found."
    body = {"project_quotas": {"secrets": 1, "orders": 0, "containers": 1}}
    assert (await keys.call("PUT", path, body, roles=ADMIN)).status == 204
    wanted = {"secrets": 1, "orders": 0, "containers": 1, "consumers": None, "cas": None}
    assert (await keys.call("GET", path, roles=ADMIN)).ok("project_quotas") == wanted
    listed = (await keys.call("GET", "/project-quotas", roles=ADMIN)).ok()
    assert listed == {"project_quotas": [{"project_id": MINE, "project_quotas": wanted}], "total": 1}
    holds = (await keys.call("GET", "/quotas")).ok("quotas")
    assert (holds["secrets"], holds["orders"], holds["cas"]) == (1, 0, -1)
    id = await keys.secret(**TEXT)
    full = "Creation not allowed because a quota has been reached"
    assert full in told(await keys.call("POST", "/secrets", TEXT), 403)
    order = {"type": "key", "meta": {"algorithm": "aes", "bit_length": 128}}
    assert full in told(await keys.call("POST", "/orders", order), 403)
    pair = {"type": "asymmetric", "meta": {"algorithm": "rsa", "bit_length": 4096}}
    assert full in told(await keys.call("POST", "/orders", pair), 403)
    await keys.container(type="generic")
    assert full in told(await keys.call("POST", "/containers", {"type": "generic"}), 403)
    assert (await keys.call("DELETE", f"/secrets/{id}")).status == 204
    await keys.secret(**TEXT)
    await keys.secret(project=THEIRS, **TEXT)
    body = {"project_quotas": {"consumers": 0}}
    assert (await keys.call("PUT", path, body, roles=ADMIN)).status == 204
    used = await keys.secret(**TEXT)
    use = {"service": "s", "resource_type": "t", "resource_id": "i"}
    assert full in told(await keys.call("POST", f"/secrets/{used}/consumers", use), 403)
    assert (await keys.call("DELETE", path, roles=ADMIN)).status == 204
    told(await keys.call("DELETE", path, roles=ADMIN), 404)


async def test_only_an_operator_sets_quotas(keys: KeyCloud) -> None:
    path = f"/project-quotas/{MINE}"
    for method in ("GET", "PUT", "DELETE"):
        told(await keys.call(method, path, {"project_quotas": {}}), 403)
    told(await keys.call("PUT", path, {"project_quotas": {"love": 1}}, roles=ADMIN), 400)
    told(await keys.call("PUT", path, {"project_quotas": {"secrets": "1"}}, roles=ADMIN), 400)
    told(await keys.call("PUT", path, roles=ADMIN), 400)


async def test_what_there_is_one_of_cannot_be_chosen(keys: KeyCloud) -> None:
    for method, path in (
        ("GET", ""), ("GET", "/global-default"), ("GET", "/preferred"), ("GET", f"/{MINE}"),
        ("POST", f"/{MINE}/preferred"), ("DELETE", f"/{MINE}/preferred"),
    ):  # fmt: skip
        assert "Multiple backends support is not enabled" in told(await keys.call(method, f"/secret-stores{path}"), 404)
    assert (await keys.call("GET", "/transport_keys")).ok() == {"transport_keys": [], "total": 0}
    told(await keys.call("GET", "/transport_keys/00000000-0000-4000-8000-000000000000"), 404)


async def test_the_versions_it_speaks(keys: KeyCloud) -> None:
    async def asked(path: str, version: str | None) -> object:
        headers = {"openstack-api-version": f"key-manager {version}"} if version else {}
        answer = await ask(keys.app, "GET", f"/key-manager{path}", headers=headers)
        assert answer.status == (200 if path else 300)
        return answer.body

    older = await asked("", None)
    assert isinstance(older, dict) and older["versions"]["values"][0]["id"] == "v1"
    newer = await asked("", "1.1")
    assert isinstance(newer, dict)
    (version,) = newer["versions"]
    assert (version["min_version"], version["max_version"], version["status"]) == ("1.0", "1.2", "CURRENT")
    assert version["links"][0]["href"] == "http://cloud:8774/key-manager/v1/"
    assert await asked("/v1", "1.2") == {"version": version}
    answer = await ask(keys.app, "GET", "/key-manager/", headers={"openstack-api-version": "key-manager 1.9"})
    assert answer.status == 406
