"""External networks and their policies, and what is shared with whom: as upstream has it."""

from dataclasses import replace

import pytest
from tests.api.network.network_cloud import Client, Cloud
from tests.api.one_service import MINE, THEIRS


async def _policy(client: Client, kind: str, id: str, target: str, action: str = "access_as_shared") -> str:
    words = {"object_type": kind, "object_id": id, "action": action, "target_tenant": target}
    return str((await client.make("rbac_policy", **words))["id"])


async def _is_external(here: Cloud, network: str) -> bool:
    return bool((await here.admin.get(f"networks/{network}"))["network"]["router:external"])


async def test_the_first_policy_makes_a_network_external_and_the_last_one_internal_again(here: Cloud) -> None:
    network, _ = await here.admin.network("198.51.100.0/24")
    (await here.theirs.call("GET", f"/v2.0/networks/{network}")).refused(404)
    first = await _policy(here.admin, "network", network, THEIRS, "access_as_external")
    second = await _policy(here.admin, "network", network, MINE, "access_as_external")
    assert await _is_external(here, network)
    assert (await here.theirs.get(f"networks/{network}"))["network"]["router:external"] is True
    router = await here.theirs.make("router", external_gateway_info={"network_id": network})
    (await here.admin.call("DELETE", f"/v2.0/rbac-policies/{first}")).refused(409, "RbacPolicyInUse")
    await here.admin.drop(f"rbac-policies/{second}")
    await here.theirs.drop(f"routers/{router['id']}")
    await here.admin.drop(f"rbac-policies/{first}")
    assert not await _is_external(here, network)
    (await here.theirs.call("GET", f"/v2.0/networks/{network}")).refused(404)


async def test_a_policy_may_change_its_target_to_who_uses_the_network(here: Cloud) -> None:
    network, _ = await here.admin.network("198.51.100.0/24", router__external=True)
    await here.theirs.make("router", external_gateway_info={"network_id": network})
    found = (await here.admin.get(f"rbac-policies?object_id={network}"))["rbac_policies"]
    policy = found[0]["id"]
    path = f"/v2.0/rbac-policies/{policy}"
    refused = await here.admin.call("PUT", path, {"rbac_policy": {"target_tenant": MINE}})
    refused.refused(409, "RbacPolicyInUse")
    (await here.admin.call("PUT", path, {"rbac_policy": {"target_tenant": THEIRS}})).ok()
    (await here.mine.call("GET", f"/v2.0/networks/{network}")).refused(404)


async def test_owners_gateways_keep_the_last_policy_too(here: Cloud) -> None:
    network, _ = await here.mine.network("198.51.100.0/24")
    policy = await _policy(here.mine, "network", network, THEIRS, "access_as_external")
    await here.mine.make("router", external_gateway_info={"network_id": network})
    (await here.mine.call("DELETE", f"/v2.0/rbac-policies/{policy}")).refused(409, "RbacPolicyInUse")
    assert await _is_external(here, network)


async def test_a_member_shares_its_own_network_with_a_project_it_names_and_with_nobody_else(here: Cloud) -> None:
    network, _ = await here.mine.network()
    for action in ("access_as_shared", "access_as_external"):
        await _policy(here.mine, "network", network, THEIRS, action)
        words = {"object_type": "network", "object_id": network, "action": action}
        body = {"rbac_policy": words | {"target_tenant": "*"}}
        (await here.mine.call("POST", "/v2.0/rbac-policies", body)).refused(403, "PolicyNotAuthorized")
        body = {"rbac_policy": words | {"target_tenant": "3" * 32}}
        assert (await here.theirs.call("POST", "/v2.0/rbac-policies", body)).status in (400, 404)
    assert (await here.theirs.get(f"networks/{network}"))["network"]["shared"] is True


async def test_an_internal_network_has_no_policy_that_says_otherwise(here: Cloud) -> None:
    network, _ = await here.admin.network("198.51.100.0/24", router__external=True)
    await _policy(here.admin, "network", network, THEIRS, "access_as_external")
    router = await here.theirs.make("router", external_gateway_info={"network_id": network})
    body = {"network": {"router:external": False}}
    (await here.admin.call("PUT", f"/v2.0/networks/{network}", body)).refused(409, "ExternalNetworkInUse")
    await here.theirs.drop(f"routers/{router['id']}")
    await here.admin.change("network", network, router__external=False)
    assert (await here.admin.get(f"rbac-policies?object_id={network}"))["rbac_policies"] == []


