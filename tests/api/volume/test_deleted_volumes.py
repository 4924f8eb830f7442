"""Deleted volumes: gone from all lists and the quota at once; their data stay for a while, and so can they."""

import dataclasses
from pathlib import Path
from typing import Any

from tests.api.volume.volume_cloud import MINE, VolumeCloud, cloud

from trivet.controllers.volumes import rows

__all__ = ["cloud"]


def kept_for(cloud: VolumeCloud, seconds: int) -> None:
    parts = cloud.whole.process.parts
    parts.settings = dataclasses.replace(parts.settings, reclaim_volumes_s=seconds)


def data_of(cloud: VolumeCloud) -> set[str]:
    return set(cloud.engine._volumes)


async def deleted(cloud: VolumeCloud, **words: Any) -> str:
    kept_for(cloud, 3600)
    id = str((await cloud.volume(**words))["id"])
    assert (await cloud.call("DELETE", f"/volumes/{id}")).status == 202
    return id


async def kept(cloud: VolumeCloud, **how: Any) -> list[str]:
    found = (await cloud.call("GET", "/deleted_volumes", **how)).ok("deleted_volumes")
    return [one["id"] for one in found]


async def restore(cloud: VolumeCloud, id: str, **how: Any) -> Any:
    return await cloud.call("POST", f"/deleted_volumes/{id}/restore", {}, **how)


async def purged(cloud: VolumeCloud, id: str) -> None:
    async def gone() -> bool:
        return id not in data_of(cloud) and not await cloud.rows("SELECT id FROM deleted_volumes WHERE id = ?", id)

    await cloud.eventually(gone, "data purged")


async def allocated(cloud: VolumeCloud) -> int:
    ((gib,),) = await cloud.rows("SELECT SUM(allocated_gib) FROM volume_backends")
    return int(gib)


async def test_a_deleted_volume_is_gone_at_once_and_comes_back_whole(cloud: VolumeCloud) -> None:
    kept_for(cloud, 3600)
    before = await cloud.volume(name="data", metadata={"a": "b"}, size=1000)
    id = before["id"]
    assert (await cloud.call("DELETE", f"/volumes/{id}")).status == 202
    assert (await cloud.call("GET", f"/volumes/{id}")).status == 404
    assert (await cloud.call("GET", "/volumes")).ok("volumes") == []
    used = await cloud.used(MINE)
    assert (used["volumes"], used["gigabytes"]) == (0, 0)
    assert await allocated(cloud) == 1000
    (shown,) = (await cloud.call("GET", "/deleted_volumes")).ok("deleted_volumes")
    assert (shown["id"], shown["name"], shown["size"], shown["metadata"]) == (id, "data", 1000, {"a": "b"})
    assert (await cloud.call("GET", f"/deleted_volumes/{id}")).ok("deleted_volume") == shown
    assert (await restore(cloud, id)).ok("volume")["id"] == id
    after = await cloud.show(id)
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert await kept(cloud) == []
    used = await cloud.used(MINE)
    assert (used["volumes"], used["gigabytes"]) == (1, 1000)
    server = await cloud.server()
    await cloud.attach(server["id"], id)


async def test_its_data_go_when_its_time_is_over(cloud: VolumeCloud) -> None:
    id = await deleted(cloud)
    assert id in data_of(cloud)
    async with cloud.whole.process.parts.store.read() as tx:
        assert await rows.known(tx, [id, "stray"]) == {id}, "or a sweep removes its data"
    async with cloud.whole.process.parts.store.write() as tx:
        await tx.run("UPDATE deleted_volumes SET purge_at = ?", tx.clock.now() - 1)
    assert (await restore(cloud, id)).status == 404
    await purged(cloud, id)
    assert await allocated(cloud) == 0
    assert await cloud.rows("SELECT id FROM deleted_volumes") == []


async def test_who_wants_them_gone_purges_them(cloud: VolumeCloud) -> None:
    id = await deleted(cloud)
    assert (await cloud.call("DELETE", f"/deleted_volumes/{id}", token=cloud.theirs)).status == 404
    assert (await cloud.call("DELETE", f"/deleted_volumes/{id}", token=cloud.reader)).status == 403
    assert (await cloud.call("DELETE", f"/deleted_volumes/{id}")).status == 202
    assert (await restore(cloud, id)).status == 404
    await purged(cloud, id)


