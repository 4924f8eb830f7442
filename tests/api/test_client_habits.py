"""What stock clients say and expect, found by running their own functional suites against this cloud."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.compute import server_cloud
from tests.api.identity.identity_cloud import Cloud as IdentityCloud
from tests.api.image import image_cloud
from tests.api.network.network_cloud import Cloud as NetworkCloud
from tests.api.one_service import THEIRS
from tests.api.placement.placement_cloud import Placement


@pytest.fixture
async def compute(database: str) -> AsyncIterator[server_cloud.Cloud]:
    async with server_cloud.Cloud(database) as cloud:
        yield cloud


@pytest.fixture
async def image(database: str, tmp_path: Path) -> AsyncIterator[image_cloud.Cloud]:
    async with image_cloud.Cloud(tmp_path / "blobs", database) as cloud:
        yield cloud


# -- identity


async def test_a_tag_that_a_project_has_is_not_added_again(identity: IdentityCloud) -> None:
    path = f"/identity/v3/projects/{identity.project_id}/tags"
    assert (await identity.call("PUT", f"{path}/red")).status == 201
    assert (await identity.call("PUT", f"{path}/red")).status == 400
    assert (await identity.get(path)).body["tags"] == ["red"]


async def test_an_endpoint_names_the_project_in_either_spelling_or_is_not_shown(identity: IdentityCloud) -> None:
    service = await identity.make("service", "services", type="monitoring", name="x")
    for interface, url in (("public", "http://x/%(project_id)s"), ("internal", "http://x/$(tenant_id)s")):
        said = {"service_id": service["id"], "interface": interface, "url": url, "region": "R"}
        await identity.make("endpoint", "endpoints", **said)

    async def ways(token: str) -> dict[str, str]:
        catalog = (await identity.get("/identity/v3/auth/catalog", token=token)).body["catalog"]
        (entry,) = [entry for entry in catalog if entry["type"] == "monitoring"]
        return {endpoint["interface"]: endpoint["url"] for endpoint in entry["endpoints"]}

    mine = f"http://x/{identity.project_id}"
    assert await ways(identity.admin) == {"public": mine, "internal": mine}
    assert await ways(await identity.token("admin", "secret", {"system": {"all": True}})) == {}


async def test_filters_of_an_endpoint_group_are_replaced(identity: IdentityCloud) -> None:
    words = {"name": "g", "filters": {"interface": "admin"}}
    made = await identity.make("endpoint_group", "OS-EP-FILTER/endpoint_groups", **words)
    path = f"/identity/v3/OS-EP-FILTER/endpoint_groups/{made['id']}"
    for filters in ({"region_id": "R"}, {}):
        (await identity.call("PATCH", path, {"endpoint_group": {"filters": filters}})).ok()
        assert (await identity.get(path)).body["endpoint_group"]["filters"] == filters


async def test_a_mapping_may_leave_the_version_of_its_schema_to_us(identity: IdentityCloud) -> None:
    """Ansible says null."""
    path = "/identity/v3/OS-FEDERATION/mappings/m"
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]

    async def said(method: str, **words: object) -> str:
        answer = await identity.call(method, path, {"mapping": {"rules": rules, **words}})
        return str(answer.ok("mapping")["schema_version"])

    assert await said("PUT", schema_version=None) == "1.0"
    assert await said("PATCH", schema_version="2.0") == "2.0"
    assert await said("PATCH", schema_version=None) == "2.0"
    assert await said("PATCH") == "2.0"


# -- compute


async def set_times(cloud: server_cloud.Cloud, table: str, at: float) -> None:
    async with cloud.store.write() as tx:
        await tx.run(f"UPDATE {table} SET updated_at = ?", at)


async def test_the_time_that_a_server_shows_finds_it_again(compute: server_cloud.Cloud) -> None:
    """Times are kept finer than they are shown, and clients ask with what they were shown."""
    id = await compute.made()
    await set_times(compute, "servers", 1_700_000_000.75)
    shown = (await compute.show(id))["updated"]
    assert shown == "2023-11-14T22:13:20Z"
    for name, other in (("changes-since", "2023-11-14T22:13:21Z"), ("changes-before", "2023-11-14T22:13:19Z")):
        found = (await compute.call("GET", "/servers", **{name: shown})).ok()["servers"]
        assert [server["id"] for server in found] == [id], name
        assert (await compute.call("GET", "/servers", **{name: other})).ok()["servers"] == [], name


@pytest.mark.parametrize("at", [1_700_000_000.1234564, 1_700_000_000.1234566])
async def test_the_time_that_an_action_shows_finds_it_again(compute: server_cloud.Cloud, at: float) -> None:
    """Whether it was rounded up or down."""
    path = f"/servers/{await compute.made()}/os-instance-actions"
    await set_times(compute, "server_actions", at)
    (action,) = (await compute.call("GET", path)).ok()["instanceActions"]
    for name in ("changes-since", "changes-before"):
        found = (await compute.call("GET", path, **{name: action["updated_at"]})).ok()["instanceActions"]
        assert found == [action], name


@pytest.mark.parametrize("type", ["rdp-html5", "spice-html5", "webmks"])
async def test_a_type_of_console_that_is_not_here_is_a_bad_request_in_both_spellings(
    compute: server_cloud.Cloud, type: str
) -> None:
    id = await compute.made()
    name = type.partition("-")[0]
    asked = {"remote_console": {"protocol": name.removeprefix("web"), "type": type}}
    assert "VNC" in (await compute.call("POST", f"/servers/{id}/remote-consoles", asked)).refused(400)
    if name != "webmks":
        assert "VNC" in (await compute.act(id, f"os-get{name.upper()}Console", {"type": type}, version="2.5")).refused(
            400
        )


async def test_a_quota_class_of_another_name_keeps_its_numbers_and_binds_nobody(compute: server_cloud.Cloud) -> None:
    admin = compute.token("admin")
    path, ours = "/os-quota-class-sets/gold", "/os-quota-class-sets/default"

    async def shown(path: str, version: str = "2.104") -> dict[str, int]:
        found: dict[str, int] = (await compute.call("GET", path, token=admin, version=version)).ok()["quota_class_set"]
        return {name: limit for name, limit in found.items() if name != "id"}

    before = await shown(ours)
    assert await shown(path) == before
    for version, words in (("2.1", {"ram": 99, "server_groups": 98}), ("2.49", {"floating_ips": 97})):
        (await compute.call("PUT", path, {"quota_class_set": words}, token=admin, version=version)).ok()
    assert await shown(ours) == before
    assert await shown(path) == before | {"ram": 99, "server_groups": 98}
    early = await shown(path, "2.49")
    assert early["floating_ips"] == 97 and "server_groups" not in early
    late = {"quota_class_set": {"floating_ips": 1}}
    (await compute.call("PUT", path, late, token=admin, version="2.50")).refused(400)
    await compute.made()


# -- network


async def test_service_providers_can_be_asked_for_by_type(here: NetworkCloud) -> None:
    """The SDK's project cleanup asks whether there is a VPN service before it looks for what to clean there."""
    assert (await here.mine.get("service-providers?service_type=VPN"))["service_providers"] == []
    (found,) = (await here.mine.get("service-providers?service_type=L3_ROUTER_NAT&default=true"))["service_providers"]
    assert found["name"] == "ovn"
    (await here.mine.call("GET", "/v2.0/service-providers?colour=red")).refused(400)


