"""The small things of compute: flavors, keys, groups, aggregates, hosts, quotas; at the versions that changed them."""

from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE, THEIRS

__all__ = ["cloud"]

SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDwmd6A0TUxZuLfx3WUOAjsTGD1NZJYNGO+nb2oL3vz4 me"


def admin(cloud: Cloud) -> str:
    return cloud.token("admin", user_id="root")


async def flavor(cloud: Cloud, name: str, **words: Any) -> Any:
    wanted = {"name": name, "ram": 128, "vcpus": 1, "disk": 1} | words
    return (await cloud.call("POST", "/flavors", {"flavor": wanted}, token=admin(cloud))).ok()["flavor"]


# -- flavors


async def test_a_flavor_is_shown_as_each_version_spells_it(cloud: Cloud) -> None:
    made = await flavor(cloud, "one", swap=0)
    path = f"/flavors/{made['id']}"
    oldest = (await cloud.call("GET", path, version="2.1")).ok()["flavor"]
    assert oldest["swap"] == "" and oldest["rxtx_factor"] == 1.0 and oldest["OS-FLV-DISABLED:disabled"] is False
    assert "description" not in oldest and "extra_specs" not in oldest
    assert (await cloud.call("GET", path, version="2.55")).ok()["flavor"]["description"] is None
    assert (await cloud.call("GET", path, version="2.61")).ok()["flavor"]["extra_specs"] == {}
    assert (await cloud.call("GET", path, version="2.75")).ok()["flavor"]["swap"] == 0
    assert "rxtx_factor" not in (await cloud.call("GET", path, version="2.102")).ok()["flavor"]


async def test_a_private_flavor_exists_for_those_who_were_given_it(cloud: Cloud) -> None:
    made = await flavor(cloud, "secret", **{"os-flavor-access:is_public": False})
    path = f"/flavors/{made['id']}"
    assert (await cloud.call("GET", path)).status == 404
    async with cloud.store.write() as tx:
        await tx.run(
            "INSERT INTO projects (id, revision, name, domain_id, parent_id, is_domain, enabled, description, tags,"
            " options, extra) VALUES (?, 1, 'mine', 'default', 'default', 0, 1, '', '[]', '{}', '{}')",
            MINE,
        )
    give = {"addTenantAccess": {"tenant": MINE}}
    assert (await cloud.call("POST", f"{path}/action", give)).status == 403
    assert (await cloud.call("POST", f"{path}/action", give, token=admin(cloud))).status == 200
    assert (await cloud.call("POST", f"{path}/action", give, token=admin(cloud))).status == 409
    assert (await cloud.call("GET", path)).status == 200
    assert (await cloud.call("GET", path, token=cloud.token(project_id=THEIRS))).status == 404
    take = {"removeTenantAccess": {"tenant": MINE}}
    assert (await cloud.call("POST", f"{path}/action", take, token=admin(cloud))).ok() == {"flavor_access": []}
    assert (await cloud.call("GET", path)).status == 404


async def test_flavors_are_listed_in_pages_that_meet(cloud: Cloud) -> None:
    for n in range(5):
        await flavor(cloud, f"f{n}", ram=128 * (5 - n))
    seen: list[str] = []
    path = "/flavors?limit=3&sort_key=memory_mb"
    while path:
        page = (await cloud.call("GET", path)).ok()
        seen += [one["id"] for one in page["flavors"]]
        links = page.get("flavors_links", [])
        path = links[0]["href"].partition("/v2.1")[2] if links else ""
    everything = (await cloud.call("GET", "/flavors")).ok()["flavors"]
    assert sorted(seen) == sorted(one["id"] for one in everything)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "wrong", [{"ram": 0}, {"vcpus": -1}, {"disk": "x"}, {"name": ""}, {"name": "  "}, {"id": " x"}, {"surprise": 1}]
)
async def test_a_flavor_that_makes_no_sense_is_refused(cloud: Cloud, wrong: dict[str, Any]) -> None:
    wanted = {"name": "f", "ram": 1, "vcpus": 1, "disk": 1} | wrong
    (await cloud.call("POST", "/flavors", {"flavor": wanted}, token=admin(cloud))).refused(400)


