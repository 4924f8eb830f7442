"""The catalog: services, endpoints, regions, who sees which, and how a client finds its way in."""

import pytest
from tests.api.identity.identity_cloud import Cloud, NewCloud

from trivet.settings import Settings


async def _service(identity: Cloud) -> tuple[str, str]:
    """(service id, id of its public endpoint)"""
    service = await identity.make("service", "services", type="alarms", name="x")
    endpoint = await identity.make(
        "endpoint", "endpoints", service_id=service["id"], interface="public", url="http://x/$(project_id)s", region="R"
    )
    return service["id"], endpoint["id"]


async def _types(identity: Cloud, token: str) -> dict[str, list[str]]:
    catalog = (await identity.get("/identity/v3/auth/catalog", token=token)).body["catalog"]
    return {entry["type"]: [endpoint["url"] for endpoint in entry["endpoints"]] for entry in catalog}


async def test_the_ways_in_are_told_without_a_token(identity: Cloud) -> None:
    versions = await identity.get("/identity", token=None)
    assert versions.status == 300
    assert versions.body["versions"]["values"][0]["links"][0]["href"] == "http://cloud:8774/identity/v3/"
    version = (await identity.get("/identity/v3/", token=None)).body["version"]
    assert (version["id"], version["status"]) == ("v3.14", "stable")
    assert version["media-types"][0]["type"] == "application/vnd.openstack.identity-v3+json"
    home = await identity.get("/identity/v3", token=None, headers={"accept": "application/json-home"})
    assert home.headers["content-type"] == "application/json-home"


async def test_the_catalog_follows_the_address_of_the_cloud(new_identity: NewCloud) -> None:
    identity = await new_identity(Settings(public_url="https://cloud.example.org"))
    urls = [url for urls in (await _types(identity, identity.admin)).values() for url in urls]
    assert urls and all(url.startswith("https://cloud.example.org/") for url in urls)
    identity.parts.settings = Settings(listen="127.0.0.1:9999")
    identity.parts.identity_memory.forget()
    urls = [url for urls in (await _types(identity, identity.admin)).values() for url in urls]
    assert all(url.startswith("http://127.0.0.1:9999/") for url in urls)


async def test_a_new_endpoint_is_in_the_catalog_at_once_with_the_project_in_its_url(identity: Cloud) -> None:
    assert "alarms" not in await _types(identity, identity.admin)
    _, endpoint_id = await _service(identity)
    assert (await _types(identity, identity.admin))["alarms"] == [f"http://x/{identity.project_id}"]
    path = f"/identity/v3/endpoints/{endpoint_id}"
    shown = (await identity.get(path)).body["endpoint"]
    assert shown["url"] == "http://x/$(project_id)s"
    assert shown["region_id"] == shown["region"] == "R"
    await identity.call("PATCH", path, {"endpoint": {"enabled": False}})
    assert (await _types(identity, identity.admin))["alarms"] == []


async def test_a_deleted_service_takes_its_endpoints_with_it(identity: Cloud) -> None:
    service_id, endpoint_id = await _service(identity)
    assert (await identity.call("DELETE", f"/identity/v3/services/{service_id}")).status == 204
    assert (await identity.get(f"/identity/v3/endpoints/{endpoint_id}")).status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"service_id": "absent"},
        {"region_id": "absent"},
        {"interface": "side"},
        {"url": "no url"},
        {"url": "http://x/$(secret)s"},
        {"enabled": "yes"},
    ],
)
async def test_an_endpoint_is_of_a_service_and_somewhere_real(identity: Cloud, change: dict[str, str]) -> None:
    service_id, _ = await _service(identity)
    fields = {"service_id": service_id, "interface": "public", "url": "http://x", **change}
    assert (await identity.call("POST", "/identity/v3/endpoints", {"endpoint": fields})).status == 400


async def test_a_project_sees_only_what_it_was_given_once_it_was_given_something(identity: Cloud) -> None:
    service_id, endpoint_id = await _service(identity)
    path = f"/identity/v3/OS-EP-FILTER/projects/{identity.project_id}/endpoints/{endpoint_id}"
    assert (await identity.call("HEAD", path)).status == 404
    assert (await identity.call("PUT", path)).status == 204
    assert (await identity.call("HEAD", path)).status == 204
    assert list(await _types(identity, identity.admin)) == ["alarms"]
    group = await identity.make(
        "endpoint_group", "OS-EP-FILTER/endpoint_groups", name="g", filters={"interface": "admin"}
    )
    given = f"/identity/v3/OS-EP-FILTER/endpoint_groups/{group['id']}/projects/{identity.project_id}"
    assert (await identity.call("PUT", given)).status == 204
    assert set(await _types(identity, identity.admin)) == {
        "alarms",
        "baremetal",
        "block-storage",
        "compute",
        "container",
        "container-registry",
        "identity",
        "image",
        "instance-ha",
        "key-manager",
        "network",
        "nfv-vnffm",
        "object-store",
        "placement",
        "s3",
        "volumev3",
    }
    listed = await identity.get(f"/identity/v3/OS-EP-FILTER/projects/{identity.project_id}/endpoint_groups")
    assert [one["id"] for one in listed.body["endpoint_groups"]] == [group["id"]]
    assert (await identity.call("DELETE", given)).status == 204
    assert (await identity.call("DELETE", path)).status == 204
    assert len(await _types(identity, identity.admin)) == 16
    bad = {"endpoint_group": {"name": "g", "filters": {"color": "red"}}}
    assert (await identity.call("POST", "/identity/v3/OS-EP-FILTER/endpoint_groups", bad)).status == 400
    assert service_id


