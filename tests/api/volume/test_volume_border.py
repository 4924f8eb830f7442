"""What a hostile tenant says of volumes: names that are ids of others, transfers that keep a hand in what is given
away, and words that are no words.
"""

from urllib.parse import quote

import pytest
from tests.api.volume.test_volume_hands import group_of
from tests.api.volume.volume_cloud import MINE, VolumeCloud, cloud

from trivet.domain.volumes import acts, messages, snapshots
from trivet.domain.volumes.snapshots import SNAPSHOTS
from trivet.domain.volumes.volumes import VOLUMES
from trivet.errors import Stale

__all__ = ["cloud"]


async def test_an_image_that_is_named_like_anothers_id_gives_nothing_of_that_one(cloud: VolumeCloud) -> None:
    """What was checked is what is read: a word is looked up once."""
    own = await cloud.new_image(cloud.image_id, cloud.theirs)
    made = await cloud.volume(imageRef=cloud.image_id, token=cloud.theirs)
    assert made["volume_image_metadata"]["image_id"] == own
    assert await cloud.rows("SELECT image_id FROM volumes WHERE id = ?", made["id"]) == [(own,)]


async def test_an_image_may_be_said_by_name(cloud: VolumeCloud) -> None:
    made = await cloud.volume(imageRef="i")
    assert made["volume_image_metadata"]["image_id"] == cloud.image_id


async def test_a_snapshot_of_a_group_goes_to_nobody_else(cloud: VolumeCloud) -> None:
    """Nothing of one's own hangs on what is given away: who has the group's snapshot may delete its parts."""
    group = await group_of(cloud)
    volume = await cloud.volume(group_id=group["id"], volume_type="__DEFAULT__")
    said = {"group_snapshot": {"group_id": group["id"]}}
    made = (await cloud.call("POST", "/group_snapshots", said)).ok("group_snapshot")

    async def ready() -> bool:
        found = (await cloud.call("GET", f"/group_snapshots/{made['id']}")).ok("group_snapshot")
        return bool(found["status"] == "available")

    await cloud.eventually(ready, "the group's snapshot")
    removed = {"group": {"remove_volumes": volume["id"]}}
    assert (await cloud.call("PUT", f"/groups/{group['id']}", removed)).status == 202
    (await cloud.call("POST", "/volume-transfers", {"transfer": {"volume_id": volume["id"]}})).refused(400)
    assert (await cloud.show(volume["id"]))["status"] == "available"


async def test_a_volume_that_is_being_copied_goes_to_nobody(cloud: VolumeCloud) -> None:
    """A copy is made when its turn comes, and would have what the next owner wrote until then."""
    volume = await cloud.volume()
    cloud.temper.delay_s = 3600.0
    copy = await cloud.volume(source_volid=volume["id"], until=None)
    said = {"transfer": {"volume_id": volume["id"]}}
    (await cloud.call("POST", "/volume-transfers", said)).refused(400)
    assert (await cloud.show(copy["id"]))["status"] == "creating"


@pytest.mark.parametrize("said", ["{'a': 0x" + "f" * 4000 + "}", "{'a': '\\ud800'}", "{[]: 1}", "{" * 4000])
async def test_a_filter_that_cannot_be_read_is_refused(cloud: VolumeCloud, said: str) -> None:
    (await cloud.call("GET", "/volumes", query=f"metadata={quote(said)}")).refused(400)


async def test_a_time_is_compared_a_few_times(cloud: VolumeCloud) -> None:
    said = ",".join(["gt:2026-01-01T00:00:00"] * 1200)
    (await cloud.call("GET", "/volumes", query=f"created_at={said}")).refused(400)


async def test_a_server_has_as_many_disks_as_there_are_letters(cloud: VolumeCloud) -> None:
    """One with a disk on its host has a volume less: that disk has a letter, too."""
    disk = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    root = {"source_type": "image", "destination_type": "local", "uuid": cloud.image_id, "boot_index": 0}
    server = {
        "name": "s",
        "flavorRef": cloud.flavor_id,
        "networks": [{"uuid": cloud.network_id}],
        "imageRef": cloud.image_id,
        "block_device_mapping_v2": [root, *([disk] * 26)],
    }
    quota = {"quota_set": {"volumes": 100}}
    await cloud.call("PUT", f"/os-quota-sets/{MINE}", quota, token=cloud.admin)
    (await cloud.compute("POST", "/servers", {"server": server})).refused(403)
    assert (await cloud.call("GET", "/volumes")).ok("volumes") == []


