"""What an operator offers and how much of it there is: types, QoS, quotas, services, and what is told of them."""

from typing import Any

from tests.api.volume.volume_cloud import MINE, THEIRS, VolumeCloud, cloud

__all__ = ["cloud"]


async def new_type(cloud: VolumeCloud, name: str, **words: Any) -> Any:
    body = {"volume_type": {"name": name} | words}
    return (await cloud.call("POST", "/types", body, token=cloud.admin)).ok("volume_type")


async def test_a_private_type_is_for_whom_it_was_given(cloud: VolumeCloud) -> None:
    type = await new_type(cloud, "gold", **{"os-volume-type-access:is_public": False})
    volume = {"volume": {"size": 1, "volume_type": "gold"}}
    (await cloud.call("POST", "/volumes", volume)).refused(404)
    (await cloud.call("GET", f"/types/{type['id']}")).refused(404)
    access = {"addProjectAccess": {"project": MINE}}
    assert (await cloud.call("POST", f"/types/{type['id']}/action", access, token=cloud.admin)).status == 202
    (await cloud.call("POST", f"/types/{type['id']}/action", access, token=cloud.admin)).refused(409)
    assert (await cloud.volume(volume_type="gold"))["volume_type"] == "gold"
    (await cloud.call("POST", "/volumes", volume, token=cloud.theirs)).refused(404)
    (await cloud.call("DELETE", f"/types/{type['id']}", token=cloud.admin)).refused(400)
    (await cloud.call("POST", "/types", {"volume_type": {"name": "mine"}})).refused(403)


async def test_a_type_for_a_back_end_that_is_not_there_ends_in_error(cloud: VolumeCloud) -> None:
    await new_type(cloud, "far", extra_specs={"volume_backend_name": "elsewhere"})
    made = await cloud.volume(volume_type="far", until="error")
    found = (await cloud.call("GET", "/messages", query=f"resource_uuid={made['id']}")).ok("messages")
    assert "backend" in found[0]["user_message"]
    assert (await cloud.call("GET", f"/messages/{found[0]['id']}", token=cloud.theirs)).status == 404
    assert (await cloud.call("DELETE", f"/volumes/{made['id']}")).status == 202
    await cloud.gone(f"/volumes/{made['id']}")


async def test_limits_of_a_type_reach_a_volume_in_use_at_once(cloud: VolumeCloud) -> None:
    type = await new_type(cloud, "slow")
    volume, server = await cloud.volume(volume_type="slow", size=2), await cloud.server()
    await cloud.attach(server["id"], volume["id"])
    said = {"qos_specs": {"name": "q", "total_iops_sec": 100, "consumer": "back-end"}}
    qos = (await cloud.call("POST", "/qos-specs", said, token=cloud.admin)).ok("qos_specs")
    path = f"/qos-specs/{qos['id']}"
    query = f"vol_type_id={type['id']}"
    assert (await cloud.call("GET", f"{path}/associate", token=cloud.admin, query=query)).status == 202

    async def limited(total: int) -> None:
        async def so() -> bool:
            return bool(cloud.engine.serving(volume["id"]).limits.total_iops == total)

        await cloud.eventually(so, f"{total} IOPS")

    await limited(100)
    change = {"qos_specs": {"total_iops_sec_per_gb": "50", "total_iops_sec": "70"}}
    (await cloud.call("PUT", path, change, token=cloud.admin)).ok()
    (await cloud.call("PUT", f"{path}/delete_keys", {"keys": ["total_iops_sec"]}, token=cloud.admin)).ok()
    await limited(100)
    (await cloud.call("DELETE", path, token=cloud.admin)).refused(400)
    assert (await cloud.call("GET", f"{path}/disassociate_all", token=cloud.admin)).status == 202
    await limited(0)


