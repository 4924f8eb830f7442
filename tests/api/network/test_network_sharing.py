"""Who sees and changes what: three projects, one of them the operator's."""

from tests.api.network.network_cloud import Cloud
from tests.api.one_service import MINE, THEIRS


async def test_what_belongs_to_others_is_not_there(here: Cloud) -> None:
    network, subnet = await here.mine.network()
    port = await here.mine.make("port", network_id=network)
    router = await here.mine.make("router", name="r")
    group = await here.mine.make("security_group", name="g")
    rule = group["security_group_rules"][0]
    for path, kind in (
        (f"networks/{network}", "NetworkNotFound"),
        (f"subnets/{subnet}", "SubnetNotFound"),
        (f"ports/{port['id']}", "PortNotFound"),
        (f"routers/{router['id']}", "RouterNotFound"),
        (f"security-groups/{group['id']}", "SecurityGroupNotFound"),
        (f"security-group-rules/{rule['id']}", "SecurityGroupRuleNotFound"),
    ):
        for method in ("GET", "DELETE"):
            (await here.theirs.call(method, f"/v2.0/{path}")).refused(404, kind)
    for plural in ("networks", "subnets", "ports", "routers"):
        assert (await here.theirs.get(plural))[plural] == []
        assert len((await here.admin.get(plural))[plural]) == 1


async def test_a_reader_looks_and_changes_nothing(here: Cloud) -> None:
    network, _ = await here.mine.network()
    reader = here.client(MINE, "reader")
    assert (await reader.get(f"networks/{network}"))["network"]["id"] == network
    (await reader.call("DELETE", f"/v2.0/networks/{network}")).refused(403, "PolicyNotAuthorized")
    (await reader.call("POST", "/v2.0/networks", {"network": {}})).refused(403, "PolicyNotAuthorized")


async def test_a_shared_network_is_seen_and_used_but_not_changed(here: Cloud) -> None:
    network, _ = await here.admin.network(shared=True)
    assert (await here.theirs.get(f"networks/{network}"))["network"]["shared"] is True
    assert len((await here.theirs.get("subnets"))["subnets"]) == 1
    port = await here.theirs.make("port", network_id=network)
    (await here.theirs.call("PUT", f"/v2.0/networks/{network}", {"network": {"name": "x"}})).refused(403)
    # Somebody else relies on it by now.
    (await here.admin.call("PUT", f"/v2.0/networks/{network}", {"network": {"shared": False}})).refused(409)
    await here.theirs.drop(f"ports/{port['id']}")
    assert (await here.admin.change("network", network, shared=False))["shared"] is False
    assert (await here.theirs.get("networks"))["networks"] == []


async def test_on_anothers_network_its_owner_decides_about_addresses(here: Cloud) -> None:
    network, _ = await here.admin.network(shared=True)
    for words in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
        {"port_security_enabled": False},
        {"device_owner": "network:dhcp"},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
    ):
        body = {"port": {"network_id": network} | words}
        (await here.theirs.call("POST", "/v2.0/ports", body)).refused(403, "PolicyNotAuthorized")


async def test_a_policy_shares_with_one_project_and_ends_again(here: Cloud) -> None:
    network, _ = await here.mine.network()
    policy = await here.mine.make(
        "rbac_policy", object_type="network", object_id=network, action="access_as_shared", target_tenant=THEIRS
    )
    assert (await here.theirs.get(f"networks/{network}"))["network"]["shared"] is True
    port = await here.theirs.make("port", network_id=network)
    (await here.mine.call("DELETE", f"/v2.0/rbac-policies/{policy['id']}")).refused(409, "RbacPolicyInUse")
    await here.theirs.drop(f"ports/{port['id']}")
    await here.mine.drop(f"rbac-policies/{policy['id']}")
    (await here.theirs.call("GET", f"/v2.0/networks/{network}")).refused(404)


async def test_an_external_network_is_seen_by_all_but_its_subnets_and_plugs_are_not(here: Cloud) -> None:
    network, _ = await here.admin.network("198.51.100.0/24", router__external=True)
    assert (await here.mine.get("networks?router:external=true"))["networks"][0]["id"] == network
    assert (await here.mine.get("subnets"))["subnets"] == []
    (await here.mine.call("POST", "/v2.0/ports", {"port": {"network_id": network}})).refused(404)


async def test_what_carries_a_network_is_the_operators_to_say_and_to_see(here: Cloud) -> None:
    body = {"network": {"provider:network_type": "flat", "provider:physical_network": "public"}}
    (await here.mine.call("POST", "/v2.0/networks", body)).refused(403, "PolicyNotAuthorized")
    made = (await here.admin.call("POST", "/v2.0/networks", body)).ok("network")
    assert (made["provider:network_type"], made["mtu"]) == ("flat", 1500)
    (await here.admin.call("POST", "/v2.0/networks", body)).refused(409, "FlatNetworkInUse")
    mine = await here.mine.make("network")
    assert "provider:network_type" not in mine
    assert mine["mtu"] == 1442


async def test_only_the_operator_makes_things_for_others(here: Cloud) -> None:
    (await here.mine.call("POST", "/v2.0/networks", {"network": {"project_id": THEIRS}})).refused(400)
    made = await here.admin.make("network", project_id=MINE)
    assert made["tenant_id"] == MINE
    assert (await here.mine.get("networks"))["networks"][0]["id"] == made["id"]


async def test_without_a_token_there_is_nothing(here: Cloud) -> None:
    client = here.mine
    client._token = "nonsense"
    assert (await client.call("GET", "/v2.0/networks")).status == 401
    assert (await client.call("GET", "/")).body["versions"][0]["id"] == "v2.0"


async def test_quotas_are_shown_changed_and_enforced(here: Cloud) -> None:
    (await here.mine.call("PUT", f"/v2.0/quotas/{MINE}", {"quota": {"network": 9}})).refused(403)
    (await here.admin.call("PUT", f"/v2.0/quotas/{MINE}", {"quota": {"network": 1}})).ok()
    assert (await here.mine.get(f"quotas/{MINE}"))["quota"]["network"] == 1
    network = await here.mine.make("network")
    (await here.mine.call("POST", "/v2.0/networks", {"network": {}})).refused(409, "OverQuota")
    details = (await here.mine.get(f"quotas/{MINE}/details.json"))["quota"]["network"]
    assert details == {"limit": 1, "used": 1, "reserved": 0}
    await here.mine.drop(f"networks/{network['id']}")
    await here.mine.make("network")
    await here.admin.drop(f"quotas/{MINE}")
    assert (await here.mine.get(f"quotas/{MINE}"))["quota"]["network"] == 100
