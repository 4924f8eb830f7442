"""Volumes from the outside: made, seen, changed, attached to servers, and gone again with all that they took."""

import os
from typing import Any

import pytest
from tests.api.volume.volume_cloud import VolumeCloud, cloud

__all__ = ["cloud"]

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_volume_is_made_seen_and_deleted_and_its_quota_comes_back(cloud: VolumeCloud) -> None:
    made = await cloud.volume(name=" one ", description="d", metadata={"a": "b"}, size=2)
    assert (made["name"], made["size"], made["metadata"], made["bootable"]) == ("one", 2, {"a": "b"}, "false")
    assert made["volume_type"] == "__DEFAULT__"
    assert "os-vol-host-attr:host" not in made
    assert (await cloud.show(made["id"], token=cloud.whole.token("admin", "1" * 32, "op")))["os-vol-host-attr:host"]
    assert await cloud.used() == {"volumes": 1, "gigabytes": 2}
    assert (await cloud.call("DELETE", f"/volumes/{made['id']}")).status == 202
    await cloud.gone(f"/volumes/{made['id']}")
    assert await cloud.used() == {"volumes": 0, "gigabytes": 0}
    assert await cloud.engine.observe() == {}
    assert await cloud.rows("SELECT allocated_gib FROM volume_backends") == [(0,)]


async def test_the_project_may_stand_in_the_path_and_must_be_the_tokens(cloud: VolumeCloud) -> None:
    made = await cloud.volume()
    found = (await cloud.call("GET", f"/{'1' * 32}/volumes/{made['id']}")).ok("volume")
    assert found["links"][0]["href"].endswith(f"/v3/{'1' * 32}/volumes/{made['id']}")
    (await cloud.call("GET", f"/{'2' * 32}/volumes/{made['id']}")).refused(400)


@pytest.mark.parametrize(
    "words",
    [{"size": 0}, {"size": -1}, {"size": "x"}, {"size": None}, {"size": 1 << 40}, {"availability_zone": "moon"},
     {"snapshot_id": NOBODY, "source_volid": NOBODY}, {"metadata": {"k": "v" * 256}}, {"name": "n" * 256},
     {"unknown": 1}, {"imageRef": NOBODY}],
)  # fmt: skip
async def test_a_volume_that_cannot_be_is_refused_and_takes_nothing(cloud: VolumeCloud, words: dict[str, Any]) -> None:
    (await cloud.call("POST", "/volumes", {"volume": {"size": 1} | words})).refused(400)
    assert sum((await cloud.used()).values()) == 0
    assert await cloud.rows("SELECT allocated_gib FROM volume_backends") == [(0,)]


async def test_a_full_quota_is_told_in_the_words_that_clients_know(cloud: VolumeCloud) -> None:
    said = (await cloud.call("POST", "/volumes", {"volume": {"size": 1001}})).refused(413)
    assert "VolumeSizeExceedsAvailableQuota" in said
    for _ in range(10):
        await cloud.volume(until=None)
    assert "VolumeLimitExceeded" in (await cloud.call("POST", "/volumes", {"volume": {"size": 1}})).refused(413)