async def test_extra_specs_are_checked_since_2_86(cloud: Cloud) -> None:
    path = f"/flavors/{(await flavor(cloud, 'f'))['id']}/os-extra_specs"
    wrong = {"extra_specs": {"hw:cpu_policy": "sometimes"}}
    assert (await cloud.call("POST", path, wrong, token=admin(cloud))).status == 400
    assert (await cloud.call("POST", path, wrong, token=admin(cloud), version="2.85")).status == 200
    unknown = {"extra_specs": {"hw:cpu_colour": "red"}}
    assert (await cloud.call("POST", path, unknown, token=admin(cloud))).status == 400
    ones_own = {"extra_specs": {"shop:price": "12"}}
    assert (await cloud.call("POST", path, ones_own, token=admin(cloud))).ok() == ones_own
    assert (await cloud.call("GET", f"{path}/shop:price")).ok() == {"shop:price": "12"}
    assert (await cloud.call("DELETE", f"{path}/shop:price", token=admin(cloud))).status == 200
    assert (await cloud.call("GET", f"{path}/shop:price")).status == 404


# -- keys


async def test_a_key_is_imported_and_is_its_users_alone(cloud: Cloud) -> None:
    body = {"keypair": {"name": "k", "public_key": SSH_KEY}}
    made = await cloud.call("POST", "/os-keypairs", body)
    assert made.status == 201
    assert made.body["keypair"]["fingerprint"] == "18:7e:76:02:7b:91:e4:7c:5f:36:81:80:f7:7c:7c:f3"
    assert "private_key" not in made.body["keypair"]
    assert (await cloud.call("POST", "/os-keypairs", body)).status == 409
    other = cloud.token(user_id="somebody")
    assert (await cloud.call("GET", "/os-keypairs/k", token=other)).status == 404
    assert (await cloud.call("GET", "/os-keypairs/k?user_id=wei", token=other)).status == 403
    assert (await cloud.call("GET", "/os-keypairs/k?user_id=wei", token=admin(cloud))).status == 200
    assert (await cloud.call("DELETE", "/os-keypairs/k")).status == 204
    (await cloud.call("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": "nonsense"}})).refused(400)