async def test_several_tags_are_added_at_once_where_the_extension_says_so(here: NetworkCloud) -> None:
    assert (await here.mine.get("extensions/tag-creation"))["extension"]["alias"] == "tag-creation"
    network = await here.mine.make("network")
    path = f"/v2.0/networks/{network['id']}/tags"
    (await here.mine.call("PUT", f"{path}/old")).ok()
    (await here.mine.call("POST", path, {"tags": ["new", "newer"]})).ok()
    assert (await here.mine.call("GET", path)).ok() == {"tags": ["new", "newer", "old"]}


# -- image


async def test_a_membership_may_be_answered_with_its_name_again(image: image_cloud.Cloud) -> None:
    """The SDK sends the whole member when it accepts one."""
    members = f"/v2/images/{(await image.create(visibility='shared'))['id']}/members"
    (await image.call("POST", members, {"member": THEIRS})).ok()
    words = {"member": THEIRS, "status": "accepted"}
    accepted = (await image.call("PUT", f"{members}/{THEIRS}", words, who="stranger")).ok()
    assert accepted["status"] == "accepted"


async def test_a_resource_type_that_was_associated_is_listed(image: image_cloud.Cloud) -> None:
    for name, visibility in (("open", "public"), ("closed", "private")):
        said = {"namespace": name, "visibility": visibility, "resource_type_associations": [{"name": f"My::{name}"}]}
        (await image.call("POST", "/v2/metadefs/namespaces", said, who="admin")).ok()

    async def names(who: str) -> list[str]:
        found = (await image.call("GET", "/v2/metadefs/resource_types", who=who)).ok()["resource_types"]
        return [one["name"] for one in found]

    assert "OS::Nova::Server" in await names("member")
    # Glance keeps the types apart from the namespaces, so that all see all of them.
    for who in ("admin", "member"):
        assert {"My::open", "My::closed"} <= set(await names(who))


# -- placement


async def test_aggregates_are_shown_as_they_were_said_and_found_in_either_spelling(placement: Placement) -> None:
    dashed, bare = placement.new_id(), placement.new_id().replace("-", "")
    id = await placement.provider("h", aggregates=(dashed, bare))
    shown = (await placement.call("GET", f"/resource_providers/{id}/aggregates")).ok()["aggregates"]
    assert sorted(shown) == sorted((dashed, bare))
    usual = f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
    for spelling in (bare, usual, usual.upper()):
        found = (await placement.call("GET", "/resource_providers", member_of=spelling)).ok()
        assert [one["uuid"] for one in found["resource_providers"]] == [id], spelling
    body = {"aggregates": [bare, usual], "resource_provider_generation": 0}
    assert (await placement.call("PUT", f"/resource_providers/{id}/aggregates", body)).status == 400


async def test_refusals_of_placement_have_the_words_that_its_client_looks_for(placement: Placement) -> None:
    refused = await placement.call("POST", "/resource_classes", {"name": "fake_class"})
    assert refused.status == 400 and "JSON does not validate" in refused.body["errors"][0]["detail"]
    path = f"/resource_providers/{await placement.provider('h')}/aggregates"
    body = {"aggregates": [placement.new_id()], "resource_provider_generation": 99_999}
    refused = await placement.call("PUT", path, body)
    assert refused.status == 409
    assert "Please update the generation and try again." in refused.body["errors"][0]["detail"]


async def test_a_consumer_shows_its_providers_the_oldest_first(placement: Placement) -> None:
    """Clients compare lists; ids are chance."""
    providers = [await placement.provider(f"h{n}", vcpu=1, memory_mb=1) for n in range(8)]
    consumer = placement.new_id()
    amounts = {"VCPU": 1, "MEMORY_MB": 1}
    (await placement.allocate(consumer, None, **{id.replace("-", "_"): amounts for id in reversed(providers)})).ok()
    shown = (await placement.call("GET", f"/allocations/{consumer}")).ok()["allocations"]
    assert list(shown) == providers
    assert [list(held["resources"]) for held in shown.values()] == [["MEMORY_MB", "VCPU"]] * 8