async def test_what_is_anothers_is_nothing_to_a_tenant(cloud: VolumeCloud) -> None:
    """Every way of naming another project's volume, server or snapshot is answered as if it were not there."""
    made = await cloud.volume()
    snapshot = await cloud.snapshot(made["id"])
    server = await cloud.server()
    theirs = await cloud.volume(token=cloud.theirs)
    for method, path, body in (
        ("GET", f"/volumes/{made['id']}", None),
        ("PUT", f"/volumes/{made['id']}", {"volume": {"name": "x"}}),
        ("DELETE", f"/volumes/{made['id']}", None),
        ("GET", f"/volumes/{made['id']}/metadata", None),
        ("POST", f"/volumes/{made['id']}/action", {"os-extend": {"new_size": 2}}),
        ("POST", f"/volumes/{made['id']}/action", {"os-set_bootable": {"bootable": True}}),
        ("GET", f"/snapshots/{snapshot['id']}", None),
        ("DELETE", f"/snapshots/{snapshot['id']}", None),
        ("POST", "/snapshots", {"snapshot": {"volume_id": made["id"]}}),
        ("POST", "/volumes", {"volume": {"size": 1, "source_volid": made["id"]}}),
        ("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": snapshot["id"]}}),
    ):
        (await cloud.call(method, path, body, token=cloud.theirs)).refused(404)
    (
        await cloud.call("POST", "/volumes", {"volume": {"size": 1, "imageRef": cloud.image_id}}, token=cloud.theirs)
    ).refused(400)
    path = f"/servers/{server['id']}/os-volume_attachments"
    (await cloud.compute("POST", path, {"volumeAttachment": {"volumeId": theirs["id"]}})).refused(404)
    (await cloud.compute("POST", path, {"volumeAttachment": {"volumeId": theirs["id"]}}, token=cloud.theirs)).refused(
        404
    )
    assert (await cloud.call("GET", "/volumes", token=cloud.theirs, query="all_tenants=1")).ok("volumes")[0][
        "id"
    ] == theirs["id"]
    (await cloud.call("GET", "/volumes", token=cloud.theirs, query=f"marker={made['id']}")).refused(404)


async def test_a_reader_looks_and_changes_nothing(cloud: VolumeCloud) -> None:
    made = await cloud.volume()
    (await cloud.call("GET", f"/volumes/{made['id']}", token=cloud.reader)).ok()
    (await cloud.call("DELETE", f"/volumes/{made['id']}", token=cloud.reader)).refused(403)
    (await cloud.act(made["id"], "os-reset_status", {"status": "error"})).refused(403)


async def test_a_volume_goes_from_server_to_server(cloud: VolumeCloud) -> None:
    made, first, second = await cloud.volume(), await cloud.server(), await cloud.server()
    attachment = await cloud.attach(first["id"], made["id"], tag="data", delete_on_termination=False)
    assert attachment["device"] == "/dev/vdb"
    assert set(attachment) == {
        "volumeId", "serverId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"
    }  # fmt: skip
    (seen,) = (await cloud.show(made["id"]))["attachments"]
    assert (seen["server_id"], seen["device"]) == (first["id"], "/dev/vdb")
    shown = (await cloud.compute("GET", f"/servers/{first['id']}")).ok("server")
    assert shown["os-extended-volumes:volumes_attached"] == [{"id": made["id"], "delete_on_termination": False}]
    (await cloud.call("DELETE", f"/volumes/{made['id']}")).refused(400)
    body = {"volumeAttachment": {"volumeId": made["id"]}}
    (await cloud.compute("POST", f"/servers/{second['id']}/os-volume_attachments", body)).refused(400)
    path = f"/servers/{first['id']}/os-volume_attachments/{made['id']}"
    assert (await cloud.compute("DELETE", path)).status == 202
    await cloud.until(made["id"], "available")
    (await cloud.compute("GET", path)).refused(404)
    await cloud.attach(second["id"], made["id"])
    assert list(cloud.engine.serving(made["id"]).exports)


async def test_a_server_that_goes_lets_its_volumes_go(cloud: VolumeCloud) -> None:
    kept, doomed, server = await cloud.volume(), await cloud.volume(), await cloud.server()
    await cloud.attach(server["id"], kept["id"])
    await cloud.attach(server["id"], doomed["id"], delete_on_termination=True)
    assert (await cloud.compute("DELETE", f"/servers/{server['id']}")).status == 204
    await cloud.until(kept["id"], "available")
    await cloud.gone(f"/volumes/{doomed['id']}")
    assert not cloud.engine.serving(kept["id"]).exports