async def test_the_default_external_network_is_everybodys(here: Cloud) -> None:
    network, _ = await here.admin.network("198.51.100.0/24", router__external=True, is_default=True)
    (policy,) = (await here.admin.get(f"rbac-policies?object_id={network}"))["rbac_policies"]
    (await here.admin.call("DELETE", f"/v2.0/rbac-policies/{policy['id']}")).refused(409, "RbacPolicyInUse")


async def test_a_gateway_waits_for_a_subnet_and_has_an_address_of_it_at_once(here: Cloud) -> None:
    network = (await here.admin.make("network", router__external=True))["id"]
    router = await here.mine.make("router", external_gateway_info={"network_id": network})
    assert router["external_gateway_info"]["external_fixed_ips"] == []
    subnet = (await here.admin.make("subnet", network_id=network, cidr="198.51.100.0/24", ip_version=4))["id"]
    found = (await here.mine.get(f"routers/{router['id']}"))["router"]["external_gateway_info"]
    assert found["external_fixed_ips"] == [{"subnet_id": subnet, "ip_address": "198.51.100.2"}]
    (port,) = (await here.admin.get(f"ports?device_id={router['id']}"))["ports"]
    assert port["fixed_ips"] == found["external_fixed_ips"]


async def test_a_floating_ip_leads_to_no_port_of_another_project(here: Cloud) -> None:
    """Also where one has the network that the port is on, and so sees it."""
    outside, _ = await here.admin.network("198.51.100.0/24", router__external=True)
    network, subnet = await here.mine.network()
    await _policy(here.mine, "network", network, THEIRS)
    router = (await here.mine.make("router", external_gateway_info={"network_id": outside}))["id"]
    (await here.mine.call("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})).ok()
    port = (await here.theirs.make("port", network_id=network))["id"]
    body = {"floatingip": {"floating_network_id": outside, "port_id": port}}
    (await here.mine.call("POST", "/v2.0/floatingips", body)).refused(400, "BadRequest")
    floating = (await here.mine.make("floatingip", floating_network_id=outside))["id"]
    tied = await here.mine.call("PUT", f"/v2.0/floatingips/{floating}", {"floatingip": {"port_id": port}})
    tied.refused(400, "BadRequest")


async def test_a_pool_is_shared_only_with_who_reaches_its_scope(here: Cloud) -> None:
    scope = (await here.mine.make("address_scope", name="s", ip_version=4))["id"]
    pool = await here.mine.make("subnetpool", name="p", prefixes=["10.0.0.0/8"], address_scope_id=scope)
    words = {"object_type": "subnetpool", "object_id": pool["id"], "target_tenant": THEIRS}
    words["action"] = "access_as_shared"
    (await here.mine.call("POST", "/v2.0/rbac-policies", {"rbac_policy": words})).refused(400, "RbacPolicyInitError")
    await _policy(here.mine, "address_scope", scope, THEIRS)
    policy = await _policy(here.mine, "subnetpool", pool["id"], THEIRS)
    path = f"/v2.0/rbac-policies/{policy}"
    refused = await here.mine.call("PUT", path, {"rbac_policy": {"target_tenant": "3" * 32}})
    refused.refused(400, "RbacPolicyInitError")
    other = (await here.mine.make("address_scope", name="t", ip_version=4))["id"]
    moved = await here.mine.call("PUT", f"/v2.0/subnetpools/{pool['id']}", {"subnetpool": {"address_scope_id": other}})
    moved.refused(400, "IllegalSubnetPoolAssociationToAddressScope")


async def test_the_gateway_address_of_anothers_network_is_not_for_ones_router(here: Cloud) -> None:
    """Whoever had it had all that leaves the network. A port of one's own may be added; it announces nothing."""
    network, subnet = await here.mine.network()
    await _policy(here.mine, "network", network, THEIRS)
    router = (await here.theirs.make("router"))["id"]
    path = f"/v2.0/routers/{router}/add_router_interface"
    (await here.theirs.call("PUT", path, {"subnet_id": subnet})).refused(403, "PolicyNotAuthorized")
    port = (await here.theirs.make("port", network_id=network))["id"]
    (await here.theirs.call("PUT", path, {"port_id": port})).ok()
    (await here.mine.call("PUT", f"/v2.0/routers/{(await here.mine.make('router'))['id']}/add_router_interface",
                          {"subnet_id": subnet})).ok()  # fmt: skip


@pytest.mark.parametrize("mtu", [1, 68, 1280, 1442])
async def test_a_bare_network_has_any_mtu_that_can_be_carried(here: Cloud, mtu: int) -> None:
    network = await here.mine.make("network", mtu=mtu)
    assert network["mtu"] == mtu
    assert (await here.mine.change("network", network["id"], mtu=mtu))["mtu"] == mtu
    assert (await here.mine.change("network", network["id"], mtu=0))["mtu"] == 1442


async def test_an_mtu_is_one_that_the_subnets_can_live_with(here: Cloud) -> None:
    for mtu in (-1, 1443, 9000):
        (await here.mine.call("POST", "/v2.0/networks", {"network": {"mtu": mtu}})).refused(400, "InvalidInput")
    for cidr, least in (("10.0.0.0/24", 68), ("fd00::/64", 1280)):
        network, _ = await here.mine.network(cidr)
        path = f"/v2.0/networks/{network}"
        (await here.mine.call("PUT", path, {"network": {"mtu": 9000}})).refused(400, "InvalidInput")
        (await here.mine.call("PUT", path, {"network": {"mtu": least - 1}})).refused(409, "NetworkMTUSubnetConflict")
        assert (await here.mine.change("network", network, mtu=least))["mtu"] == least
        small = (await here.mine.make("network", mtu=least - 1))["id"]
        body = {"subnet": {"network_id": small, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4}}
        (await here.mine.call("POST", "/v2.0/subnets", body)).refused(409, "NetworkMTUSubnetConflict")


async def test_an_operator_chooses_which_tunnel_carries_a_network(here: Cloud) -> None:
    made = await here.admin.make("network", provider__network_type="vxlan", provider__segmentation_id=7)
    assert (made["provider:network_type"], made["provider:segmentation_id"], made["mtu"]) == ("vxlan", 7, 1450)
    body = {"network": {"provider:network_type": "vxlan", "provider:segmentation_id": 7}}
    (await here.admin.call("POST", "/v2.0/networks", body)).refused(409, "TunnelIdInUse")
    assert (await here.admin.make("network", provider__network_type="geneve"))["mtu"] == 1442
    for kind in ("gre", "local"):
        (await here.admin.call("POST", "/v2.0/networks", {"network": {"provider:network_type": kind}})).refused(400)


async def test_an_operator_bridges_to_the_physical_networks_that_there_are(here: Cloud) -> None:
    """Flat and by VLAN, on several; what nobody bridges to is refused, and so is what one network cannot be."""
    here.parts.settings = replace(here.parts.settings, physical_networks="lab:eth1,wan:eth2")
    admin = here.admin
    for physical in ("public", "lab", "wan"):
        words = {"provider__network_type": "vlan", "provider__physical_network": physical}
        made = [await admin.make("network", **words) for _ in range(2)]
        assert [each["provider:segmentation_id"] for each in made] == [1, 2]
        words["provider__network_type"] = "flat"
        assert (await admin.make("network", **words))["provider:physical_network"] == physical
        body = {"network": {name.replace("__", ":"): value for name, value in words.items()}}
        (await admin.call("POST", "/v2.0/networks", body)).refused(409, "FlatNetworkInUse")
    for kind in ("flat", "vlan"):
        body = {"network": {"provider:network_type": kind, "provider:physical_network": "other"}}
        (await admin.call("POST", "/v2.0/networks", body)).refused(400, "InvalidInput")
    segment = {"provider:network_type": "vlan", "provider:physical_network": "lab", "provider:segmentation_id": 9}
    many = await admin.call("POST", "/v2.0/networks", {"network": {"segments": [segment, segment]}})
    assert "one segment" in many.refused(400, "InvalidInput")
    (await here.mine.call("POST", "/v2.0/networks", {"network": {"segments": [segment]}})).refused(403)