async def test_a_pair_was_made_for_the_user_until_2_91(cloud: Cloud) -> None:
    made = await cloud.call("POST", "/os-keypairs", {"keypair": {"name": "k"}}, version="2.91")
    assert made.ok()["keypair"]["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert (await cloud.call("GET", "/os-keypairs/k")).ok()["keypair"]["public_key"].startswith("ssh-rsa ")
    (await cloud.call("POST", "/os-keypairs", {"keypair": {"name": "k2"}}, version="2.92")).refused(400)


# -- groups


async def test_servers_of_an_anti_affinity_group_never_share_a_host(cloud: Cloud) -> None:
    body = {"server_group": {"name": "apart", "policy": "anti-affinity"}}
    group = (await cloud.call("POST", "/os-server-groups", body)).ok()["server_group"]
    ids = [await cloud.made(hints={"group": group["id"]}) for _ in range(3)]
    placed = await cloud.rows("SELECT DISTINCT host_id FROM servers")
    assert len(placed) == 3
    fourth = (await cloud.create(hints={"group": group["id"]})).ok()["server"]["id"]
    assert (await cloud.show(fourth))["status"] == "ERROR", "there are three hosts"
    shown = (await cloud.call("GET", f"/os-server-groups/{group['id']}")).ok()["server_group"]
    assert set(ids) <= set(shown["members"])
    old = (await cloud.call("GET", f"/os-server-groups/{group['id']}", version="2.1")).ok()["server_group"]
    assert (old["policies"], old["metadata"]) == (["anti-affinity"], {})
    assert (
        await cloud.call("GET", f"/os-server-groups/{group['id']}", token=cloud.token(project_id=THEIRS))
    ).status == 404


# -- aggregates, zones, hosts


async def test_an_aggregate_makes_a_zone_and_servers_keep_to_it(cloud: Cloud) -> None:
    token = admin(cloud)
    wanted = {"aggregate": {"name": "racks", "availability_zone": "north"}}
    made = (await cloud.call("POST", "/os-aggregates", wanted, token=token)).ok()["aggregate"]
    path = f"/os-aggregates/{made['id']}"
    joined = await cloud.call("POST", f"{path}/action", {"add_host": {"host": "host1"}}, token=token)
    assert joined.ok()["aggregate"]["hosts"] == ["host1"]
    assert (await cloud.call("POST", f"{path}/action", {"add_host": {"host": "host1"}}, token=token)).status == 409
    zones = (await cloud.call("GET", "/os-availability-zone")).ok()["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["north", "nova"]
    await cloud.made(availability_zone="north")
    assert await cloud.rows("SELECT h.name FROM servers s JOIN hosts h ON h.id = s.host_id") == [("host1",)]
    assert (await cloud.call("DELETE", path, token=token)).status == 400, "it has a host"
    gone = await cloud.call("POST", f"{path}/action", {"remove_host": {"host": "host1"}}, token=token)
    assert gone.status == 409, "the host has a server"


async def test_a_disabled_host_gets_no_new_servers(cloud: Cloud) -> None:
    token = admin(cloud)
    services = (await cloud.call("GET", "/os-services", token=token)).ok()["services"]
    assert {service["binary"] for service in services} == {"nova-compute"}
    for service in services[1:]:
        change = {"status": "disabled", "disabled_reason": "moving"}
        changed = await cloud.call("PUT", f"/os-services/{service['id']}", change, token=token)
        assert changed.ok()["service"]["disabled_reason"] == "moving"
    for _ in range(2):
        await cloud.made()
    assert await cloud.rows("SELECT DISTINCT h.name FROM servers s JOIN hosts h ON h.id = s.host_id") == [
        (services[0]["host"],)
    ]
    (await cloud.call("DELETE", f"/os-services/{services[0]['id']}", token=token)).refused(409)
    assert (await cloud.call("DELETE", f"/os-services/{services[1]['id']}", token=token)).status == 204


async def test_hypervisors_tell_what_is_taken_until_2_87(cloud: Cloud) -> None:
    await cloud.made()
    found = (await cloud.call("GET", "/os-hypervisors/detail", token=admin(cloud), version="2.87")).ok()["hypervisors"]
    assert sum(host["vcpus_used"] for host in found) == 1
    assert sum(host["running_vms"] for host in found) == 1
    newest = (await cloud.call("GET", "/os-hypervisors/detail?with_servers=true", token=admin(cloud))).ok()[
        "hypervisors"
    ]
    assert sum(len(host["servers"]) for host in newest) == 1
    assert not {"vcpus", "cpu_info"} & set(newest[0])
    old = (await cloud.call("GET", "/os-hypervisors", token=admin(cloud), version="2.1")).ok()["hypervisors"]
    assert all(isinstance(host["id"], int) for host in old)
    assert (await cloud.call("GET", "/os-hypervisors")).status == 403


# -- quotas


async def test_a_quota_binds_the_next_call_and_is_told_as_used(cloud: Cloud) -> None:
    async with cloud.store.read() as tx:
        row = await tx.row("SELECT id FROM projects WHERE name = 'admin'")
    assert row is not None
    project_id = str(row[0])
    token, theirs = admin(cloud), cloud.token(project_id=project_id)
    change = {"quota_set": {"server_groups": 1}}
    assert (await cloud.call("PUT", f"/os-quota-sets/{project_id}", change, token=theirs)).status == 403
    changed = (await cloud.call("PUT", f"/os-quota-sets/{project_id}", change, token=token)).ok()
    assert changed["quota_set"]["server_groups"] == 1
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    made = (await cloud.call("POST", "/os-server-groups", body, token=theirs)).ok()["server_group"]
    (await cloud.call("POST", "/os-server-groups", body, token=theirs)).refused(403)
    detail = (await cloud.call("GET", f"/os-quota-sets/{project_id}/detail", token=theirs)).ok()["quota_set"]
    assert detail["server_groups"] == {"limit": 1, "in_use": 1, "reserved": 0}
    absolute = (await cloud.call("GET", "/limits", token=theirs)).ok()["limits"]["absolute"]
    assert (absolute["maxServerGroups"], absolute["totalServerGroupsUsed"]) == (1, 1)
    below = {"quota_set": {"server_groups": 0}}
    (await cloud.call("PUT", f"/os-quota-sets/{project_id}", below, token=token)).refused(400)
    assert (await cloud.call("DELETE", f"/os-server-groups/{made['id']}", token=theirs)).status == 204
    assert (await cloud.call("POST", "/os-server-groups", body, token=theirs)).status == 200


async def test_what_has_ended_says_so(cloud: Cloud) -> None:
    token = admin(cloud)
    (await cloud.call("GET", "/os-agents", token=token)).refused(410)
    assert (await cloud.call("GET", "/images", version="2.35")).status == 200
    (await cloud.call("GET", "/images", version="2.36")).refused(404)
    (await cloud.call("GET", "/os-hosts", token=token, version="2.43")).refused(404)
    assert len((await cloud.call("GET", "/os-hosts", token=token, version="2.42")).ok()["hosts"]) == 3
