"""Volumes that change hands, stand together, or are used by somebody who is no server of ours."""

from typing import Any

from tests.api.volume.volume_cloud import MINE, THEIRS, VolumeCloud, cloud

__all__ = ["cloud"]


async def test_a_volume_goes_to_whoever_has_the_key_and_its_quota_with_it(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(size=2)
    await cloud.snapshot(volume["id"])
    made = (await cloud.call("POST", "/volume-transfers", {"transfer": {"volume_id": volume["id"]}})).ok("transfer")
    assert (await cloud.show(volume["id"]))["status"] == "awaiting-transfer"
    path = f"/volume-transfers/{made['id']}"
    (await cloud.call("GET", path, token=cloud.theirs)).refused(404)
    wrong = {"accept": {"auth_key": "wrong"}}
    (await cloud.call("POST", f"{path}/accept", wrong, token=cloud.theirs)).refused(400)
    right = {"accept": {"auth_key": made["auth_key"]}}
    assert (await cloud.call("POST", f"{path}/accept", right, token=cloud.theirs)).status == 202
    assert (await cloud.show(volume["id"], token=cloud.theirs))["status"] == "available"
    (await cloud.call("GET", f"/volumes/{volume['id']}")).refused(404)
    assert await cloud.used(MINE) == {"volumes": 0, "gigabytes": 0, "snapshots": 0}
    assert await cloud.used(THEIRS) == {"volumes": 1, "gigabytes": 4, "snapshots": 1}
    (await cloud.call("POST", f"{path}/accept", right)).refused(404)


async def test_a_transfer_that_is_taken_back_leaves_the_volume_where_it_was(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    made = (await cloud.call("POST", "/os-volume-transfer", {"transfer": {"volume_id": volume["id"]}})).ok("transfer")
    (await cloud.call("DELETE", f"/os-volume-transfer/{made['id']}", token=cloud.theirs)).refused(404)
    assert (await cloud.call("DELETE", f"/os-volume-transfer/{made['id']}")).status == 202
    assert (await cloud.show(volume["id"]))["status"] == "available"


async def group_of(cloud: VolumeCloud, **specs: str) -> Any:
    said = {"group_type": {"name": "together", "group_specs": specs}}
    type = (await cloud.call("POST", "/group_types", said, token=cloud.admin)).ok("group_type")
    body = {"group": {"name": "g", "group_type": type["id"], "volume_types": ["__DEFAULT__"]}}
    return (await cloud.call("POST", "/groups", body)).ok("group")


async def test_a_group_is_snapshotted_copied_and_deleted_as_one(cloud: VolumeCloud) -> None:
    group = await group_of(cloud)
    first = await cloud.volume(group_id=group["id"], volume_type="__DEFAULT__")
    second = await cloud.volume()
    added = {"group": {"add_volumes": second["id"]}}
    assert (await cloud.call("PUT", f"/groups/{group['id']}", added)).status == 202
    (await cloud.call("DELETE", f"/volumes/{first['id']}")).refused(400)
    made = (await cloud.call("POST", "/group_snapshots", {"group_snapshot": {"group_id": group["id"]}})).ok(
        "group_snapshot",
    )
    path = f"/group_snapshots/{made['id']}"

    async def ready() -> bool:
        return bool((await cloud.call("GET", path)).ok("group_snapshot")["status"] == "available")

    await cloud.eventually(ready, "the group's snapshot")
    source = {"create-from-src": {"name": "copy", "group_snapshot_id": made["id"]}}
    copy = (await cloud.call("POST", "/groups/action", source)).ok("group")
    shown = (await cloud.call("GET", f"/groups/{copy['id']}", query="list_volume=true")).ok("group")
    assert len(shown["volumes"]) == 2
    for id in shown["volumes"]:
        await cloud.until(id, "available")
    (await cloud.call("POST", f"/groups/{group['id']}/action", {"delete": {"delete-volumes": True}})).refused(400)
    assert (await cloud.call("DELETE", path)).status == 202
    for snapshot in (await cloud.call("GET", "/snapshots")).ok("snapshots"):
        await cloud.gone(f"/snapshots/{snapshot['id']}")
    for id in (group["id"], copy["id"]):
        delete = {"delete": {"delete-volumes": True}}
        assert (await cloud.call("POST", f"/groups/{id}/action", delete)).status == 202
    for id in (first["id"], second["id"], *shown["volumes"]):
        await cloud.gone(f"/volumes/{id}")
    assert await cloud.used() == {"volumes": 0, "gigabytes": 0, "snapshots": 0}


async def test_others_groups_are_nothing_to_a_tenant(cloud: VolumeCloud) -> None:
    group = await group_of(cloud)
    theirs = await cloud.volume(token=cloud.theirs)
    (await cloud.call("GET", f"/groups/{group['id']}", token=cloud.theirs)).refused(404)
    (await cloud.call("PUT", f"/groups/{group['id']}", {"group": {"add_volumes": theirs["id"]}})).refused(404)
    body = {"volume": {"size": 1, "group_id": group["id"], "volume_type": "__DEFAULT__"}}
    (await cloud.call("POST", "/volumes", body, token=cloud.theirs)).refused(404)


async def test_snapshots_of_one_moment_are_not_promised(cloud: VolumeCloud) -> None:
    group = await group_of(cloud, consistent_group_snapshot_enabled="<is> True")
    await cloud.volume(group_id=group["id"], volume_type="__DEFAULT__")
    (await cloud.call("POST", "/group_snapshots", {"group_snapshot": {"group_id": group["id"]}})).refused(400)


async def test_who_attaches_by_himself_is_told_how_and_lets_go_again(cloud: VolumeCloud) -> None:
    volume, server = await cloud.volume(), await cloud.server()
    said = {"volume_uuid": volume["id"], "instance_uuid": server["id"]}
    made = (await cloud.call("POST", "/attachments", {"attachment": said})).ok("attachment")
    assert (made["status"], (await cloud.show(volume["id"]))["status"]) == ("reserved", "reserved")
    path = f"/attachments/{made['id']}"
    (await cloud.call("GET", path, token=cloud.theirs)).refused(404)
    connector = {"attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdx"}}}
    made = (await cloud.call("PUT", path, connector)).ok("attachment")
    assert made["connection_info"]["driver_volume_type"] == "nbd"
    assert "path" not in made["connection_info"], "where it lies on its host is nothing for tenants"
    assert (await cloud.call("POST", f"{path}/action", {"os-complete": {}})).status == 204
    shown = await cloud.until(volume["id"], "in-use")
    assert shown["attachments"][0]["device"] == "/dev/vdx"
    has = (await cloud.compute("GET", f"/servers/{server['id']}/os-volume_attachments")).ok("volumeAttachments")
    assert has == [], "naming a server gives it nothing: it may be anybody's"
    assert (await cloud.call("DELETE", path)).ok("attachments") == []
    await cloud.until(volume["id"], "available")


