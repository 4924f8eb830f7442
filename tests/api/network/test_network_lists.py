"""Lists: filters, order, pages, fields, tags and revisions, alike for all collections."""

from tests.api.network.network_cloud import Cloud


async def names(here: Cloud, query: str) -> list[str]:
    return [each["name"] for each in (await here.mine.get(f"networks?{query}"))["networks"]]


async def some(here: Cloud, *names: str) -> list[str]:
    return [(await here.mine.make("network", name=name))["id"] for name in names]


async def test_pages_follow_each_other_both_ways_and_hold_everything_once(here: Cloud) -> None:
    await some(here, "c", "a", "e", "b", "d")
    path, seen = "networks?sort_key=name&sort_dir=asc&limit=2", []
    back = ""
    while True:
        body = await here.mine.get(path)
        seen += [each["name"] for each in body["networks"]]
        links = {link["rel"]: link["href"].partition("/v2.0/")[2] for link in body["networks_links"]}
        if "next" not in links:
            break
        path, back = links["next"], links["previous"]
    assert seen == ["a", "b", "c", "d", "e"]
    assert [each["name"] for each in (await here.mine.get(back))["networks"]] == ["a", "b"]


async def test_order_is_as_asked_and_nonsense_is_refused(here: Cloud) -> None:
    await some(here, "b", "a", "c")
    assert await names(here, "sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    for query in ("sort_key=nonsense&sort_dir=asc", "sort_key=name&sort_dir=up", "limit=-1", "limit=x", "nonsense=1"):
        (await here.mine.call("GET", f"/v2.0/networks?{query}")).refused(400)
    (await here.mine.call("GET", "/v2.0/networks?marker=nonsense")).refused(404)


async def test_a_filter_takes_several_values_and_fields_cut_the_answer(here: Cloud) -> None:
    await some(here, "a", "b", "c")
    assert sorted(await names(here, "name=a&name=c")) == ["a", "c"]
    assert (await here.mine.get("networks?name=b&fields=name"))["networks"] == [{"name": "b"}]
    assert await names(here, "admin_state_up=False") == []
    assert len(await names(here, "admin_state_up=true&shared=false")) == 3


async def test_ports_are_found_by_address_group_and_device(here: Cloud) -> None:
    network, subnet = await here.mine.network()
    one, two = [await here.mine.make("port", network_id=network) for _ in range(2)]
    group = one["security_groups"][0]

    async def found(query: str) -> set[str]:
        return {port["id"] for port in (await here.mine.get(f"ports?{query}"))["ports"]}

    assert await found("fixed_ips=ip_address%3D10.0.0.2") == {one["id"]}
    assert await found(f"fixed_ips=ip_address%3D10.0.0.3&fixed_ips=subnet_id%3D{subnet}") == {two["id"]}
    assert await found("fixed_ips=ip_address_substr%3D0.0.3") == {two["id"]}
    assert await found(f"security_groups={group}") == {one["id"], two["id"]}
    assert await found(f"mac_address={one['mac_address']}") == {one["id"]}
    assert await found("device_id=") == {one["id"], two["id"]}


async def test_tags_are_put_found_and_taken_off(here: Cloud) -> None:
    red, blue, none = await some(here, "red", "blue", "none")
    for id, tags in ((red, ["red", "all"]), (blue, ["blue", "all"])):
        (await here.mine.call("PUT", f"/v2.0/networks/{id}/tags", {"tags": tags})).ok()
    assert sorted(await names(here, "tags=all")) == ["blue", "red"]
    assert await names(here, "tags=red,all") == ["red"]
    assert sorted(await names(here, "tags-any=red,blue")) == ["blue", "red"]
    assert sorted(await names(here, "not-tags=red,all")) == ["blue", "none"]
    assert await names(here, "not-tags-any=red,blue") == ["none"]
    assert (await here.mine.call("PUT", f"/v2.0/networks/{none}/tags/new")).status == 201
    assert (await here.mine.call("GET", f"/v2.0/networks/{none}/tags/new")).status == 204
    (await here.mine.call("DELETE", f"/v2.0/networks/{none}/tags/other")).refused(404, "TagNotFound")
    assert (await here.mine.get(f"networks/{none}/tags"))["tags"] == ["new"]


async def test_an_update_that_depends_on_a_revision_fails_when_something_happened_since(here: Cloud) -> None:
    network = await here.mine.make("network")
    path, body = f"/v2.0/networks/{network['id']}", {"network": {"name": "x"}}
    seen = {"if_match": f"revision_number={network['revision_number']}"}
    changed = (await here.mine.call("PUT", path, body, **seen)).ok("network")
    assert changed["revision_number"] > network["revision_number"]
    (await here.mine.call("PUT", path, body, **seen)).refused(412, "RevisionNumberConstraintFailed")
    (await here.mine.call("DELETE", path, None, **seen)).refused(412, "RevisionNumberConstraintFailed")


async def test_several_are_made_in_one_request_or_none_of_them(here: Cloud) -> None:
    body = {"networks": [{"name": "a"}, {"network": {"name": "b"}}]}
    (await here.mine.call("POST", "/v2.0/networks", body)).refused(400)
    made = (await here.mine.call("POST", "/v2.0/networks", {"networks": [{"name": "a"}, {"name": "b"}]})).ok("networks")
    assert [each["name"] for each in made] == ["a", "b"]
    wrong = {"ports": [{"network_id": made[0]["id"]}, {"network_id": made[0]["id"].replace("-", "0")}]}
    assert (await here.mine.call("POST", "/v2.0/ports", wrong)).status in (400, 404)
    assert (await here.mine.get("ports"))["ports"] == []


async def test_what_no_client_should_send_is_told_in_the_services_own_words(here: Cloud) -> None:
    wrong: list[object] = [
        {"network": {"nonsense": 1}},
        {"network": []},
        {},
        [],
        {"network": {"name": "x" * 256}},
        None,
    ]
    for body in wrong:
        (await here.mine.call("POST", "/v2.0/networks", body)).refused(400)
    (await here.mine.call("GET", "/v2.0/nonsense")).refused(404)
    (await here.mine.call("PATCH", "/v2.0/networks")).refused(405)


async def test_extensions_name_only_what_is_served(here: Cloud) -> None:
    listed = {each["alias"] for each in (await here.mine.get("extensions"))["extensions"]}
    assert {"router", "security-group", "port-security", "rbac-policies"} <= listed
    assert not {"trunk", "qos", "dvr", "port-forwarding"} & listed
    for alias in listed:
        assert (await here.mine.get(f"extensions/{alias}"))["extension"]["alias"] == alias
    (await here.mine.call("GET", "/v2.0/extensions/dvr")).refused(404, "ExtensionNotFound")


async def test_the_operator_sees_how_many_addresses_are_left(here: Cloud) -> None:
    network, subnet = await here.mine.network("10.0.0.0/29")
    await here.mine.make("port", network_id=network)
    (found,) = (await here.admin.get(f"network-ip-availabilities?network_id={network}"))["network_ip_availabilities"]
    assert (found["total_ips"], found["used_ips"]) == (5, 1)
    assert found["subnet_ip_availability"][0]["subnet_id"] == subnet
    (await here.mine.call("GET", "/v2.0/network-ip-availabilities")).refused(403)


async def test_more_addresses_than_64_bits_can_say_are_counted_to_the_last(here: Cloud) -> None:
    network, _ = await here.mine.network("fd00::/64")
    for path in (f"network-ip-availabilities/{network}", f"network-ip-availabilities?network_id={network}"):
        answer = await here.admin.call("GET", f"/v2.0/{path}")
        # All but the network's own and the gateway's; as digits, since readers of JSON make floats of 1.8e19.
        assert answer.raw.count(str(2**64 - 2).encode()) == 2, answer.raw