async def test_only_its_project_sees_it_and_brings_it_back(cloud: VolumeCloud) -> None:
    id = await deleted(cloud)
    assert await kept(cloud, token=cloud.theirs) == []
    assert (await cloud.call("GET", f"/deleted_volumes/{id}", token=cloud.theirs)).status == 404
    assert (await restore(cloud, id, token=cloud.theirs)).status == 404
    assert (await restore(cloud, id, token=cloud.reader)).status == 403
    assert await kept(cloud) == [id]


async def test_it_comes_back_only_where_the_quota_has_room(cloud: VolumeCloud) -> None:
    id = await deleted(cloud)
    body = {"quota_set": {"volumes": 1}}
    other = await cloud.volume()
    await cloud.call("PUT", f"/os-quota-sets/{MINE}", body, token=cloud.admin)
    async with cloud.whole.process.parts.store.write() as tx:
        await tx.run("UPDATE registered_limits SET default_limit = 1 WHERE resource_name = 'volumes'")
    assert (await restore(cloud, id)).status == 413
    assert await kept(cloud) == [id]
    kept_for(cloud, 0)
    assert (await cloud.call("DELETE", f"/volumes/{other['id']}")).status == 202
    await cloud.gone(f"/volumes/{other['id']}")
    (await restore(cloud, id)).ok()


async def test_a_project_keeps_no_more_than_its_limits_and_the_oldest_go_first(cloud: VolumeCloud) -> None:
    async with cloud.whole.process.parts.store.write() as tx:
        await tx.run("UPDATE registered_limits SET default_limit = 3 WHERE resource_name = 'gigabytes'")
    first, second = await deleted(cloud, size=1), await deleted(cloud, size=1)
    assert sorted(await kept(cloud)) == sorted([first, second])
    third = await deleted(cloud, size=2)
    assert sorted(await kept(cloud)) == sorted([second, third])
    await purged(cloud, first)


async def test_what_is_not_whole_or_is_deleted_by_force_is_gone(cloud: VolumeCloud) -> None:
    kept_for(cloud, 3600)
    with_snapshot = (await cloud.volume())["id"]
    await cloud.snapshot(with_snapshot)
    assert (await cloud.call("DELETE", f"/volumes/{with_snapshot}", query="cascade=true")).status == 202
    forced = (await cloud.volume())["id"]
    assert (await cloud.act(forced, "os-force_delete", token=cloud.admin)).status == 202
    for id in (with_snapshot, forced):
        await cloud.gone(f"/volumes/{id}")
    assert await kept(cloud) == []
    await cloud.eventually(lambda: _no_data(cloud), "no data")


async def _no_data(cloud: VolumeCloud) -> bool:
    return not data_of(cloud)


async def test_the_key_of_an_encrypted_one_stays_with_its_data(cloud: VolumeCloud) -> None:
    sealed = {"volume_type": {"name": "sealed"}}
    made = (await cloud.call("POST", "/types", sealed, token=cloud.admin)).ok("volume_type")
    how = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    (await cloud.call("POST", f"/types/{made['id']}/encryption", how, token=cloud.admin)).ok()
    id = await deleted(cloud, volume_type="sealed")
    assert len(await cloud.rows("SELECT id FROM stored_secrets")) == 1
    (await cloud.call("DELETE", f"/types/{made['id']}", token=cloud.admin)).refused(400)
    (await restore(cloud, id)).ok()
    assert (await cloud.show(id))["encrypted"] is True
    assert (await cloud.call("DELETE", f"/volumes/{id}")).status == 202
    assert (await cloud.call("DELETE", f"/deleted_volumes/{id}")).status == 202
    await purged(cloud, id)
    assert await cloud.rows("SELECT id FROM stored_secrets") == []


async def test_where_nothing_is_kept_there_is_none(cloud: VolumeCloud, tmp_path: Path) -> None:
    kept_for(cloud, 0)
    id = (await cloud.volume())["id"]
    assert (await cloud.call("DELETE", f"/volumes/{id}")).status == 202
    await cloud.gone(f"/volumes/{id}")
    assert await kept(cloud) == []
