"""What hangs on a server: metadata, tags, addresses, interfaces, groups, and what there is none of yet."""

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE, THEIRS, caller_of

from trivet.domain.network.groups import security_groups
from trivet.domain.network.groups.security_groups import SecurityGroupCreate
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.wishes import PortCreate

__all__ = ["cloud"]


async def test_metadata_is_merged_replaced_and_removed(cloud: Cloud) -> None:
    id = await cloud.made(metadata={"a": "1"})
    path = f"/servers/{id}/metadata"
    assert (await cloud.call("POST", path, {"metadata": {"b": "2"}})).ok()["metadata"] == {"a": "1", "b": "2"}
    assert (await cloud.call("PUT", path + "/c", {"meta": {"c": "3"}})).ok() == {"meta": {"c": "3"}}
    assert (await cloud.call("GET", path + "/c")).ok() == {"meta": {"c": "3"}}
    assert (await cloud.call("DELETE", path + "/a")).status == 204
    assert (await cloud.call("GET", path)).ok()["metadata"] == {"b": "2", "c": "3"}
    assert (await cloud.call("PUT", path, {"metadata": {}})).ok()["metadata"] == {}
    (await cloud.call("GET", path + "/a")).refused(404)
    (await cloud.call("DELETE", path + "/a")).refused(404)
    (await cloud.call("PUT", path + "/a", {"meta": {"b": "1"}})).refused(400)
    (await cloud.call("PUT", path + "/a", {"meta": {"a": "1", "b": "1"}})).refused(400)
    (await cloud.call("POST", path, {"metadata": {"": "1"}})).refused(400)
    (await cloud.call("POST", path, {"metadata": {"a": None}})).refused(400)
    (await cloud.call("POST", path, {"metadata": {str(n): "" for n in range(129)}})).refused(403)
    (await cloud.call("GET", path, token=cloud.token(project_id=THEIRS))).refused(404)


async def test_tags_are_a_set_with_an_order(cloud: Cloud) -> None:
    id = await cloud.made(tags=["a"])
    path = f"/servers/{id}/tags"
    assert (await cloud.call("PUT", path + "/b")).status == 201
    assert (await cloud.call("PUT", path + "/b")).status == 204
    assert (await cloud.call("GET", path)).ok() == {"tags": ["a", "b"]}
    assert (await cloud.call("GET", path + "/b")).status == 204
    assert (await cloud.call("DELETE", path + "/b")).status == 204
    (await cloud.call("GET", path + "/b")).refused(404)
    assert (await cloud.call("PUT", path, {"tags": ["x", "y", "x"]})).ok() == {"tags": ["x", "y"]}
    (await cloud.call("PUT", path, {"tags": ["a,b"]})).refused(400)
    (await cloud.call("PUT", path, {"tags": [str(n) for n in range(51)]})).refused(400)
    assert (await cloud.call("DELETE", path)).status == 204
    assert (await cloud.call("GET", path)).ok() == {"tags": []}
    (await cloud.call("GET", path, version="2.25")).refused(404)


async def test_addresses_are_shown_by_network(cloud: Cloud) -> None:
    id = await cloud.made()
    found = (await cloud.call("GET", f"/servers/{id}/ips")).ok()["addresses"]
    assert set(found["blue"][0]) == {"addr", "version"}
    assert (await cloud.call("GET", f"/servers/{id}/ips/blue")).ok() == found
    (await cloud.call("GET", f"/servers/{id}/ips/red")).refused(404)


async def test_an_interface_comes_and_goes_with_a_running_server(cloud: Cloud) -> None:
    id = await cloud.made(networks="none")
    path = f"/servers/{id}/os-interface"
    wanted = {"net_id": cloud.network_id, "fixed_ips": [{"ip_address": "10.0.0.99"}], "tag": "lan"}
    made = (await cloud.call("POST", path, {"interfaceAttachment": wanted})).ok()["interfaceAttachment"]
    assert made["fixed_ips"][0]["ip_address"] == "10.0.0.99"
    assert (made["net_id"], made["tag"]) == (cloud.network_id, "lan")
    assert (await cloud.call("GET", path)).ok()["interfaceAttachments"] == [made]
    assert (await cloud.call("GET", f"{path}/{made['port_id']}")).ok()["interfaceAttachment"] == made
    assert (await cloud.call("DELETE", f"{path}/{made['port_id']}")).status == 202
    assert (await cloud.call("GET", path)).ok()["interfaceAttachments"] == []
    assert await cloud.rows("SELECT id FROM ports") == [], "it was made for the server"
    (await cloud.call("DELETE", f"{path}/{made['port_id']}")).refused(404)
    both = {"net_id": cloud.network_id, "port_id": made["port_id"]}
    (await cloud.call("POST", path, {"interfaceAttachment": both})).refused(400)
    alone = {"fixed_ips": [{"ip_address": "10.0.0.99"}]}
    (await cloud.call("POST", path, {"interfaceAttachment": alone})).refused(400)
    absent = {"port_id": made["port_id"]}
    (await cloud.call("POST", path, {"interfaceAttachment": absent})).refused(404)