async def test_volumes_of_many_servers_are_refused_before_they_are_made(cloud: VolumeCloud) -> None:
    """What a request costs is bounded by what its project may have, and not by what it asks for."""
    disk = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    root = {"source_type": "image", "destination_type": "local", "uuid": cloud.image_id, "boot_index": 0}
    server = {
        "name": "s",
        "flavorRef": cloud.flavor_id,
        "networks": "none",
        "imageRef": cloud.image_id,
        "max_count": 100,
        "block_device_mapping_v2": [root, *([disk] * 25)],
    }
    refusal = await cloud.compute("POST", "/servers", {"server": server})
    # Of the volumes: these were looked at first. Of the gigabytes it was said when 2500 had been made.
    assert "for volumes" in refusal.refused(403)
    assert (await cloud.call("GET", "/volumes")).ok("volumes") == []


async def test_a_private_type_is_named_to_nobody_else(cloud: VolumeCloud) -> None:
    """Nor in what is counted by type, nor as the marker of a list."""
    said = {"volume_type": {"name": "secret", "os-volume-type-access:is_public": False}}
    type = (await cloud.call("POST", "/types", said, token=cloud.admin)).ok("volume_type")
    for path in (f"/os-quota-sets/{MINE}", f"/os-quota-sets/{MINE}/defaults"):
        assert "volumes_secret" not in (await cloud.call("GET", path)).ok("quota_set")
        assert "volumes_secret" in (await cloud.call("GET", path, token=cloud.admin)).ok("quota_set")
    (await cloud.call("GET", "/types", query=f"marker={type['id']}")).refused(404)
    given = {"addProjectAccess": {"project": MINE}}
    assert (await cloud.call("POST", f"/types/{type['id']}/action", given, token=cloud.admin)).status == 202
    assert "volumes_secret" in (await cloud.call("GET", f"/os-quota-sets/{MINE}")).ok("quota_set")
    assert (await cloud.call("GET", "/types", query=f"marker={type['id']}")).status == 200


async def test_who_saw_a_volume_before_it_was_copied_does_not_delete_it_after(cloud: VolumeCloud) -> None:
    """The class: what is looked for elsewhere (is a copy being made?) changes nothing in the row that is then written.
    So who copies marks what it copies from, and the other one, who would not have noticed, looks again."""
    volume = await cloud.volume()
    snapshot = await cloud.snapshot(volume["id"])
    store = cloud.whole.process.parts.store
    async with store.read() as tx:
        seen = await tx.need(VOLUMES, volume["id"], "volume"), await tx.need(SNAPSHOTS, snapshot["id"], "snapshot")
    for source in ({"source_volid": volume["id"]}, {"snapshot_id": snapshot["id"]}):
        (await cloud.call("POST", "/volumes", {"volume": {"name": "copy", **source}})).ok()
    async with store.write() as tx:
        with pytest.raises(Stale):
            await acts.mark_deleting(tx, seen[0])
        with pytest.raises(Stale):
            await snapshots.mark_deleting(tx, seen[1])


async def test_a_volume_that_is_given_is_no_larger_than_its_taker_may_have(cloud: VolumeCloud) -> None:
    volume = await cloud.volume(size=3)
    made = (await cloud.call("POST", "/volume-transfers", {"transfer": {"volume_id": volume["id"]}})).ok("transfer")
    accept = {"accept": {"auth_key": made["auth_key"]}}
    path = f"/volume-transfers/{made['id']}/accept"
    for most, status in ((2, 413), (3, 202)):
        async with cloud.whole.process.parts.store.write() as tx:
            sql = "UPDATE registered_limits SET default_limit = ? WHERE resource_name = 'per_volume_gigabytes'"
            await tx.run(sql, most)
        answer = await cloud.call("POST", path, accept, token=cloud.theirs)
        assert answer.status == status, answer.raw


async def test_messages_about_what_fails_are_only_so_many(cloud: VolumeCloud) -> None:
    """Rows that nobody counts, one for each thing that fails: the oldest go."""
    volume = await cloud.volume()
    async with cloud.whole.process.parts.store.write() as tx:
        record = await tx.need(VOLUMES, volume["id"], "volume")
        for number in range(1_003):
            await messages.leave(tx, record, messages.UNKNOWN, str(number))
    rows = await cloud.rows("SELECT text FROM volume_messages WHERE project_id = ?", MINE)
    assert len(rows) == 1_000