async def test_a_volume_in_use_grows_and_its_server_hears_of_it(cloud: VolumeCloud) -> None:
    made, server = await cloud.volume(), await cloud.server()
    await cloud.attach(server["id"], made["id"])
    (await cloud.act(made["id"], "os-extend", {"new_size": 3}, version="3.41")).refused(400)
    (await cloud.act(made["id"], "os-extend", {"new_size": 1})).refused(400)
    assert (await cloud.act(made["id"], "os-extend", {"new_size": 3})).status == 202
    assert (await cloud.until(made["id"], "in-use"))["size"] == 3
    assert (await cloud.used())["gigabytes"] == 3

    async def heard() -> bool:
        assert cloud.whole.process.hosting is not None
        for engines in cloud.whole.process.hosting.engines.values():
            seen = await engines.machines["vm"].observe(server["id"])
            if any(machine.marks["volumes"].endswith("=3") for machine in seen.values()):
                return True
        return False

    await cloud.eventually(heard, "the machine knows the new size")


async def test_snapshots_hold_their_volume_and_make_others(cloud: VolumeCloud) -> None:
    made = await cloud.volume(size=2)
    snapshot = await cloud.snapshot(made["id"], name="s")
    assert await cloud.used() == {"volumes": 1, "gigabytes": 4, "snapshots": 1}
    (await cloud.call("DELETE", f"/volumes/{made['id']}")).refused(400)
    (await cloud.call("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": snapshot["id"]}})).refused(400)
    copy = await cloud.volume(size=None, snapshot_id=snapshot["id"])
    clone = await cloud.volume(size=3, source_volid=made["id"])
    assert (copy["size"], copy["snapshot_id"], clone["source_volid"]) == (2, snapshot["id"], made["id"])
    assert (await cloud.act(made["id"], "revert", {"snapshot_id": snapshot["id"]})).status == 202
    await cloud.until(made["id"], "available")
    assert (await cloud.call("DELETE", f"/volumes/{made['id']}", query="cascade=true")).status == 202
    await cloud.gone(f"/volumes/{made['id']}")
    await cloud.gone(f"/snapshots/{snapshot['id']}")
    assert await cloud.used() == {"volumes": 2, "gigabytes": 5, "snapshots": 0}


@pytest.mark.parametrize("format", ["raw", "qcow2"])
async def test_an_image_becomes_a_volume_and_a_volume_an_image(cloud: VolumeCloud, format: str) -> None:
    made = await cloud.volume(imageRef=cloud.image_id)
    assert made["bootable"] == "true"
    assert made["volume_image_metadata"]["image_id"] == cloud.image_id
    said = {"image_name": "up", "disk_format": format, "container_format": "bare"}
    answer = (await cloud.act(made["id"], "os-volume_upload_image", said)).ok("os-volume_upload_image")
    await cloud.until(made["id"], "available")
    image = (await cloud.whole.call("GET", f"/image/v2/images/{answer['image_id']}", token=cloud.mine)).body
    assert (image["status"], image["visibility"]) == ("active", "private")


async def test_a_volume_is_made_anew_in_place(cloud: VolumeCloud) -> None:
    made = await cloud.volume(size=2)
    snapshot = await cloud.snapshot(made["id"])
    wanted = {"image_id": cloud.image_id}
    assert (await cloud.act(made["id"], "os-reimage", wanted)).status == 202
    again = await cloud.until(made["id"], "available")
    assert (again["size"], again["bootable"]) == (2, "true")
    assert again["volume_image_metadata"]["image_id"] == cloud.image_id
    assert (await cloud.call("GET", f"/snapshots/{snapshot['id']}")).ok("snapshot")["status"] == "available"
    cloud.temper.failing.add("volume_refill")
    await cloud.act(made["id"], "os-reimage", wanted)
    await cloud.until(made["id"], "error")
    cloud.temper.failing.clear()
    await cloud.act(made["id"], "os-reimage", wanted)
    await cloud.until(made["id"], "available")