async def test_what_a_server_has_is_computes_to_take_away(cloud: VolumeCloud) -> None:
    """Else the server would go on using a device that may be somebody else's by then."""
    volume, server = await cloud.volume(), await cloud.server()
    attachment = await cloud.attach(server["id"], volume["id"])
    (await cloud.call("DELETE", f"/attachments/{attachment['attachment_id']}")).refused(409)
    (await cloud.act(volume["id"], "os-detach", {})).refused(409)
    (await cloud.act(volume["id"], "os-force_detach", {}, token=cloud.whole.token("admin", MINE, "op"))).refused(409)
    assert (await cloud.show(volume["id"]))["status"] == "in-use"


async def test_a_shared_volume_serves_several_servers_and_one_that_is_not_does_not(cloud: VolumeCloud) -> None:
    body = {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}
    (await cloud.call("POST", "/types", body, token=cloud.admin)).ok()
    volume = await cloud.volume(volume_type="shared")
    servers = [await cloud.server(), await cloud.server()]
    for server in servers:
        await cloud.attach(server["id"], volume["id"])

    async def both() -> bool:
        return len((await cloud.show(volume["id"]))["attachments"]) == 2

    await cloud.eventually(both, "two attachments")
    again = {"volumeAttachment": {"volumeId": volume["id"]}}
    (await cloud.compute("POST", f"/servers/{servers[0]['id']}/os-volume_attachments", again)).refused(400)
    assert (await cloud.compute("DELETE", f"/servers/{servers[0]['id']}")).status == 204

    async def one() -> bool:
        shown = await cloud.show(volume["id"])
        return shown["status"] == "in-use" and len(shown["attachments"]) == 1

    await cloud.eventually(one, "one attachment")


async def test_a_read_only_volume_is_attached_for_reading_only(cloud: VolumeCloud) -> None:
    volume, server = await cloud.volume(), await cloud.server()
    assert (await cloud.act(volume["id"], "os-update_readonly_flag", {"readonly": True})).status == 202
    assert (await cloud.show(volume["id"]))["metadata"]["readonly"] == "True"
    attachment = await cloud.attach(server["id"], volume["id"])
    assert cloud.engine.serving(volume["id"]).exports == {attachment["attachment_id"]: True}


async def test_an_operator_ends_the_attachment_of_somebody_who_is_gone(cloud: VolumeCloud) -> None:
    admin, volume = cloud.whole.token("admin", MINE, "op"), await cloud.volume()
    said = {"instance_uuid": "00000000-0000-4000-8000-000000000000", "mountpoint": "/dev/vdb"}
    assert (await cloud.act(volume["id"], "os-attach", said)).status == 202
    await cloud.until(volume["id"], "in-use")
    assert (await cloud.act(volume["id"], "os-reset_status", {"status": "error"}, token=admin)).status == 202
    (await cloud.act(volume["id"], "os-force_detach", {})).refused(403)
    assert (await cloud.act(volume["id"], "os-force_detach", {}, token=admin)).status == 202
    await cloud.until(volume["id"], "available")


async def test_who_looks_for_nothing_in_particular_is_told_that_it_is_not_there(cloud: VolumeCloud) -> None:
    (await cloud.call("GET", "/volumes/")).refused(404)
    (await cloud.call("GET", "/snapshots/")).refused(404)
