"""Backups of volumes from the outside: made, restored, told apart, and gone again with all that they took."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.volume.volume_cloud import MINE, VolumeCloud
from tests.policies.whole_cloud import whole_cloud

MIB = 1 << 20
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[VolumeCloud]:
    async with whole_cloud(tmp_path, **({"database": database} if database else {})) as whole:
        cloud = VolumeCloud(whole)
        await cloud.fill()
        yield cloud


def piece(letter: str) -> bytes:
    return letter.encode() * MIB


async def backup(cloud: VolumeCloud, volume_id: str, *, until: str = "available", **words: Any) -> Any:
    made = (await cloud.call("POST", "/backups", {"backup": {"volume_id": volume_id} | words})).ok("backup")
    return await settled(cloud, made["id"], until)


async def settled(cloud: VolumeCloud, id: str, status: str = "available") -> Any:
    async def there() -> Any:
        found = (await cloud.call("GET", f"/backups/{id}")).ok("backup")
        return found if found["status"] == status else None

    return await cloud.eventually(there, f"backup {status}")


async def restored(cloud: VolumeCloud, id: str, until: str = "available", **words: Any) -> Any:
    told = (await cloud.call("POST", f"/backups/{id}/restore", {"restore": words})).ok("restore")
    return await cloud.until(told["volume_id"], until)


async def names(cloud: VolumeCloud, container: str = "volumebackups") -> list[str]:
    answer = await cloud.whole.call("GET", f"/object-store/v1/AUTH_{MINE}/{container}", token=cloud.mine)
    return [one["name"].rpartition("/")[2] for one in answer.body or []]


async def object_call(cloud: VolumeCloud, method: str, name: str, body: bytes = b"") -> Any:
    sent = [(b"content-length", str(len(body)).encode())]
    path = f"/object-store/v1/AUTH_{MINE}/volumebackups/{name}"
    return await cloud.whole.call(method, path, body, token=cloud.mine, headers=sent)


async def test_what_a_volume_held_comes_back_to_a_new_volume_to_itself_and_to_another(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(size=2)
    held = {0: piece("a"), 5 * MIB: piece("b"), 40 * MIB: piece("\0"), 2047 * MIB: piece("c")}
    cloud.engine.poke(volume["id"], held)
    made = await backup(cloud, volume["id"], name=" b ", description="d", metadata={"k": "v"})
    assert (made["name"], made["description"], made["size"], made["object_count"]) == ("b", "d", 2, 1)
    assert (made["container"], made["is_incremental"], made["metadata"]) == ("volumebackups", False, {"k": "v"})
    assert await names(cloud) == ["index", "segment-00000000"]
    assert await cloud.engine.snapshots() == set(), "what it was copied from is gone"
    assert (await cloud.show(volume["id"]))["status"] == "available"
    held.pop(40 * MIB)
    cloud.engine.poke(volume["id"], {0: piece("x"), MIB: piece("y")})
    new = await restored(cloud, made["id"])
    assert new["name"] == f"restore_backup_{made['id']}" and cloud.engine.peek(new["id"]) == held
    await restored(cloud, made["id"], volume_id=volume["id"])
    assert cloud.engine.peek(volume["id"]) == held
    other = await cloud.volume(size=3)
    await restored(cloud, made["id"], volume_id=other["id"])
    assert cloud.engine.peek(other["id"]) == held
    named = await restored(cloud, made["id"], name="n")
    assert named["name"] == "n" and (await settled(cloud, made["id"]))["fail_reason"] is None
    told = (await cloud.call("POST", "/volumes", {"volume": {"size": 3, "backup_id": made["id"]}})).ok("volume")
    await cloud.until(told["id"], "available")
    assert cloud.engine.peek(told["id"]) == held


async def test_an_incremental_one_stores_what_changed_and_keeps_those_that_it_depends_on(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    (await cloud.call("POST", "/backups", {"backup": {"volume_id": volume["id"], "incremental": True}})).refused(400)
    cloud.engine.poke(volume["id"], {at * MIB: piece(chr(65 + at)) for at in range(40)})
    full = await backup(cloud, volume["id"])
    assert full["object_count"] == 2
    cloud.engine.poke(volume["id"], {3 * MIB: piece("z"), 50 * MIB: piece("y"), 4 * MIB: piece("\0")})
    second = await backup(cloud, volume["id"], incremental=True)
    assert (second["is_incremental"], second["object_count"]) == (True, 1)
    sizes = await cloud.rows("SELECT size FROM objects WHERE name LIKE ? AND name LIKE '%segment%'",
                             f"%{second['id']}%")  # fmt: skip
    assert sizes == [(2 * MIB,)]
    third = await backup(cloud, volume["id"], incremental=True)
    assert third["object_count"] == 0
    assert [(await settled(cloud, one["id"]))["has_dependent_backups"] for one in (full, second, third)] == [
        True, True, False,
    ]  # fmt: skip
    for needed in (full, second):
        assert "Incremental backups exist" in (await cloud.call("DELETE", f"/backups/{needed['id']}")).refused(400)
    held = {at: data for at, data in cloud.engine.peek(volume["id"]).items() if data != piece("\0")}
    new = await restored(cloud, third["id"])
    assert cloud.engine.peek(new["id"]) == held
    for gone in (third, second, full):
        assert (await cloud.call("DELETE", f"/backups/{gone['id']}")).status == 202
        await cloud.gone(f"/backups/{gone['id']}")
    assert await names(cloud) == []
    used = dict(await cloud.rows("SELECT resource, used FROM quota_usages WHERE scope_id = ?", MINE))
    assert (used["backups"], used["backup_gigabytes"], used["objects"], used["object_bytes"]) == (0, 0, 0, 0)


async def test_a_volume_in_use_is_copied_with_force_and_from_a_snapshot_without(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    snapshot = await cloud.snapshot(volume["id"])
    server = await cloud.server()
    await cloud.attach(server["id"], volume["id"])
    said = (await cloud.call("POST", "/backups", {"backup": {"volume_id": volume["id"]}})).refused(400)
    assert "force" in said
    await backup(cloud, volume["id"], force=True)
    assert (await cloud.show(volume["id"]))["status"] == "in-use"
    made = await backup(cloud, volume["id"], snapshot_id=snapshot["id"])
    assert made["snapshot_id"] == snapshot["id"]
    shown = (await cloud.call("GET", f"/snapshots/{snapshot['id']}")).ok("snapshot")
    assert (shown["status"], made["data_timestamp"]) == ("available", shown["created_at"])
    words = {"backup": {"volume_id": volume["id"], "incremental": True, "snapshot_id": snapshot["id"]}}
    (await cloud.call("POST", "/backups", words)).refused(400)
    other = await cloud.volume()
    words = {"backup": {"volume_id": other["id"], "snapshot_id": snapshot["id"]}}
    (await cloud.call("POST", "/backups", words)).refused(400)
    (await cloud.call("POST", f"/backups/{made['id']}/restore", {"restore": {"volume_id": volume["id"]}})).refused(400)


@pytest.mark.parametrize("what", ["changed", "deleted", "index"])
async def test_objects_that_are_not_what_they_were_restore_nothing_and_say_so(cloud: VolumeCloud, what: str) -> None:
    volume = await cloud.volume()
    cloud.engine.poke(volume["id"], {0: piece("a")})
    made = await backup(cloud, volume["id"])
    prefix = f"volume_{volume['id']}/backup_{made['id']}/"
    if what == "deleted":
        await object_call(cloud, "DELETE", f"{prefix}segment-00000000")
    else:
        name = "index" if what == "index" else "segment-00000000"
        await object_call(cloud, "PUT", prefix + name, piece("b"))
    await restored(cloud, made["id"], "error_restoring", volume_id=volume["id"])
    assert cloud.engine.peek(volume["id"]) == {0: piece("a")}, "what it held it holds"
    assert (await settled(cloud, made["id"]))["fail_reason"]
    found = (await cloud.call("GET", "/messages")).ok("messages")
    assert [one["resource_type"] for one in found] == ["VOLUME_BACKUP"]


async def test_a_full_quota_of_objects_fails_the_backup_and_leaves_nothing(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    cloud.engine.poke(volume["id"], {at * MIB: piece("a") for at in range(40)})
    sent = [(b"x-container-meta-quota-bytes", str(33 * MIB).encode())]
    path = f"/object-store/v1/AUTH_{MINE}/volumebackups"
    assert (await cloud.whole.call("PUT", path, token=cloud.mine, headers=sent)).status == 201
    made = await backup(cloud, volume["id"], until="error")
    assert "quota" in made["fail_reason"] and await names(cloud) == []
    assert (await cloud.show(volume["id"]))["status"] == "available"
    assert (await cloud.call("DELETE", f"/backups/{made['id']}")).status == 202
    await cloud.gone(f"/backups/{made['id']}")


async def test_quotas_of_backups_are_told_in_the_words_that_clients_know(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    set_to = {"quota_class_set": {"backups": 1, "backup_gigabytes": 5}}
    (await cloud.call("PUT", "/os-quota-class-sets/default", set_to, token=cloud.admin)).ok()
    await backup(cloud, volume["id"])
    said = (await cloud.call("POST", "/backups", {"backup": {"volume_id": volume["id"]}})).refused(413)
    assert "Backup" in said
    used = (await cloud.call("GET", f"/os-quota-sets/{MINE}", query="usage=true")).ok("quota_set")
    assert (used["backups"]["in_use"], used["backup_gigabytes"]["in_use"]) == (1, 1)


async def test_lists_are_narrowed_sorted_and_paged_and_show_only_ones_own(cloud: VolumeCloud) -> None:
    volume, other = await cloud.volume(), await cloud.volume()
    first = await backup(cloud, volume["id"], name="one", metadata={"a": "b"})
    second = await backup(cloud, volume["id"], name="two", container="elsewhere")
    third = await backup(cloud, other["id"], name="three")

    async def listed(query: str, **how: Any) -> list[str]:
        found = (await cloud.call("GET", "/backups/detail", query=query, **how)).ok("backups")
        return [one["name"] for one in found]

    assert await listed("") == ["three", "two", "one"]
    assert await listed("sort=name:asc") == ["one", "three", "two"]
    assert await listed(f"volume_id={volume['id']}") == ["two", "one"]
    assert await listed("container=elsewhere&status=available") == ["two"]
    assert await listed("name~=t") == ["three", "two"]
    assert await listed("metadata=%7B%27a%27%3A%27b%27%7D") == ["one"]
    assert await listed(f"limit=1&marker={third['id']}") == ["two"]
    answer = (await cloud.call("GET", "/backups", query="limit=1&with_count=true")).body
    assert answer["count"] == 3 and answer["backups_links"] and "status" not in answer["backups"][0]
    assert await listed("", token=cloud.theirs) == []
    assert set(await listed("all_tenants=1", token=cloud.admin)) == {"one", "two", "three"}
    (await cloud.call("GET", "/backups", query=f"marker={NOBODY}")).refused(404)
    said = {"backup": {"name": "renamed", "description": "d", "metadata": {"x": "y"}}}
    (await cloud.call("PUT", f"/backups/{first['id']}", said)).ok()
    shown = (await cloud.call("GET", f"/backups/{first['id']}")).ok("backup")
    assert (shown["name"], shown["description"], shown["metadata"]) == ("renamed", "d", {"x": "y"})
    assert await names(cloud, "elsewhere") == ["index"] and second["container"] == "elsewhere"


async def test_anothers_backup_is_nothing_to_a_tenant(cloud: VolumeCloud) -> None:
    made = await backup(cloud, (await cloud.volume())["id"])
    for method, path, body in (
        ("GET", "", None), ("PUT", "", {"backup": {"name": "n"}}), ("DELETE", "", None),
        ("POST", "/restore", {"restore": {}}),
    ):  # fmt: skip
        answer = await cloud.call(method, f"/backups/{made['id']}{path}", body, token=cloud.theirs)
        assert "could not be found" in answer.refused(404)
    told = {"volume": {"size": 1, "backup_id": made["id"]}}
    (await cloud.call("POST", "/volumes", told, token=cloud.theirs)).refused(404)


async def test_a_record_finds_the_objects_again_and_reaches_nobody_elses(cloud: VolumeCloud) -> None:
    volume = await cloud.volume()
    cloud.engine.poke(volume["id"], {0: piece("a")})
    made = await backup(cloud, volume["id"])
    mine, theirs = (cloud.whole.token("admin", project, "op") for project in (MINE, "2" * 32))
    record = (await cloud.call("GET", f"/backups/{made['id']}/export_record", token=mine)).ok("backup-record")
    (await cloud.call("POST", "/backups/import_record", {"backup-record": record}, token=mine)).refused(400)
    async with cloud.whole.process.parts.store.write() as tx:
        await tx.run("DELETE FROM volume_backups WHERE id = ?", made["id"])
    said = json.loads(base64.b64decode(record["backup_url"]))
    for wrong in ({"container": "a/b"}, {"prefix": "x"}, {"size_gib": 0}, {"parent_id": NOBODY}, {"id": "x"}):
        url = base64.b64encode(json.dumps(said | wrong).encode()).decode()
        body = {"backup-record": record | {"backup_url": url}}
        (await cloud.call("POST", "/backups/import_record", body, token=mine)).refused(400)
    again = (await cloud.call("POST", "/backups/import_record", {"backup-record": record}, token=mine)).ok("backup")
    assert again["id"] == made["id"]
    new = await restored(cloud, made["id"])
    assert cloud.engine.peek(new["id"]) == {0: piece("a")}
    stolen = said | {"id": NOBODY, "prefix": f"volume_{volume['id']}/backup_{NOBODY}/"}
    url = base64.b64encode(json.dumps(stolen).encode()).decode()
    body = {"backup-record": record | {"backup_url": url}}
    (await cloud.call("POST", "/backups/import_record", body, token=theirs)).ok()
    told = (await cloud.call("POST", f"/backups/{NOBODY}/restore", {"restore": {}}, token=theirs)).ok("restore")
    await cloud.until(told["volume_id"], "error_restoring", token=theirs)


async def test_an_operator_resets_and_deletes_by_force(cloud: VolumeCloud) -> None:
    made = await backup(cloud, (await cloud.volume())["id"])
    path = f"/backups/{made['id']}/action"
    (await cloud.call("POST", path, {"os-reset_status": {"status": "error"}})).refused(403)
    (await cloud.call("POST", path, {"os-reset_status": {"status": "deleting"}}, token=cloud.admin)).refused(400)
    assert (await cloud.call("POST", path, {"os-reset_status": {"status": "error"}}, token=cloud.admin)).status == 202
    (await cloud.call("POST", f"/backups/{made['id']}/restore", {"restore": {}})).refused(400)
    assert (await cloud.call("POST", path, {"os-force_delete": {}}, token=cloud.admin)).status == 202
    await cloud.gone(f"/backups/{made['id']}")