async def test_regions_form_a_tree_without_circles(identity: Cloud) -> None:
    top = await identity.make("region", "regions", id="top")
    below = await identity.make("region", "regions", parent_region_id="top", description="d")
    assert top["description"] == ""
    assert (await identity.call("POST", "/identity/v3/regions", {"region": {"id": "top"}})).status == 409
    change = {"region": {"parent_region_id": below["id"]}}
    assert (await identity.call("PATCH", "/identity/v3/regions/top", change)).status == 400
    listed = await identity.get("/identity/v3/regions?parent_region_id=top")
    assert [one["id"] for one in listed.body["regions"]] == [below["id"]]
    assert (await identity.call("DELETE", "/identity/v3/regions/RegionOne")).status == 403
    assert (await identity.call("DELETE", "/identity/v3/regions/top")).status == 204
    assert (await identity.get(f"/identity/v3/regions/{below['id']}")).status == 404


async def test_the_nearest_policy_of_an_endpoint_wins(identity: Cloud) -> None:
    service_id, endpoint_id = await _service(identity)
    policies = [await identity.make("policy", "policies", type="text", blob={"n": n}) for n in range(3)]
    for n, target in enumerate(
        (f"services/{service_id}", f"services/{service_id}/regions/R", f"endpoints/{endpoint_id}")
    ):
        path = f"/identity/v3/policies/{policies[n]['id']}/OS-ENDPOINT-POLICY/{target}"
        assert (await identity.call("PUT", path)).status == 204
        assert (await identity.get(path)).status == 204
        found = await identity.get(f"/identity/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy")
        assert found.body["policy"] == policies[n]
        listed = await identity.get(f"/identity/v3/policies/{policies[n]['id']}/OS-ENDPOINT-POLICY/endpoints")
        assert [one["id"] for one in listed.body["endpoints"]] == [endpoint_id]
    assert (await identity.call("DELETE", path)).status == 204
    assert (await identity.call("DELETE", path)).status == 204, "as upstream: gone already"


async def test_a_domain_keeps_options_of_its_own_sealed(identity: Cloud) -> None:
    path = "/identity/v3/domains/default/config"
    config = {"config": {"ldap": {"url": "ldap://x", "password": "hush"}, "identity": {"driver": "ldap"}}}
    assert (await identity.get(path)).status == 404
    made = await identity.call("PUT", path, config)
    assert made.status == 201
    assert b"hush" not in made.raw
    assert (await identity.call("PUT", path, config)).status == 200
    assert (await identity.get(f"{path}/ldap/url")).body == {"config": {"url": "ldap://x"}}
    change = {"config": {"ldap": {"url": "ldap://y"}}}
    assert (await identity.call("PATCH", f"{path}/ldap", change)).body["config"]["ldap"]["url"] == "ldap://y"
    assert (await identity.call("DELETE", f"{path}/identity")).status == 204
    assert (await identity.get(f"{path}/identity")).status == 404
    assert (await identity.call("PUT", path, {"config": {"nonsense": {"x": 1}}})).status == 403
    assert (await identity.get("/identity/v3/domains/config/ldap/url/default")).status == 200
    assert (await identity.call("DELETE", path)).status == 204
    assert (await identity.get(path)).status == 404


async def test_federation_objects_are_kept_and_checked(identity: Cloud) -> None:
    root = "/identity/v3/OS-FEDERATION"
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}]
    assert (await identity.call("PUT", f"{root}/mappings/m", {"mapping": {"rules": rules}})).status == 201
    assert (await identity.call("PUT", f"{root}/mappings/n", {"mapping": {"rules": []}})).status == 400
    assert (await identity.call("PUT", f"{root}/mappings/n", {})).status == 400
    wrong = [{"local": [], "remote": [{"type": "x", "whitelist": [], "blacklist": []}]}]
    assert (await identity.call("PUT", f"{root}/mappings/n", {"mapping": {"rules": wrong}})).status == 400
    provider = {"identity_provider": {"remote_ids": ["https://idp"], "enabled": True}}
    made = await identity.call("PUT", f"{root}/identity_providers/idp", provider)
    assert made.status == 201
    assert (await identity.call("PUT", f"{root}/identity_providers/two", provider)).status == 409
    path = f"{root}/identity_providers/idp/protocols/saml2"
    assert (await identity.call("PUT", path, {"protocol": {"mapping_id": "absent"}})).status == 400
    assert (await identity.call("PUT", path, {"protocol": {"mapping_id": "m"}})).status == 201
    assert (await identity.get(path)).body["protocol"]["mapping_id"] == "m"
    assert (await identity.get(f"{path}/auth", token=None)).status == 404
    service = {"service_provider": {"auth_url": "https://a/x", "sp_url": "https://a/y", "enabled": True}}
    assert (await identity.call("PUT", f"{root}/service_providers/sp", service)).status == 201
    told = (await identity.login("admin", "secret")).body["token"]["service_providers"]
    assert told == [{"id": "sp", "auth_url": "https://a/x", "sp_url": "https://a/y"}]
    for path in ("service_providers/sp", "identity_providers/idp", "mappings/m"):
        assert (await identity.call("DELETE", f"{root}/{path}")).status == 204
        assert (await identity.get(f"{root}/{path}")).status == 404
