"""What operators are told and may do: hosts, services, quotas; and what anybody may ask of the service itself."""

import pytest
from tests.api.container.container_cloud import Containers, Project, cloud, mine, theirs, why

__all__ = ["cloud", "mine", "theirs"]


async def test_hosts_are_for_operators(mine: Project) -> None:
    why(await mine.call("GET", "/hosts"), 403)
    assert (await mine.call("GET", "/hosts", role="admin", version="1.3")).status == 404
    hosts = (await mine.call("GET", "/hosts", role="admin")).ok("hosts")
    assert [host["hostname"] for host in hosts] == ["sim-00001", "sim-00002"]
    for ident in (hosts[0]["uuid"], hosts[0]["hostname"]):
        host = (await mine.call("GET", f"/hosts/{ident}", role="admin")).ok()
        assert (host["cpus"], host["runtimes"], host["enable_cpu_pinning"]) == (64, ["runc"], False)
    older = (await mine.call("GET", f"/hosts/{hosts[0]['uuid']}", role="admin", version="1.28")).ok()
    assert "enable_cpu_pinning" not in older
    why(await mine.call("GET", "/hosts/no-such", role="admin"), 404)


async def test_services_are_switched_and_a_host_that_is_off_takes_nothing(mine: Project) -> None:
    why(await mine.call("GET", "/services"), 403)
    services = (await mine.call("GET", "/services", role="admin")).ok("services")
    assert [(one["host"], one["binary"], one["state"]) for one in services] == [
        ("sim-00001", "zun-compute", "up"), ("sim-00002", "zun-compute", "up"),
    ]  # fmt: skip
    for host in ("sim-00001", "sim-00002"):
        said = {"host": host, "binary": "zun-compute", "disabled_reason": "mending"}
        told = (await mine.call("PUT", "/services/disable", role="admin", **said)).ok("service")
        assert (told["disabled"], told["disabled_reason"]) == (True, "mending")
    view = (await mine.create(run=True)).ok()
    assert view["status"] == "Error" and "not enough hosts" in view["status_reason"]
    named = {"host": "sim-00001", "binary": "zun-compute"}
    (await mine.call("PUT", "/services/enable", named, role="admin")).ok()
    await mine.made()
    told = (await mine.call("PUT", "/services/force_down", named | {"forced_down": True}, role="admin")).ok("service")
    assert told["forced_down"] is True
    why(await mine.call("PUT", "/services/enable", {"host": "none", "binary": "zun-compute"}, role="admin"), 404)
    why(await mine.call("PUT", "/services/enable", {"host": "sim-00001", "binary": "x"}, role="admin"), 404)
    why(await mine.call("PUT", "/services/enable", {"host": "sim-00001"}, role="admin"), 400)


async def test_quotas_are_seen_by_whose_they_are(mine: Project, theirs: Project) -> None:
    most = (await mine.call("GET", f"/quotas/{mine.id}")).ok()
    assert most.keys() == {"containers", "cpu", "memory", "disk"}
    assert (await mine.call("GET", f"/quotas/{mine.id}/defaults")).ok() == most
    why(await mine.call("GET", f"/quotas/{theirs.id}"), 403)
    why(await mine.call("PUT", f"/quotas/{mine.id}", {"cpu": 1}), 403)
    assert (await mine.call("PUT", f"/quotas/{mine.id}", {"cpu": "1"}, role="admin")).ok()["cpu"] == 1
    assert "Quota exceeded" in why(await mine.create(cpu=2), 403)
    why(await mine.call("PUT", f"/quotas/{mine.id}", {"cpu": -2}, role="admin"), 400)
    why(await mine.call("PUT", f"/quotas/{mine.id}", {"tea": 2}, role="admin"), 400)
    assert (await mine.call("GET", f"/quotas/{mine.id}", version="1.25")).status == 404


async def test_classes_of_quotas_are_an_operators(mine: Project) -> None:
    why(await mine.call("GET", "/quota_classes/default"), 403)
    before = (await mine.call("GET", "/quota_classes/default", role="admin")).ok()
    changed = (await mine.call("PUT", "/quota_classes/default", {"containers": 7}, role="admin")).ok()
    assert changed == before | {"containers": 7}
    assert (await mine.call("GET", f"/quotas/{mine.id}/defaults")).ok()["containers"] == 7


@pytest.mark.parametrize("path", ["/container", "/container/v1"])
async def test_versions_are_told_to_anybody(cloud: Containers, path: str) -> None:
    answer = (await cloud.whole.call("GET", path, headers=[(b"openstack-api-version", b"container 1.1")])).ok()
    if path == "/container":
        (version,) = answer["versions"]
        assert (version["id"], version["status"]) == ("v1", "CURRENT")
        assert (version["min_version"], version["max_version"]) == ("1.1", "1.40")
    else:
        assert answer["containers"][0]["href"].endswith("/container/v1/containers/")


async def test_what_is_not_offered_is_said(mine: Project) -> None:
    for path, word in (("/registries", "registr"), ("/images", "image")):
        assert word in why(await mine.call("GET", path), 404)
    assert [one["availability_zone"] for one in (await mine.call("GET", "/availability_zones")).ok(
        "availability_zones")] == ["nova"]  # fmt: skip
    why(await mine.call("DELETE", f"/networks/{mine.network_id}", role="admin"), 404)
    why(await mine.call("POST", "/networks", {"name": "x", "neutron_net_id": "y"}, role="admin"), 400)
    why(await mine.call("POST", "/networks", {"name": "x"}), 403)


async def test_several_containers_as_one_are_refused_in_words(mine: Project) -> None:
    template = {"kind": "capsule", "metadata": {"name": "two"}, "spec": {"containers": [{"image": "shell"}]}}
    assert "container of its own" in why(await mine.call("POST", "/capsules", {"template": template}), 400)
    assert (await mine.call("GET", "/capsules")).ok("capsules") == []
    why(await mine.call("GET", "/capsules", all_projects="1"), 403)
    why(await mine.call("GET", "/capsules/two"), 404)
    why(await mine.call("DELETE", "/capsules/two"), 404)
