"""What lists tell of what they do not show. The class: a row that the caller does not see is no marker, and
what he is not shown is neither sorted nor filtered by; else its contents could be told from where it stands."""

import pytest
from tests.api.compute.server_cloud import Cloud as Servers
from tests.api.network.network_cloud import Cloud
from tests.api.one_service import MINE, THEIRS

from trivet.domain.images.images import IMAGES
from trivet.domain.servers.flavors import FLAVORS, Flavor

COLLECTIONS = {
    "networks": "network", "subnets": "subnet", "ports": "port", "routers": "router", "floatingips": "floatingip",
    "security-groups": "security_group", "security-group-rules": "security_group_rule", "subnetpools": "subnetpool",
    "address-scopes": "address_scope", "address-groups": "address_group", "rbac-policies": "rbac_policy",
}  # fmt: skip


async def _one_of_each(here: Cloud) -> dict[str, str]:
    us = here.mine
    network, subnet = await us.network(name="secret")
    outside, _ = await here.admin.network("172.30.0.0/24", router__external=True)
    group = await us.make("security_group", name="secret")
    policy = {"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": MINE}
    pool = {"subnetpool": {"name": "secret", "prefixes": ["10.3.0.0/16"]}}
    return {
        "networks": network,
        "subnets": subnet,
        "ports": (await us.make("port", network_id=network))["id"],
        "routers": (await us.make("router"))["id"],
        "floatingips": (await us.make("floatingip", floating_network_id=outside))["id"],
        "security-groups": group["id"],
        "security-group-rules": group["security_group_rules"][0]["id"],
        "subnetpools": (await us.call("POST", "/v2.0/subnetpools", pool)).ok("subnetpool")["id"],
        "address-scopes": (await us.make("address_scope", name="secret", ip_version=4))["id"],
        "address-groups": (await us.make("address_group", name="secret"))["id"],
        "rbac-policies": (await us.make("rbac_policy", **policy))["id"],
    }


async def test_what_one_does_not_see_is_no_marker(here: Cloud) -> None:
    made = await _one_of_each(here)
    assert made.keys() == COLLECTIONS.keys()
    for plural, id in made.items():
        for query in ("", "&sort_key=id&sort_dir=desc", "&page_reverse=True", "&limit=1"):
            (await here.theirs.call("GET", f"/v2.0/{plural}?marker={id}{query}")).refused(404)
            (await here.mine.call("GET", f"/v2.0/{plural}?marker={id}{query}")).ok()


async def test_a_marker_that_no_longer_passes_the_filter_still_marks_its_place(here: Cloud) -> None:
    ids = sorted([(await here.mine.make("network", name="a"))["id"] for _ in range(3)])
    await here.mine.change("network", ids[0], name="b")
    left = (await here.mine.get(f"networks?name=a&marker={ids[0]}&sort_key=id&sort_dir=asc"))["networks"]
    assert [each["id"] for each in left] == ids[1:]


@pytest.mark.parametrize("name", ["provider:segmentation_id", "provider:network_type", "provider:physical_network"])
async def test_what_one_is_not_shown_is_neither_sorted_nor_filtered_by(here: Cloud, name: str) -> None:
    await here.mine.network()
    for query in (f"sort_key={name}&sort_dir=asc", f"{name}=1"):
        (await here.mine.call("GET", f"/v2.0/networks?{query}")).refused(400)
        (await here.admin.call("GET", f"/v2.0/networks?{query}")).ok()
    (await here.mine.call("GET", "/v2.0/ports?binding:host_id=host0")).refused(400)


SORTS = {
    "networks": ("status", "shared", "availability_zone_hints", "admin_state_up", "mtu", "router:external"),
    "subnets": ("network_id", "gateway_ip", "subnetpool_id", "ipv6_ra_mode", "shared", "segment_id"),
    "ports": ("network_id", "status", "device_id", "mac_address", "trusted"),
    "routers": ("status", "availability_zone_hints"),
    "floatingips": ("router_id", "port_id", "fixed_ip_address", "status", "floating_network_id"),
    "security-groups": ("shared", "stateful"),
    "security-group-rules": ("normalized_cidr", "remote_ip_prefix", "protocol", "port_range_min", "security_group_id"),
    "subnetpools": ("shared", "address_scope_id", "default_quota", "ip_version"),
    "address-scopes": ("shared", "ip_version"),
    "address-groups": ("shared",),
    "rbac-policies": ("object_id", "target_tenant", "action"),
    "network-ip-availabilities": ("network_id", "network_name", "project_id"),
}


@pytest.mark.parametrize("plural", SORTS)
async def test_pages_hold_everything_once_in_every_order(here: Cloud, plural: str) -> None:
    """Also by what is empty in some of the rows: nothing compares with it, unless it has a place."""
    await _one_of_each(here)
    us = here.admin
    await us.network("10.8.0.0/24", shared=True, port_security_enabled=False)
    await us.network("fd00:8::/64")
    everything = {each.get("id") or each["network_id"] for each in (await us.get(plural))[plural.replace("-", "_")]}
    for key in SORTS[plural]:
        for direction in ("asc", "desc"):
            seen: list[str] = []
            while len(seen) <= len(everything):
                marker = f"&marker={seen[-1]}" if seen else ""
                body = await us.get(f"{plural}?sort_key={key}&sort_dir={direction}&limit=1{marker}")
                page = [each.get("id") or each["network_id"] for each in body[plural.replace("-", "_")]]
                if not page:
                    break
                seen += page
            assert sorted(seen) == sorted(everything), (key, direction)


async def test_rules_are_found_by_what_their_block_means(here: Cloud) -> None:
    group = await here.mine.make("security_group", name="g")
    words = {"security_group_id": group["id"], "direction": "ingress", "remote_ip_prefix": "10.0.0.5/24"}
    rule = await here.mine.make("security_group_rule", **words)
    assert rule["normalized_cidr"] == "10.0.0.0/24"
    found = (await here.mine.get("security-group-rules?normalized_cidr=10.0.0.0/24"))["security_group_rules"]
    assert [each["id"] for each in found] == [rule["id"]]


async def test_compute_lists_know_no_marker_that_one_does_not_see() -> None:
    async with Servers() as cloud:
        async with cloud.store.write() as tx:
            private = Flavor(id="secret", name="secret", vcpus=1, ram_mib=64, disk_gib=1, is_public=False, created_at=0)
            await tx.insert(FLAVORS, private)
            image = await cloud.add_image(tx, "secret", "qcow2", "bare", visibility="private", project_id=THEIRS)
            assert await tx.get(IMAGES, image) is not None
        for path in ("/flavors", "/flavors/detail"):
            assert (await cloud.call("GET", path, marker="secret", sort_key="name")).status == 400
        for path in ("/images", "/images/detail"):
            assert (await cloud.call("GET", path, marker=image, version="2.1")).status == 400
        server = await cloud.made()
        theirs = cloud.token(project_id=THEIRS)
        assert (await cloud.call("GET", "/servers", marker=server, token=theirs)).status == 400
