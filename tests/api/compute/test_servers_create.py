"""POST /servers: what is made, what is refused, and that nothing is left behind."""

import dataclasses

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE

from trivet.domain.secrets import Secrets
from trivet.domain.servers import metadata as instance_metadata

__all__ = ["cloud"]


async def held(cloud: Cloud) -> dict[str, object]:
    """What servers hold of everything that is limited."""
    return {
        "claims": (await cloud.rows("SELECT COUNT(*) FROM claims"))[0][0],
        "inventory": (await cloud.rows("SELECT SUM(used) FROM inventories"))[0][0],
        "ports": (await cloud.rows("SELECT COUNT(*) FROM ports"))[0][0],
        "addresses": (await cloud.rows("SELECT COUNT(*) FROM addresses"))[0][0],
        "quota": {
            resource: used
            for resource, used in await cloud.rows("SELECT resource, used FROM quota_usages ORDER BY resource")
            if used and not resource.startswith(("network", "subnet", "security"))
        },
    }


NOTHING = {"claims": 0, "inventory": 0, "ports": 0, "addresses": 0, "quota": {}}


async def test_a_new_server_is_accepted_at_once_and_becomes_active(cloud: Cloud) -> None:
    answer = await cloud.create()
    assert answer.status == 202
    said = answer.body["server"]
    assert set(said) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert answer.headers["location"] == f"http://cloud:8774/compute/v2.1/servers/{said['id']}"
    building = await cloud.show(said["id"])
    assert (building["status"], building["OS-EXT-STS:task_state"], building["addresses"]) == ("BUILD", "spawning", {})
    await cloud.settle()
    active = await cloud.show(said["id"])
    assert active["status"] == "ACTIVE"
    assert active["OS-EXT-STS:power_state"] == 1
    assert active["security_groups"] == [{"name": "default"}]
    (address,) = active["addresses"]["blue"]
    assert address["OS-EXT-IPS:type"] == "fixed"
    assert address["addr"].startswith("10.0.0.")


async def test_image_and_flavor_decide_the_kind_and_nothing_else_differs(cloud: Cloud) -> None:
    vm, container = await cloud.made(), await cloud.made(imageRef=cloud.container_image)
    kinds = dict(await cloud.rows("SELECT id, kind FROM servers"))
    assert (kinds[vm], kinds[container]) == ("vm", "container")
    assert set(await cloud.show(vm)) == set(await cloud.show(container))


async def test_a_deleted_server_leaves_nothing_held(cloud: Cloud) -> None:
    id = await cloud.made()
    assert await held(cloud) != NOTHING
    assert (await cloud.call("DELETE", f"/servers/{id}")).status == 204
    assert (await cloud.show(id))["OS-EXT-STS:task_state"] == "deleting"
    await cloud.settle()
    assert (await cloud.call("GET", f"/servers/{id}")).status == 404
    assert await held(cloud) == NOTHING


async def test_without_room_the_server_is_in_error_says_why_and_holds_nothing(cloud: Cloud) -> None:
    answer = await cloud.create(flavorRef="large")
    assert answer.status == 202
    server = await cloud.show(answer.body["server"]["id"])
    assert server["status"] == "ERROR"
    assert server["fault"]["message"].startswith(
        "No valid host was found. There are not enough hosts available. No host"
    )
    assert server["fault"]["code"] == 500
    assert await held(cloud) == NOTHING
    assert (await cloud.call("DELETE", f"/servers/{server['id']}")).status == 204
    assert (await cloud.call("GET", f"/servers/{server['id']}")).status == 404
    assert await held(cloud) == NOTHING


