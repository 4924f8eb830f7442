"""What nova says of other services in words of its own, at the versions that still have it; and what others tell it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.policies.whole_cloud import WholeCloud, whole_cloud

OLD = [(b"openstack-api-version", b"compute 2.35")]
GONE = [(b"openstack-api-version", b"compute 2.36")]
NOVA, NEUTRON = "/compute/v2.1", "/network/v2.0"
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def test_a_floating_ip_is_one_and_the_same_in_both_services(whole: WholeCloud) -> None:
    token = whole.token("member", whole.project_id, "someone")
    pools = await whole.call("GET", f"{NOVA}/os-floating-ip-pools", token=token, headers=OLD)
    assert [pool["name"] for pool in pools.body["floating_ip_pools"]] == ["public"]
    made = await whole.call("POST", f"{NOVA}/os-floating-ips", {"pool": "public"}, token=token, headers=OLD)
    floating = made.body["floating_ip"]
    known = (await whole.call("GET", f"{NEUTRON}/floatingips/{floating['id']}", token=token)).body["floatingip"]
    assert known["floating_ip_address"] == floating["ip"]
    path = f"{NOVA}/os-floating-ips/{floating['id']}"
    assert (await whole.call("GET", path, token=token, headers=GONE)).status == 404
    assert (await whole.call("DELETE", path, token=token, headers=OLD)).status == 202
    assert (await whole.call("GET", f"{NEUTRON}/floatingips/{floating['id']}", token=token)).status == 404
    nowhere = await whole.call("POST", f"{NOVA}/os-floating-ips", {"pool": "none"}, token=token, headers=OLD)
    assert nowhere.status == 404


async def test_networks_are_told_as_nova_told_its_own(whole: WholeCloud) -> None:
    token = whole.token("member", whole.project_id, "someone")
    network = (await whole.made(f"{NEUTRON}/networks", {"network": {"name": "mine"}}, token))["id"]
    shown = (await whole.call("GET", f"{NOVA}/os-networks/{network}", token=token, headers=OLD)).body["network"]
    assert shown == {"id": network, "label": "mine"}
    listed = (await whole.call("GET", f"{NOVA}/os-tenant-networks", token=token, headers=OLD)).body["networks"]
    assert {"id": network, "label": "mine", "cidr": "None"} in listed
    stranger = whole.token("member", "a" * 32, "another")
    answer = await whole.call("GET", f"{NOVA}/os-networks/{network}", token=stranger, headers=OLD)
    assert answer.status == 404


async def test_the_usage_log_names_the_hosts_and_the_month(whole: WholeCloud) -> None:
    path = f"{NOVA}/os-instance_usage_audit_log"
    told = (await whole.call("GET", f"{path}/2026-03-05 10:00:00", token=whole.admin)).body["instance_usage_audit_log"]
    assert told["period_beginning"] == "2026-02-01 00:00:00" and told["period_ending"] == "2026-03-01 00:00:00"
    assert told["num_hosts"] == len(told["hosts_not_run"]) == 2
    assert (await whole.call("GET", f"{path}/yesterday", token=whole.admin)).status == 400


async def test_who_tells_of_an_event_hears_for_each_server_whether_it_is_there(whole: WholeCloud) -> None:
    event = {"name": "network-changed", "server_uuid": ABSENT, "status": "completed"}
    path = f"{NOVA}/os-server-external-events"
    answer = await whole.call("POST", path, {"events": [event]}, token=whole.admin)
    assert (answer.status, answer.body["events"][0]["code"]) == (207, 404)
    assert (await whole.call("POST", path, {"events": [event | {"name": "rain"}]}, token=whole.admin)).status == 400


async def test_zones_of_networks_are_those_of_hosts(whole: WholeCloud) -> None:
    listed = (await whole.call("GET", f"{NEUTRON}/availability_zones", token=whole.admin)).body["availability_zones"]
    assert {zone["name"] for zone in listed} == {"nova"}
    hosts = (await whole.call("GET", f"{NOVA}/os-hypervisors", token=whole.admin)).body["hypervisors"]
    body = {"aggregate": {"name": "a", "availability_zone": "north"}}
    aggregate = await whole.made(f"{NOVA}/os-aggregates", body, whole.admin)
    add = {"add_host": {"host": hosts[0]["hypervisor_hostname"]}}
    answer = await whole.call("POST", f"{NOVA}/os-aggregates/{aggregate['id']}/action", add, token=whole.admin)
    assert answer.status == 200
    listed = (await whole.call("GET", f"{NEUTRON}/availability_zones", token=whole.admin)).body["availability_zones"]
    assert {zone["name"] for zone in listed} == {"nova", "north"}


async def test_pools_of_floating_ips_are_the_subnets_of_external_networks(whole: WholeCloud) -> None:
    token = whole.token("member", whole.project_id, "someone")
    for spelling in ("floatingip-pools", "floatingip_pools"):
        (pool,) = (await whole.call("GET", f"{NEUTRON}/{spelling}", token=token)).body["floatingip_pools"]
        assert pool["network_name"] == "public"


async def test_a_default_rule_is_in_every_group_that_is_made_after_it(whole: WholeCloud) -> None:
    token = whole.token("member", whole.project_id, "someone")
    rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    path = f"{NEUTRON}/default-security-group-rules"
    made = await whole.made(path, {"default_security_group_rule": rule}, whole.admin)
    group = await whole.made(f"{NEUTRON}/security-groups", {"security_group": {"name": "g"}}, token)
    assert 22 in {each["port_range_min"] for each in group["security_group_rules"]}
    assert (await whole.call("DELETE", f"{path}/{made['id']}", token=token)).status == 403
    assert (await whole.call("DELETE", f"{path}/{made['id']}", token=whole.admin)).status == 204
    after = await whole.made(f"{NEUTRON}/security-groups", {"security_group": {"name": "h"}}, token)
    assert 22 not in {each["port_range_min"] for each in after["security_group_rules"]}


async def test_volumes_and_their_snapshots_are_one_and_the_same_in_both_services(whole: WholeCloud) -> None:
    token = whole.token("member", whole.project_id, "someone")
    wanted = {"volume": {"size": "1", "display_name": "old"}}
    answer = await whole.call("POST", f"{NOVA}/os-volumes", wanted, token=token, headers=OLD)
    assert answer.status == 200, answer.body
    volume = answer.body["volume"]
    assert volume["displayName"] == "old" and volume["size"] == 1 and volume["attachments"] == [{}]
    known = await whole.call("GET", f"/volume/v3/volumes/{volume['id']}", token=token)
    assert known.body["volume"]["name"] == "old"
    listed = (await whole.call("GET", f"{NOVA}/os-volumes", token=token, headers=OLD)).body["volumes"]
    assert [one["id"] for one in listed] == [volume["id"]]
    stranger = whole.token("member", "a" * 32, "another")
    for method in ("GET", "DELETE"):
        path = f"{NOVA}/os-volumes/{volume['id']}"
        assert (await whole.call(method, path, token=stranger, headers=OLD)).status == 404
        assert (await whole.call(method, path, token=token, headers=GONE)).status == 404
    for size in (0, "0", "-1", "#$%", None):
        bad = {"volume": {"size": size}}
        assert (await whole.call("POST", f"{NOVA}/os-volumes", bad, token=token, headers=OLD)).status == 400
    assert (await whole.call("POST", f"{NOVA}/os-volumes", {"volume": {}}, token=token, headers=OLD)).status == 400
    other = {"snapshot": {"volume_id": volume["id"]}}
    assert (await whole.call("POST", f"{NOVA}/os-snapshots", other, token=stranger, headers=OLD)).status == 404
    assert (await whole.call("GET", f"{NOVA}/os-snapshots", token=token, headers=OLD)).body == {"snapshots": []}
