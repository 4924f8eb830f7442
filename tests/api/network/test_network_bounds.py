"""What a tenant may say how often, and how it may be spelled. The class: whatever becomes a row or a word for an engine
is counted or has a most, and no text gets to an engine that was not read as what it should be."""

from typing import Any

import pytest
from tests.api.network.network_cloud import Client, Cloud

ZONED = "fd00::5%a"
BROKEN = "fd00::5%a\nlink delete eth0"


async def _refused(client: Client, method: str, path: str, body: Any) -> None:
    answer = await client.call(method, f"/v2.0/{path}", body)
    assert answer.status in (400, 409), (path, answer.status, answer.raw)


async def test_every_list_that_a_tenant_may_say_has_a_most(here: Cloud) -> None:
    us = here.mine
    network, subnet = await us.network()
    port = (await us.make("port", network_id=network))["id"]
    router = (await us.make("router"))["id"]
    group = (await us.make("address_group", name="a"))["id"]
    many = [f"10.{n >> 8}.{n & 255}.0/24" for n in range(1001)]
    apart = [f"10.{n >> 7}.{n * 2 & 255}.0/24" for n in range(101)]
    routes = [{"destination": cidr, "nexthop": "10.0.0.9"} for cidr in many[:31]]
    ips = [f"10.0.0.{n}" for n in range(2, 60)]
    words = [str(n) for n in range(51)]
    options = [{"opt_name": str(n), "opt_value": "1"} for n in range(21)]
    pools = [{"start": ip, "end": ip} for ip in ips]
    on = {"network_id": network, "ip_version": 4, "cidr": "10.7.0.0/24"}
    for method, path, body in (
        ("POST", "address-groups", {"address_group": {"name": "b", "addresses": many}}),
        ("PUT", f"address-groups/{group}/add_addresses", {"addresses": many}),
        ("POST", "subnetpools", {"subnetpool": {"name": "p", "prefixes": apart}}),
        ("POST", "subnets", {"subnet": on | {"host_routes": routes}}),
        ("POST", "subnets", {"subnet": on | {"dns_nameservers": ips}}),
        ("POST", "subnets", {"subnet": on | {"service_types": [f"compute:{n}" for n in words]}}),
        ("PUT", f"subnets/{subnet}", {"subnet": {"allocation_pools": pools}}),
        ("PUT", f"ports/{port}", {"port": {"allowed_address_pairs": [{"ip_address": ip} for ip in ips]}}),
        ("PUT", f"ports/{port}", {"port": {"fixed_ips": [{"subnet_id": subnet}] * 21}}),
        ("PUT", f"ports/{port}", {"port": {"extra_dhcp_opts": options}}),
        ("PUT", f"routers/{router}", {"router": {"routes": routes}}),
        ("PUT", f"networks/{network}/tags", {"tags": words}),
        ("POST", "networks", {"network": {"availability_zone_hints": words}}),
        ("POST", "routers", {"router": {"availability_zone_hints": words}}),
    ):
        await _refused(us, method, path, body)
    assert (await us.get(f"address-groups/{group}"))["address_group"]["addresses"] == []


async def test_options_of_a_port_do_not_grow_bit_by_bit(here: Cloud) -> None:
    network, _ = await here.mine.network()
    port = (await here.mine.make("port", network_id=network))["id"]
    for start in (0, 10):
        options = [{"opt_name": str(n), "opt_value": "1"} for n in range(start, start + 10)]
        await here.mine.change("port", port, extra_dhcp_opts=options)
    more = {"port": {"extra_dhcp_opts": [{"opt_name": "more", "opt_value": "1"}]}}
    await _refused(here.mine, "PUT", f"ports/{port}", more)


@pytest.mark.parametrize(
    ("noun", "plural", "words"),
    [
        ("address_scope", "address-scopes", {"name": "s", "ip_version": 4}),
        ("address_group", "address-groups", {"name": "g"}),
        ("subnetpool", "subnetpools", {"name": "p", "prefixes": ["10.0.0.0/8"]}),
        ("network", "networks", {}),
        ("router", "routers", {}),
        ("security_group", "security-groups", {"name": "g"}),
    ],
)
async def test_every_noun_is_counted(here: Cloud, noun: str, plural: str, words: dict[str, Any]) -> None:
    us = here.mine
    await us.get("security-groups")
    used = (await us.get(f"quotas/{'1' * 32}/details"))["quota"][noun]["used"]
    (await here.admin.call("PUT", f"/v2.0/quotas/{'1' * 32}", {"quota": {noun: used + 1}})).ok()
    made = (await us.call("POST", f"/v2.0/{plural}", {noun: words})).ok(noun)["id"]
    (await us.call("POST", f"/v2.0/{plural}", {noun: words})).refused(409, "OverQuota")
    await us.drop(f"{plural}/{made}")
    (await us.call("POST", f"/v2.0/{plural}", {noun: words})).ok()


