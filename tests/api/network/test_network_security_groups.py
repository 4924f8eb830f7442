"""Security groups and their rules, as clients spell them."""

from typing import Any

import pytest
from tests.api.network.network_cloud import Cloud


async def default(here: Cloud) -> dict[str, Any]:
    (group,) = (await here.mine.get("security-groups?name=default"))["security_groups"]
    found: dict[str, Any] = group
    return found


async def test_every_project_has_one_default_group_that_lets_out_and_lets_itself_in(here: Cloud) -> None:
    group = await default(here)
    assert group["id"] == (await default(here))["id"]
    rules = {(r["direction"], r["ethertype"], r["remote_group_id"]) for r in group["security_group_rules"]}
    assert rules == {
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]),
        ("ingress", "IPv6", group["id"]),
    }
    (await here.mine.call("DELETE", f"/v2.0/security-groups/{group['id']}")).refused(
        409, "SecurityGroupCannotRemoveDefault"
    )
    (await here.mine.call("POST", "/v2.0/security-groups", {"security_group": {"name": "default"}})).refused(409)


async def test_a_port_gets_the_default_group_unless_it_says_otherwise(here: Cloud) -> None:
    network, _ = await here.mine.network()
    group = await default(here)
    assert (await here.mine.make("port", network_id=network))["security_groups"] == [group["id"]]
    assert (await here.mine.make("port", network_id=network, security_groups=[]))["security_groups"] == []
    bare = await here.mine.make("port", network_id=network, port_security_enabled=False)
    assert bare["security_groups"] == []
    body = {"port": {"security_groups": [group["id"]]}}
    (await here.mine.call("PUT", f"/v2.0/ports/{bare['id']}", body)).refused(
        409, "PortSecurityAndIPRequiredForSecurityGroups"
    )


async def test_a_group_in_use_stays(here: Cloud) -> None:
    network, _ = await here.mine.network()
    group = await here.mine.make("security_group", name="web")
    port = await here.mine.make("port", network_id=network, security_groups=[group["id"]])
    (await here.mine.call("DELETE", f"/v2.0/security-groups/{group['id']}")).refused(409, "SecurityGroupInUse")
    await here.mine.change("port", port["id"], security_groups=[])
    await here.mine.drop(f"security-groups/{group['id']}")


async def test_a_change_of_a_rule_is_a_change_of_its_group(here: Cloud) -> None:
    group = await here.mine.make("security_group", name="web")
    rule = await here.mine.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress", protocol="tcp",
        port_range_min=80, port_range_max=80, remote_ip_prefix="10.0.0.7/24",
    )  # fmt: skip
    assert (rule["remote_ip_prefix"], rule["normalized_cidr"]) == ("10.0.0.7/24", "10.0.0.0/24")
    after = (await here.mine.get(f"security-groups/{group['id']}"))["security_group"]
    assert after["revision_number"] > group["revision_number"]
    assert rule["id"] in [each["id"] for each in after["security_group_rules"]]
    await here.mine.drop(f"security-group-rules/{rule['id']}")
    last = (await here.mine.get(f"security-groups/{group['id']}"))["security_group"]
    assert last["revision_number"] > after["revision_number"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({"protocol": "nonsense"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": "tcp", "port_range_min": 9, "port_range_max": 8}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 8}, "SecurityGroupInvalidPortRange"),
        ({"port_range_min": 9, "port_range_max": 9}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "icmp", "port_range_max": 3}, "SecurityGroupMissingIcmpType"),
        ({"remote_ip_prefix": "2001:db8::/64"}, "SecurityGroupRuleParameterConflict"),
        ({"ethertype": "AppleTalk"}, "SecurityGroupRuleInvalidEtherType"),
    ],
)
async def test_a_rule_that_no_engine_could_keep_is_refused(here: Cloud, words: dict[str, Any], kind: str) -> None:
    group = await default(here)
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"} | words}
    (await here.mine.call("POST", "/v2.0/security-group-rules", body)).refused(400, kind)


async def test_the_same_rule_in_other_words_is_a_conflict(here: Cloud) -> None:
    group = await here.mine.make("security_group", name="web")
    said = {"security_group_id": group["id"], "direction": "ingress", "remote_ip_prefix": "10.0.0.0/24"}
    await here.mine.make("security_group_rule", protocol="tcp", **said)
    for words in ({"protocol": "6"}, {"protocol": 6}, {"protocol": "TCP", "remote_ip_prefix": "10.0.0.9/24"}):
        again = await here.mine.call("POST", "/v2.0/security-group-rules", {"security_group_rule": said | words})
        again.refused(409, "SecurityGroupRuleExists")


async def test_stateful_and_stateless_groups_do_not_mix_on_a_port(here: Cloud) -> None:
    network, _ = await here.mine.network()
    one = await here.mine.make("security_group", name="one")
    two = await here.mine.make("security_group", name="two", stateful=False)
    body = {"port": {"network_id": network, "security_groups": [one["id"], two["id"]]}}
    (await here.mine.call("POST", "/v2.0/ports", body)).refused(409, "SecurityGroupConflict")


async def test_a_rule_may_point_at_an_address_group_which_then_stays(here: Cloud) -> None:
    blocks = await here.mine.make("address_group", name="office", addresses=["192.0.2.0/24"])
    group = await here.mine.make("security_group", name="web")
    rule = await here.mine.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress", remote_address_group_id=blocks["id"]
    )
    (await here.mine.call("DELETE", f"/v2.0/address-groups/{blocks['id']}")).refused(409, "AddressGroupInUse")
    path = f"/v2.0/address-groups/{blocks['id']}/add_addresses"
    grown = (await here.mine.call("PUT", path, {"addresses": ["198.51.100.7/32"]})).ok("address_group")
    assert grown["addresses"] == ["192.0.2.0/24", "198.51.100.7/32"]
    await here.mine.drop(f"security-group-rules/{rule['id']}")
    await here.mine.drop(f"address-groups/{blocks['id']}")