async def test_another_type_changes_what_a_volume_counts_for(cloud: VolumeCloud) -> None:
    await new_type(cloud, "fast")
    volume = await cloud.volume()
    assert (await cloud.act(volume["id"], "os-retype", {"new_type": "fast"})).status == 202
    assert (await cloud.until(volume["id"], "available"))["volume_type"] == "fast"
    admin = cloud.whole.token("admin", MINE, "op")
    shown = (await cloud.call("GET", f"/os-quota-sets/{MINE}", token=admin, query="usage=true")).ok("quota_set")
    assert shown["volumes_fast"]["in_use"] == 1
    assert shown["volumes___DEFAULT__"]["in_use"] == 0
    (await cloud.call("PUT", f"/os-quota-sets/{MINE}", {"quota_set": {"volumes_fast": 1}}, token=admin)).refused(404)


async def test_a_type_has_a_quota_of_its_own(cloud: VolumeCloud) -> None:
    await new_type(cloud, "rare")
    path, wanted = f"/os-quota-sets/{cloud.whole.project_id}", {"volume": {"size": 1, "volume_type": "rare"}}
    said = {"quota_set": {"volumes_rare": 1}}
    assert (await cloud.call("PUT", path, said, token=cloud.admin)).ok("quota_set")["volumes_rare"] == 1
    (await cloud.call("POST", "/volumes", wanted, token=cloud.admin)).ok()
    (await cloud.call("POST", "/volumes", wanted, token=cloud.admin)).refused(413)
    await cloud.volume(volume_type="__DEFAULT__", token=cloud.admin)
    assert (await cloud.call("DELETE", path, token=cloud.admin)).status == 200
    (await cloud.call("POST", "/volumes", wanted, token=cloud.admin)).ok()


async def test_quotas_of_others_are_not_shown(cloud: VolumeCloud) -> None:
    (await cloud.call("GET", f"/os-quota-sets/{THEIRS}")).refused(403)
    (await cloud.call("PUT", f"/os-quota-sets/{MINE}", {"quota_set": {"volumes": 99}})).refused(403)
    shown = (await cloud.call("GET", f"/os-quota-sets/{MINE}")).ok("quota_set")
    assert (shown["volumes"], shown["gigabytes"], shown["per_volume_gigabytes"]) == (10, 1000, -1)
    await cloud.volume(size=3)
    absolute = (await cloud.call("GET", "/limits")).ok("limits")["absolute"]
    assert (absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"]) == (1, 3)


async def test_a_disabled_back_end_takes_no_new_volumes(cloud: VolumeCloud) -> None:
    said = {"host": "sim@sim", "binary": "cinder-volume", "disabled_reason": "full"}
    (await cloud.call("PUT", "/os-services/disable-log-reason", said, token=cloud.admin)).ok()
    found = (await cloud.call("GET", "/os-services", token=cloud.admin, query="binary=cinder-volume")).ok("services")
    assert [(one["state"], one["status"], one["disabled_reason"]) for one in found] == [("up", "disabled", "full")]
    await cloud.volume(until="error")
    (await cloud.call("PUT", "/os-services/enable", said, token=cloud.admin)).ok()
    await cloud.volume()


async def test_a_project_has_a_default_type_of_its_own(cloud: VolumeCloud) -> None:
    type = await new_type(cloud, "ours")
    project = cloud.whole.project_id
    body = {"default_type": {"volume_type": "ours"}}
    (await cloud.call("PUT", f"/default-types/{project}", body, token=cloud.admin)).ok()
    assert (await cloud.call("GET", "/types/default", token=cloud.admin)).ok("volume_type")["id"] == type["id"]
    assert (await cloud.call("GET", "/types/default")).ok("volume_type")["name"] == "__DEFAULT__"
    assert (await cloud.call("DELETE", f"/default-types/{project}", token=cloud.admin)).status == 204


async def test_what_is_not_offered_is_refused_in_words(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    for action in ("os-initialize_connection", "os-terminate_connection"):
        assert "Not offered" in (await cloud.act(volume["id"], action, {})).refused(400)
    assert (await cloud.call("GET", "/consistencygroups")).ok("consistencygroups") == []