@pytest.mark.parametrize("text", [ZONED, BROKEN, "10.0.0.9\n", "10.0.0.9 ", "\u0661.0.0.1"])
async def test_an_address_is_read_before_anybody_gets_it(here: Cloud, text: str) -> None:
    us = here.mine
    six, subnet = await us.network("fd00::/64")
    four, _ = await us.network("10.0.0.0/24")
    router = (await us.make("router"))["id"]
    add = f"routers/{router}/add_router_interface"
    (await us.call("PUT", f"/v2.0/{add}", {"subnet_id": subnet})).ok()
    port = (await us.make("port", network_id=six))["id"]
    group = (await us.make("address_group", name="a"))["id"]
    rules = (await us.make("security_group", name="g"))["id"]
    to = "fd01::/64" if ":" in text else "10.9.0.0/24"
    version = 6 if ":" in text else 4
    on = {"network_id": four, "cidr": "fd07::/64", "ip_version": 6}
    for method, path, body in (
        ("PUT", f"routers/{router}", {"router": {"routes": [{"destination": to, "nexthop": text}]}}),
        ("PUT", f"routers/{router}", {"router": {"routes": [{"destination": f"{text}/64", "nexthop": "fd00::9"}]}}),
        ("PUT", f"routers/{router}/add_extraroutes", {"router": {"routes": [{"destination": to, "nexthop": text}]}}),
        ("PUT", f"subnets/{subnet}", {"subnet": {"host_routes": [{"destination": to, "nexthop": text}]}}),
        ("PUT", f"subnets/{subnet}", {"subnet": {"dns_nameservers": [text]}}),
        ("PUT", f"subnets/{subnet}", {"subnet": {"gateway_ip": text}}),
        ("PUT", f"subnets/{subnet}", {"subnet": {"allocation_pools": [{"start": text, "end": text}]}}),
        ("POST", "subnets", {"subnet": on | {"gateway_ip": text}}),
        ("POST", "subnets", {"subnet": on | {"cidr": f"{text}/64", "ip_version": version}}),
        ("POST", "subnetpools", {"subnetpool": {"name": "p", "prefixes": [f"{text}/64"]}}),
        ("POST", "ports", {"port": {"network_id": six, "fixed_ips": [{"ip_address": text}]}}),
        ("PUT", f"ports/{port}", {"port": {"fixed_ips": [{"ip_address": text}]}}),
        ("PUT", f"ports/{port}", {"port": {"allowed_address_pairs": [{"ip_address": text}]}}),
        ("PUT", f"address-groups/{group}/add_addresses", {"addresses": [f"{text}/64"]}),
        (
            "POST",
            "security-group-rules",
            {
                "security_group_rule": {
                    "security_group_id": rules,
                    "direction": "ingress",
                    "ethertype": f"IPv{version}",
                    "remote_ip_prefix": text,
                }
            },
        ),
    ):
        await _refused(us, method, path, body)


async def test_routes_are_kept_in_one_spelling(here: Cloud) -> None:
    us = here.mine
    _, subnet = await us.network("fd00::/64")
    router = (await us.make("router"))["id"]
    (await us.call("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})).ok()
    said = [{"destination": "FD01:0::/64", "nexthop": "fd00:0::0009"}]
    kept = [{"destination": "fd01::/64", "nexthop": "fd00::9"}]
    assert (await us.change("router", router, routes=said))["routes"] == kept
    assert (await us.change("subnet", subnet, host_routes=said))["host_routes"] == kept
    path = f"/v2.0/routers/{router}/remove_extraroutes"
    assert (await us.call("PUT", path, {"router": {"routes": said}})).ok("router")["routes"] == []


async def test_a_block_says_how_long_it_is(here: Cloud) -> None:
    us = here.mine
    network, _ = await us.network()
    group = (await us.make("address_group", name="a"))["id"]
    await _refused(us, "PUT", f"address-groups/{group}/add_addresses", {"addresses": ["192.0.2.7"]})
    await _refused(us, "POST", "address-groups", {"address_group": {"name": "b", "addresses": ["192.0.2.7"]}})
    await _refused(us, "POST", "subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0"]}})
    await _refused(us, "POST", "subnets", {"subnet": {"network_id": network, "cidr": "10.7.0.0", "ip_version": 4}})


@pytest.mark.parametrize("protocol", ["41", "43", "44", "58", "59", "60", 58, "ipv6-icmp", "icmpv6", "ipv6-route"])
async def test_what_only_ipv6_has_is_no_rule_for_ipv4(here: Cloud, protocol: str | int) -> None:
    group = (await here.mine.make("security_group", name="g"))["id"]
    words = {"security_group_id": group, "direction": "ingress", "protocol": protocol}
    body = {"security_group_rule": words | {"ethertype": "IPv4"}}
    answer = await here.mine.call("POST", "/v2.0/security-group-rules", body)
    answer.refused(400, "SecurityGroupEthertypeConflictWithProtocol")
    await here.mine.make("security_group_rule", **words, ethertype="IPv6")


@pytest.mark.parametrize("number", ["\u00b2", "\u0661", "1" * 30])
async def test_other_digits_are_no_numbers(here: Cloud, number: str) -> None:
    network = (await here.mine.make("network"))["id"]
    seen = {"if_match": f"revision_number={number}"}
    (await here.mine.call("PUT", f"/v2.0/networks/{network}", {"network": {}}, **seen)).refused(400)
    group = (await here.mine.make("security_group", name="g"))["id"]
    words = {"security_group_id": group, "direction": "ingress", "protocol": number}
    (await here.mine.call("POST", "/v2.0/security-group-rules", {"security_group_rule": words})).refused(400)


async def test_a_mac_address_is_one_and_nothing_behind_it(here: Cloud) -> None:
    """A line feed was let in: then it was another than the one that is taken, and a line in what engines are told."""
    network, _ = await here.mine.network()
    await here.mine.make("port", network_id=network, mac_address="fa:16:3e:00:00:01")
    for mac in ("fa:16:3e:00:00:01\n", "fa:16:3e:00:00:02\n", "fa:16:3e:00:00:02 unknown", "\nfa:16:3e:00:00:02"):
        await _refused(here.mine, "POST", "ports", {"port": {"network_id": network, "mac_address": mac}})
        pair = {"ip_address": "10.0.0.9", "mac_address": mac}
        said = {"port": {"network_id": network, "allowed_address_pairs": [pair]}}
        await _refused(here.mine, "POST", "ports", said)