async def test_a_port_that_somebody_made_outlives_the_server(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        port = await ports.create(tx, caller_of(MINE), PortCreate(network_id=cloud.network_id))
    id = await cloud.made(networks=[{"port": port.id}])
    assert await cloud.rows("SELECT device_id, device_owner FROM ports") == [(id, "compute:nova")]
    (await cloud.create(networks=[{"port": port.id}])).refused(409)
    (await cloud.create(networks=[{"port": port.id}, {"port": port.id}])).refused(409)
    (await cloud.call("DELETE", f"/servers/{id}")).ok()
    await cloud.settle()
    assert await cloud.rows("SELECT id, device_id, host_id FROM ports") == [(port.id, "", None)]


async def test_without_room_a_port_that_was_given_stays_free(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        port = await ports.create(tx, caller_of(MINE), PortCreate(network_id=cloud.network_id))
    (await cloud.create(flavorRef="large", networks=[{"port": port.id}])).ok()
    assert await cloud.rows("SELECT id, device_id, host_id FROM ports") == [(port.id, "", None)]


async def test_a_port_takes_one_more_address_and_gives_it_back(cloud: Cloud) -> None:
    id = await cloud.made()
    (await cloud.act(id, "addFixedIp", {"networkId": cloud.network_id}, version="2.43")).ok()
    listed = (await cloud.show(id))["addresses"]["blue"]
    assert len({address["addr"] for address in listed}) == 2
    gone = listed[1]["addr"]
    (await cloud.act(id, "removeFixedIp", {"address": gone}, version="2.43")).ok()
    assert [address["addr"] for address in (await cloud.show(id))["addresses"]["blue"]] == [listed[0]["addr"]]
    (await cloud.act(id, "removeFixedIp", {"address": gone}, version="2.43")).refused(400)
    (await cloud.act(id, "addFixedIp", {"networkId": id}, version="2.43")).refused(400)
    (await cloud.act(id, "addFixedIp", {"networkId": cloud.network_id}, version="2.44")).refused(400)


async def test_security_groups_are_those_of_the_ports(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        web = await security_groups.create(tx, caller_of(MINE), SecurityGroupCreate(name="web"))
    id = await cloud.made(security_groups=[{"name": "web"}])
    assert (await cloud.show(id))["security_groups"] == [{"name": "web"}]
    (await cloud.act(id, "addSecurityGroup", {"name": "default"})).ok()
    assert [group["name"] for group in (await cloud.show(id))["security_groups"]] == ["web", "default"]
    (await cloud.act(id, "removeSecurityGroup", {"name": web.id})).ok()
    (await cloud.act(id, "removeSecurityGroup", {"name": "web"})).refused(404)
    (await cloud.act(id, "addSecurityGroup", {"name": "none-such"})).refused(404)
    listed = (await cloud.call("GET", f"/servers/{id}/os-security-groups")).ok()["security_groups"]
    assert [group["name"] for group in listed] == ["default"]


async def test_what_there_is_none_of_yet_is_an_empty_list_or_a_reason(cloud: Cloud) -> None:
    id = await cloud.made()
    admin = cloud.token("admin")
    assert (await cloud.call("GET", f"/servers/{id}/os-volume_attachments")).ok() == {"volumeAttachments": []}
    volume = {"volumeAttachment": {"volumeId": id}}
    (await cloud.call("POST", f"/servers/{id}/os-volume_attachments", volume)).refused(404)
    (await cloud.call("GET", f"/servers/{id}/os-volume_attachments/{id}")).refused(404)
    assert (await cloud.call("GET", f"/servers/{id}/migrations", token=admin)).ok() == {"migrations": []}
    assert (await cloud.call("GET", f"/servers/{id}/shares")).ok() == {"shares": []}
    assert (await cloud.call("GET", f"/servers/{id}/os-server-password")).ok() == {"password": ""}
    assert (await cloud.call("GET", f"/servers/{id}/topology")).ok()["nodes"] == []
    assert (await cloud.call("GET", f"/servers/{id}/os-virtual-interfaces")).status == 410
    (await cloud.call("GET", f"/servers/{id}/diagnostics")).refused(403)
    assert (await cloud.call("GET", f"/servers/{id}/diagnostics", token=admin)).ok()["num_cpus"] == 1


async def test_usage_counts_the_hours_of_a_project(cloud: Cloud) -> None:
    await cloud.made()
    cloud.clock.added_s += 7200
    used = (await cloud.call("GET", f"/os-simple-tenant-usage/{MINE}")).ok()["tenant_usage"]
    assert used["total_vcpus_usage"] == pytest.approx(2.0, abs=0.1)
    assert used["server_usages"][0]["state"] == "active"
    (await cloud.call("GET", f"/os-simple-tenant-usage/{THEIRS}")).refused(403)
    (every,) = (await cloud.call("GET", "/os-simple-tenant-usage", token=cloud.token("admin"))).ok()["tenant_usages"]
    assert every["tenant_id"] == MINE
    (await cloud.call("GET", "/os-simple-tenant-usage")).refused(403)