async def test_quota_refuses_the_whole_request_and_holds_nothing(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await tx.run("UPDATE registered_limits SET default_limit = 2 WHERE resource_name = 'servers'")
    message = (await cloud.create(min_count=3)).refused(403)
    assert "Quota exceeded" in message
    assert await held(cloud) == NOTHING
    assert await cloud.rows("SELECT id FROM servers") == []


async def test_as_many_as_the_quota_allows_between_min_and_max(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await tx.run("UPDATE registered_limits SET default_limit = 2 WHERE resource_name = 'servers'")
    answer = await cloud.create(min_count=2, max_count=5, return_reservation_id=True)
    assert set(answer.ok()) == {"reservation_id"}
    rows = await cloud.rows("SELECT name, hostname, reservation_id FROM servers ORDER BY name")
    assert [row[:2] for row in rows] == [("one-1", "one-1"), ("one-2", "one-2")]
    assert {row[2] for row in rows} == {answer.body["reservation_id"]}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ({"imageRef": "00000000-0000-0000-0000-000000000000"}, 400, "Can not find requested image"),
        ({"imageRef": ...}, 400, "Missing imageRef attribute"),
        ({"flavorRef": "none-such"}, 400, "Flavor none-such could not be found."),
        ({"name": ""}, 400, "name"),
        ({"name": "x" * 256}, 400, "name"),
        ({"name": " padded "}, 400, "Can not start or end with whitespace"),
        ({"name": 12}, 400, "name"),
        ({"key_name": "none-such"}, 400, "Invalid key_name provided."),
        ({"networks": ...}, 400, "'networks' is a required property"),
        ({"networks": [{"uuid": "00000000-0000-0000-0000-000000000000"}]}, 400, "could not be found"),
        ({"networks": [{"uuid": "nonsense"}]}, 400, "not in proper format"),
        ({"networks": [{"port": "00000000-0000-0000-0000-000000000000"}]}, 400, "could not be found"),
        ({"security_groups": [{"name": "none-such"}]}, 400, "Security group none-such not found."),
        ({"availability_zone": "nowhere"}, 400, "The requested availability zone is not available"),
        ({"availability_zone": "nova:host0"}, 403, "forced_host"),
        ({"host": "host0"}, 403, "requested_destination"),
        ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
        ({"min_count": 0}, 400, "min_count"),
        ({"user_data": "not base64!"}, 400, "user_data"),
        ({"metadata": {"a": "x" * 256}}, 400, "metadata"),
        ({"metadata": {"a" * 256: "x"}}, 400, "metadata"),
        ({"metadata": {str(n): "x" for n in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
        ({"tags": ["a/b"]}, 400, "tags"),
        ({"tags": ["x" * 61]}, 400, "tags"),
        ({"accessIPv4": "1.2.3"}, 400, "accessIPv4"),
        ({"accessIPv6": "1.2.3.4"}, 400, "accessIPv6"),
        ({"hostname": "-"}, 202, ""),
        ({"unheard": "of"}, 400, "unheard"),
        ({"personality": []}, 400, "personality"),
        (
            {"block_device_mapping_v2": [{"source_type": "volume", "uuid": "v", "boot_index": 0}]},
            400,
            "Block Device Mapping is Invalid",
        ),
    ],
)
async def test_what_is_wrong_is_told_at_once(cloud: Cloud, words: dict[str, object], status: int, said: str) -> None:
    answer = await cloud.create(**words)
    if status == 202:
        answer.ok()
        return
    assert said in answer.refused(status)
    assert await held(cloud) == NOTHING


async def test_an_image_that_cannot_boot_here_is_refused(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        queued = await cloud.add_image(tx, "queued", "qcow2", "bare", status="queued")
        hungry = await cloud.add_image(tx, "hungry", "qcow2", "bare", min_ram=1024)
        wide = await cloud.add_image(tx, "wide", "qcow2", "bare", min_disk=10)
        large = await cloud.add_image(tx, "large", "qcow2", "bare", virtual_size=5 << 30)
    assert "is not active" in (await cloud.create(imageRef=queued)).refused(400)
    assert "memory is too small" in (await cloud.create(imageRef=hungry)).refused(400)
    assert "smaller than the minimum" in (await cloud.create(imageRef=wide)).refused(400)
    assert "disk is too small" in (await cloud.create(imageRef=large)).refused(400)


async def test_a_flavor_for_another_kind_than_the_image_is_refused(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        await tx.run("UPDATE flavors SET extra_specs = ? WHERE id = 'tiny'", '{"trivet:kind":"container"}')
    assert "kind container" in (await cloud.create()).refused(400)
    (await cloud.create(imageRef=cloud.container_image)).ok()


async def test_an_isolation_that_no_host_can_give_is_refused_and_not_forgotten(cloud: Cloud) -> None:
    """A container that ran with less than its flavor demands would look the same to everybody."""
    for said, words in (("vm", "inside a virtual machine"), ("vmm", "must be one of")):
        async with cloud.store.write() as tx:
            spec = f'{{"trivet:isolation":"{said}"}}'
            await tx.run("UPDATE flavors SET extra_specs = ? WHERE id = 'tiny'", spec)
        assert words in (await cloud.create(imageRef=cloud.container_image)).refused(400)
    # A virtual machine has it anyway.
    (await cloud.create()).ok()


async def test_a_cloud_that_demands_virtual_machines_for_containers_runs_none_on_a_shared_kernel(cloud: Cloud) -> None:
    """The class: whatever would run a container that does not run. One that runs already is left as it is."""
    before = await cloud.made(imageRef=cloud.container_image, networks="none")
    stopped = await cloud.made(imageRef=cloud.container_image, networks="none")
    (await cloud.act(stopped, "os-stop")).ok()
    await cloud.settle()
    cloud.parts.settings = dataclasses.replace(cloud.parts.settings, container_isolation="vm")
    for spec in ("{}", '{"trivet:isolation":"namespaces"}'):
        async with cloud.store.write() as tx:
            await tx.run("UPDATE flavors SET extra_specs = ? WHERE id = 'tiny'", spec)
        for token in (None, cloud.token("admin")):
            answer = await cloud.create(imageRef=cloud.container_image, **({"token": token} if token else {}))
            assert "container_isolation" in answer.refused(403), spec
    for id, action, said in (
        (stopped, "os-start", None),
        (before, "reboot", {"type": "HARD"}),
        (before, "rebuild", {"imageRef": cloud.container_image}),
    ):
        assert "container_isolation" in (await cloud.act(id, action, said)).refused(403)
    assert (await cloud.show(before))["status"] == "ACTIVE"
    (await cloud.create()).ok()
    (await cloud.act(before, "os-stop")).ok()
    (await cloud.call("DELETE", f"/servers/{stopped}")).ok()


async def test_a_field_is_unknown_before_the_version_that_brought_it(cloud: Cloud) -> None:
    for words, version in (
        ({"description": "d"}, "2.18"),
        ({"tags": ["a"]}, "2.51"),
        ({"host": "host0"}, "2.73"),
        ({"hostname": "me"}, "2.89"),
    ):
        nets = "auto" if version > "2.36" else ...
        assert "unexpected" in (await cloud.create(version=version, networks=nets, **words)).refused(400)
    (await cloud.create(version="2.56", personality=[{"path": "/a", "contents": "aGk="}])).ok()
    (await cloud.create(version="2.1", networks=...)).ok()


async def test_several_networks_must_be_told_apart(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        red = await cloud.add_network(tx, "red", "10.1.0.0/24")
    assert "Multiple possible networks" in (await cloud.create()).refused(409)
    id = await cloud.made(networks=[{"uuid": red, "fixed_ip": "10.1.0.77"}, {"uuid": cloud.network_id, "tag": "lan"}])
    addresses = (await cloud.show(id))["addresses"]
    assert addresses["red"][0]["addr"] == "10.1.0.77"
    assert list(addresses) == ["red", "blue"]
    alone = await cloud.made(networks="none")
    assert (await cloud.show(alone))["addresses"] == {}


async def test_a_network_of_another_project_does_not_exist(cloud: Cloud) -> None:
    async with cloud.store.write() as tx:
        foreign = await cloud.add_network(tx, "foreign", "10.9.0.0/24", project_id="2" * 32)
    assert "could not be found" in (await cloud.create(networks=[{"uuid": foreign}])).refused(400)


async def test_operators_choose_the_host(cloud: Cloud) -> None:
    admin = cloud.token("admin")
    for words in ({"availability_zone": "nova:host2"}, {"host": "host2"}, {"hypervisor_hostname": "host2"}):
        id = (await cloud.create(token=admin, **words)).ok()["server"]["id"]
        assert (await cloud.show(id, token=admin))["OS-EXT-SRV-ATTR:host"] == "host2"
    assert "could not be found" in (await cloud.create(token=admin, host="host9")).refused(400)


async def test_hints_keep_servers_together_or_apart(cloud: Cloud) -> None:
    admin = cloud.token("admin")
    first = await cloud.made()
    host = (await cloud.show(first, token=admin))["OS-EXT-SRV-ATTR:host"]
    for _ in range(3):
        apart = await cloud.made(hints={"different_host": [first]})
        assert (await cloud.show(apart, token=admin))["OS-EXT-SRV-ATTR:host"] != host
        beside = await cloud.made(hints={"same_host": first})
        assert (await cloud.show(beside, token=admin))["OS-EXT-SRV-ATTR:host"] == host
    assert (await cloud.show(beside))["scheduler_hints"] == {"same_host": [first]}


async def test_a_group_keeps_its_rule_and_the_one_too_many_finds_no_host(cloud: Cloud) -> None:
    admin = cloud.token("admin")
    group = (
        await cloud.call("POST", "/os-server-groups", {"server_group": {"name": "g", "policy": "anti-affinity"}})
    ).ok()["server_group"]["id"]
    ids = [await cloud.made(hints={"group": group}) for _ in range(4)]
    views = [await cloud.show(id, token=admin) for id in ids]
    assert {view["OS-EXT-SRV-ATTR:host"] for view in views[:3]} == {"host0", "host1", "host2"}
    assert views[3]["status"] == "ERROR"
    assert views[0]["server_groups"] == [group]
    (await cloud.call("DELETE", f"/servers/{ids[0]}")).ok()
    await cloud.settle()
    assert (await cloud.show(await cloud.made(hints={"group": group})))["status"] == "ACTIVE"


async def test_the_caller_who_says_too_much_is_told_so_in_novas_shape(cloud: Cloud) -> None:
    answer = await cloud.call("POST", "/servers", b"{not json")
    assert answer.status == 400
    assert set(answer.body) == {"badRequest"}
    assert (await cloud.call("POST", "/servers", {"server": []})).status == 400
    assert (await cloud.create(token=cloud.token("reader"))).status == 403


async def test_the_project_of_the_token_owns_the_server(cloud: Cloud) -> None:
    id = await cloud.made()
    assert (await cloud.show(id))["tenant_id"] == MINE
    stranger = cloud.token(project_id="2" * 32)
    assert (await cloud.call("GET", f"/servers/{id}", token=stranger)).status == 404
    assert (await cloud.call("DELETE", f"/servers/{id}", token=stranger)).status == 404


async def test_a_password_is_kept_where_only_the_cloud_can_read_it(cloud: Cloud) -> None:
    """The class: what a caller says or is told in confidence, at create and at rebuild, and the row that holds it."""
    cloud.parts.secrets = Secrets(b"a key file")
    answer = (await cloud.create(adminPass="tell-nobody-1", networks="none")).ok()["server"]
    assert answer["adminPass"] == "tell-nobody-1"
    await cloud.settle()
    for said in ("tell-nobody-1", "tell-nobody-2"):
        (row,) = await cloud.rows("SELECT * FROM servers WHERE id = ?", answer["id"])
        assert not [column for column in row if isinstance(column, str) and "tell-nobody" in column]
        async with cloud.store.read() as tx:
            drive = await instance_metadata.files(tx, answer["id"], cloud.parts.secrets)
        assert said.encode() in drive["openstack/latest/meta_data.json"]
        image = {"imageRef": cloud.vm_image, "adminPass": "tell-nobody-2"}
        (await cloud.act(answer["id"], "rebuild", image)).ok()
        await cloud.settle()
    (await cloud.create(adminPass="x" * 1025, networks="none")).refused(400)