async def test_what_is_used_or_too_small_or_anothers_is_not_made_anew(cloud: VolumeCloud) -> None:
    made, server = await cloud.volume(), await cloud.server()
    large = await cloud.new_image("large", cloud.mine, min_disk=3)
    theirs = await cloud.new_image("theirs", cloud.theirs)
    for image in (large, theirs):
        (await cloud.act(made["id"], "os-reimage", {"image_id": image})).refused(400)
    said = await cloud.act(made["id"], "os-reimage", {"image_id": cloud.image_id}, token=cloud.theirs)
    assert said.status == 404
    held = {"attachment": {"volume_uuid": made["id"], "instance_uuid": server["id"]}}
    attachment = (await cloud.call("POST", "/attachments", held)).ok("attachment")
    await cloud.until(made["id"], "reserved")
    (await cloud.act(made["id"], "os-reimage", {"image_id": cloud.image_id})).refused(400)
    wanted = {"image_id": cloud.image_id, "reimage_reserved": True}
    assert (await cloud.act(made["id"], "os-reimage", wanted)).status == 202
    await cloud.until(made["id"], "reserved")
    (await cloud.call("DELETE", f"/attachments/{attachment['id']}")).ok()
    await cloud.until(made["id"], "available")
    await cloud.attach(server["id"], made["id"])
    (await cloud.act(made["id"], "os-reimage", wanted)).refused(400)


async def test_an_image_that_would_fill_the_disk_is_not_begun(
    cloud: VolumeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await cloud.volume()
    found = os.statvfs("/")
    full = os.statvfs_result((*found[:4], (3 << 29) // found.f_frsize, *found[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    said = {"image_name": "up", "disk_format": "raw", "container_format": "bare"}
    answer = (await cloud.act(made["id"], "os-volume_upload_image", said)).ok("os-volume_upload_image")
    await cloud.until(made["id"], "available")
    assert (await cloud.whole.call("GET", f"/image/v2/images/{answer['image_id']}", token=cloud.mine)).status == 404
    messages = await cloud.rows("SELECT text FROM volume_messages WHERE resource_id = ?", made["id"])
    assert "needs 1 GiB" in messages[0][0]
    await cloud.act(made["id"], "os-volume_upload_image", said | {"disk_format": "qcow2"})
    await cloud.until(made["id"], "available")


async def test_what_an_engine_cannot_make_ends_in_error_with_a_reason(cloud: VolumeCloud) -> None:
    cloud.temper.failing.add("volume_create")
    made = await cloud.volume(until="error")
    messages = await cloud.rows("SELECT text FROM volume_messages WHERE resource_id = ?", made["id"])
    assert "told to fail" in messages[0][0]
    cloud.temper.failing.clear()
    assert (await cloud.call("DELETE", f"/volumes/{made['id']}")).status == 202
    await cloud.gone(f"/volumes/{made['id']}")
    assert await cloud.used() == {"volumes": 0, "gigabytes": 0}


async def test_a_volume_that_cannot_be_plugged_is_available_again(cloud: VolumeCloud) -> None:
    made, server = await cloud.volume(), await cloud.server()
    cloud.temper.failing.add("attach_volume")
    await cloud.attach(server["id"], made["id"], until=None)
    await cloud.until(made["id"], "available")
    shown = (await cloud.compute("GET", f"/servers/{server['id']}")).ok("server")
    assert (shown["status"], shown["os-extended-volumes:volumes_attached"]) == ("ACTIVE", [])


async def test_lists_are_paged_sorted_and_filtered(cloud: VolumeCloud) -> None:
    ids = [(await cloud.volume(name=f"v{n}", metadata={"n": str(n)}))["id"] for n in range(3)]
    first = (await cloud.call("GET", "/volumes", query="limit=2&sort=name:asc")).ok()
    assert [volume["id"] for volume in first["volumes"]] == ids[:2]
    query = first["volumes_links"][0]["href"].partition("?")[2]
    assert [volume["id"] for volume in (await cloud.call("GET", "/volumes", query=query)).ok("volumes")] == ids[2:]
    found = (await cloud.call("GET", "/volumes/detail", query="name=v1&with_count=true")).ok()
    assert ([volume["id"] for volume in found["volumes"]], found["count"]) == ([ids[1]], 1)
    found = (await cloud.call("GET", "/volumes", query="metadata=%7B%27n%27%3A+%272%27%7D")).ok("volumes")
    assert [volume["id"] for volume in found] == ids[2:]
    assert len((await cloud.call("GET", "/volumes", query="name~=v")).ok("volumes")) == 3
    assert (await cloud.call("GET", "/volumes/summary")).ok("volume-summary")["total_count"] == 3
    (await cloud.call("GET", "/volumes", query="sort=nothing:asc")).refused(400)
    (await cloud.call("GET", "/volumes", query="limit=x")).refused(400)
    assert (await cloud.call("GET", "/volumes", token=cloud.theirs)).ok("volumes") == []


async def test_metadata_is_written_item_by_item(cloud: VolumeCloud) -> None:
    path = f"/volumes/{(await cloud.volume())['id']}/metadata"
    assert (await cloud.call("POST", path, {"metadata": {"a": "1"}})).ok("metadata") == {"a": "1"}
    assert (await cloud.call("PUT", f"{path}/b", {"meta": {"b": "2"}})).ok("meta") == {"b": "2"}
    (await cloud.call("PUT", f"{path}/b", {"meta": {"c": "2"}})).refused(400)
    assert (await cloud.call("DELETE", f"{path}/a")).status == 200
    (await cloud.call("GET", f"{path}/a")).refused(404)
    assert (await cloud.call("PUT", path, {"metadata": {}})).ok("metadata") == {}


@pytest.mark.parametrize("status", ["creating", "deleting", "extending", "reverting", "error", "maintenance"])
async def test_an_operator_who_resets_a_status_asks_for_nothing(cloud: VolumeCloud, status: str) -> None:
    """Whatever word he says: nothing is made, deleted or changed by it."""
    admin = cloud.whole.token("admin", "1" * 32, "op")
    made = await cloud.volume()
    snapshot = await cloud.snapshot(made["id"])
    assert (await cloud.act(made["id"], "os-reset_status", {"status": status}, token=admin)).status == 202
    if status in ("creating", "deleting"):
        path = f"/snapshots/{snapshot['id']}"
        reset = {"os-reset_status": {"status": status}}
        assert (await cloud.call("POST", f"{path}/action", reset, token=admin)).status == 202
        await cloud.volume()
        assert (await cloud.call("GET", path)).ok("snapshot")["status"] == status
        force: dict[str, Any] = {"os-force_delete": {}}
        assert (await cloud.call("POST", f"{path}/action", force, token=admin)).status == 202
        await cloud.gone(path)
    await cloud.volume()
    assert (await cloud.show(made["id"]))["status"] == status
    assert made["id"] in await cloud.engine.observe()
    (await cloud.act(made["id"], "os-reset_status", {"status": "available"}, token=admin)).ok()
    assert (await cloud.call("DELETE", f"/volumes/{made['id']}", query="cascade=true")).status == 202
    await cloud.gone(f"/volumes/{made['id']}")


async def test_an_image_says_of_what_type_its_volumes_are_where_nobody_else_does(cloud: VolumeCloud) -> None:
    for name in ("ours", "another"):
        said = {"volume_type": {"name": name, "os-volume-type-access:is_public": True}}
        assert (await cloud.call("POST", "/types", said, token=cloud.admin)).status == 200
    image = await cloud.new_image("typed", cloud.mine, cinder_img_volume_type="ours")
    assert (await cloud.volume(imageRef=image))["volume_type"] == "ours"
    assert (await cloud.volume(imageRef=image, volume_type="another"))["volume_type"] == "another"


async def test_before_3_53_what_nobody_knows_of_a_volume_is_passed_over(cloud: VolumeCloud) -> None:
    said = {"volume": {"size": 1, "what is this": 7}}
    assert (await cloud.call("POST", "/volumes", said, version="3.52")).status == 202
    assert (await cloud.call("POST", "/volumes", said, version="3.53")).status == 400
