"""Servers move: to another host, stopped, with their disks; and stay there, or go back."""

from typing import Any

import pytest
from tests.api.compute.moving_cloud import MovingCloud, moving

from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers import moved_disks
from trivet.errors import Conflict

__all__ = ["moving"]


@pytest.mark.parametrize("image", ["vm_image", "container_image"])
async def test_a_server_goes_to_another_host_with_what_was_written(moving: MovingCloud, image: str) -> None:
    id = await moving.made(imageRef=getattr(moving, image))
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"what the guest wrote")
    assert (await moving.migrate(id)).status == 202
    assert [one["status"] for one in await moving.migrations()] == ["migrating"]
    await moving.settle()
    target = await moving.host_of(id)
    assert target != source
    assert await moving.where(id) == {source: "stopped", target: "running"}
    assert moving.machines[target].read(id) == b"what the guest wrote"
    assert (await moving.show(id))["status"] == "VERIFY_RESIZE"
    assert await moving.claimed(id) == {source: 1, target: 1}
    (migration,) = await moving.migrations()
    assert (migration["status"], migration["migration_type"]) == ("finished", "migration")
    assert (migration["source_compute"], migration["dest_compute"]) == (source, target)
    (await moving.act(id, "confirmResize")).ok()
    await moving.settle()
    assert await moving.where(id) == {target: "running"}
    assert await moving.claimed(id) == {target: 1}
    assert (await moving.show(id))["status"] == "ACTIVE"
    assert [one["status"] for one in await moving.migrations()] == ["confirmed"]


async def test_a_server_that_goes_back_has_what_it_had_before(moving: MovingCloud) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"before")
    await moving.migrate(id)
    await moving.settle()
    target = await moving.host_of(id)
    moving.machines[target].write(id, b"after")
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    assert await moving.where(id) == {source: "running"}
    assert moving.machines[source].read(id) == b"before"
    assert await moving.claimed(id) == {source: 1}
    assert (await moving.show(id))["status"] == "ACTIVE"
    assert [one["status"] for one in await moving.migrations()] == ["reverted"]


async def test_only_who_reports_gone_lets_the_server_start_elsewhere(moving: MovingCloud) -> None:
    """The target may run it, whatever it says: as long as it does not answer, the source stays off."""
    id = await moving.made()
    source = await moving.host_of(id)
    await moving.migrate(id)
    await moving.settle()
    target = await moving.host_of(id)
    moving.away.add(target)
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    assert await moving.where(id) == {source: "stopped", target: "running"}
    await moving.late(id)
    await moving.settle()
    assert (await moving.show(id))["status"] == "ERROR"
    assert await moving.where(id) == {source: "stopped", target: "running"}
    moving.away.clear()
    await moving.settle()
    assert await moving.where(id) == {source: "running"}
    assert (await moving.show(id))["status"] == "ACTIVE"


async def test_between_two_hosts_nothing_makes_its_disk_anew(moving: MovingCloud) -> None:
    """Also when it is in error, or an operator says that it is not."""
    id = await moving.made()
    await moving.migrate(id)
    await moving.settle()
    moving.away.add(await moving.host_of(id))
    (await moving.act(id, "revertResize")).ok()
    await moving.late(id)
    image = {"imageRef": moving.vm_image}
    assert "between two hosts" in (await moving.act(id, "rebuild", image)).refused(409)
    (await moving.act(id, "os-resetState", {"state": "active"}, token=moving.token("admin"))).ok()
    assert "between two hosts" in (await moving.migrate(id)).refused(409)
    assert "between two hosts" in (await moving.act(id, "shelve")).refused(409)
    assert "between two hosts" in (await moving.act(id, "resize", {"flavorRef": "large"})).refused(409)


async def test_what_a_host_keeps_is_no_stray_when_the_row_cannot_be_read(moving: MovingCloud) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    await moving.settle()
    ((move,),) = await moving.rows("SELECT move FROM servers WHERE id = ?", id)
    async with moving.store.write() as tx:
        await tx.run("UPDATE servers SET move = '{broken' WHERE id = ?", id)
    await moving.step()
    async with moving.store.write() as tx:
        await tx.run("UPDATE servers SET move = ? WHERE id = ?", move, id)
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    assert moving.machines[source].read(id) == b"written"
    assert await moving.where(id) == {source: "running"}


@pytest.mark.parametrize("stops_at", range(8))
async def test_agents_that_stand_still_in_between_lose_nothing(moving: MovingCloud, stops_at: int) -> None:
    """Whichever side goes on first, at whichever step: it ends on one host, with what was written."""
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    target = await moving.target_of(id)
    order = [source, target] if stops_at % 2 else [target, source]
    for number in range(4):
        await moving.step(order[(number + stops_at // 2) % 2])
        # Whoever holds an order of before reports late, and does no harm.
        await moving.step(*order)
    await moving.settle()
    assert await moving.where(id) == {source: "stopped", target: "running"}
    assert moving.machines[target].read(id) == b"written"


@pytest.mark.parametrize("step", ["stop", "export_disk"])
async def test_what_the_source_cannot_do_leaves_the_server_where_it_is(moving: MovingCloud, step: str) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    moving.machines[source].temper.failing = {step}
    await moving.step()
    moving.machines[source].temper.failing = set()
    await moving.settle()
    assert await moving.where(id) == {source: "running"}
    assert moving.machines[source].read(id) == b"written"
    assert (await moving.show(id))["status"] == "ACTIVE"
    assert await moving.claimed(id) == {source: 1}
    assert [one["status"] for one in await moving.migrations()] == ["error"]
    (action,) = [one for one in await moving.actions(id) if one["action"] == "migrate"]
    assert action["message"] == "Error"


@pytest.mark.parametrize("step", ["create", "start"])
async def test_what_the_target_cannot_do_brings_the_server_back(moving: MovingCloud, step: str) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    target = await moving.target_of(id)
    moving.machines[target].temper.failing = {step}
    await moving.settle()
    assert await moving.where(id) == {source: "running"}
    assert moving.machines[source].read(id) == b"written"
    assert (await moving.show(id))["status"] == "ACTIVE"
    assert await moving.claimed(id) == {source: 1}
    assert [one["status"] for one in await moving.migrations()] == ["error"]


async def test_a_server_that_was_stopped_moves_stopped(moving: MovingCloud) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    (await moving.act(id, "os-stop")).ok()
    await moving.settle()
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    await moving.settle()
    target = await moving.host_of(id)
    assert await moving.where(id) == {source: "stopped", target: "stopped"}
    (await moving.act(id, "confirmResize")).ok()
    await moving.settle()
    assert (await moving.show(id))["status"] == "SHUTOFF"
    (await moving.act(id, "os-start")).ok()
    await moving.settle()
    assert await moving.where(id) == {target: "running"}
    assert moving.machines[target].read(id) == b"written"


async def test_a_deleted_server_leaves_nothing_on_either_host(moving: MovingCloud) -> None:
    for steps in range(4):
        id = await moving.made()
        await moving.migrate(id)
        for _ in range(steps):
            await moving.step()
        (await moving.call("DELETE", f"/servers/{id}")).ok()
        await moving.settle()
        assert await moving.where(id) == {}
        assert await moving.claimed(id) == {}
        assert (await moving.call("GET", f"/servers/{id}")).status == 404


async def test_a_host_that_is_dead_for_certain_gives_back_what_has_just_come(moving: MovingCloud) -> None:
    """What the source kept is better than an image."""
    id = await moving.made()
    source = await moving.host_of(id)
    moving.machines[source].write(id, b"written")
    await moving.migrate(id)
    await moving.settle()
    target = await moving.host_of(id)
    moving.away.add(target)
    await moving.kill(target)
    (await moving.act(id, "evacuate", {}, token=moving.token("admin"), version="2.94")).ok()
    await moving.settle()
    assert await moving.where(id) == {source: "running", target: "crashed"}
    assert moving.machines[source].read(id) == b"written"
    assert await moving.claimed(id) == {source: 1}
    moving.away.clear()
    await moving.settle()
    assert await moving.where(id) == {source: "running"}


async def test_a_flavor_that_its_host_has_no_room_for_takes_it_to_another(moving: MovingCloud) -> None:
    await moving.flavor("deep", disk_gib=900)
    await moving.flavor("deeper", vcpus=2, disk_gib=200)
    id = await moving.made()
    source = await moving.host_of(id)
    await moving.made(availability_zone=f"nova:{source}", flavorRef="deep", token=moving.token("admin"))
    moving.machines[source].write(id, b"written")
    (await moving.act(id, "resize", {"flavorRef": "deeper"})).ok()
    await moving.settle()
    target = await moving.host_of(id)
    assert target != source
    assert moving.machines[target].read(id) == b"written"
    assert (await moving.machines[target].observe(id))[id].marks["shape"] == "2/512/200"
    assert (await moving.machines[source].observe(id))[id].marks["shape"] == "1/512/1"
    assert await moving.claimed(id) == {source: 1, target: 2}
    assert await moving.cores() == 3
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    assert await moving.where(id) == {source: "running"}
    shown = await moving.show(id)
    assert (shown["status"], shown["flavor"]["vcpus"]) == ("ACTIVE", 1)
    assert await moving.claimed(id) == {source: 1}
    assert await moving.cores() == 2
    assert [one["migration_type"] for one in await moving.migrations()] == ["resize"]


async def test_members_of_a_group_stay_apart_when_they_move(moving: MovingCloud) -> None:
    body = {"server_group": {"name": "apart", "policy": "anti-affinity"}}
    group = (await moving.call("POST", "/os-server-groups", body)).ok()["server_group"]["id"]
    one, other = [await moving.made(hints={"group": group}) for _ in range(2)]
    taken = {await moving.host_of(one), await moving.host_of(other)}
    (await moving.migrate(one)).ok()
    await moving.settle()
    assert await moving.host_of(one) not in taken
    assert "No valid host" in (await moving.migrate(other, {"host": await moving.host_of(one)})).refused(400)
    (await moving.act(one, "revertResize")).ok()
    await moving.settle()
    spread = await moving.rows("SELECT members FROM spreads WHERE rule_id = ? AND host_id <> '*'", group)
    assert spread == [(1,), (1,)]


async def test_a_host_is_not_removed_while_something_is_kept_on_it(moving: MovingCloud) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    await moving.migrate(id)
    await moving.settle()
    async with moving.store.write() as tx:
        host = await tx.find(HOSTS, "name = ?", source)
        assert host is not None
        with pytest.raises(Conflict):
            await hosts.forget(tx, host)


async def test_who_goes_back_to_a_disk_that_is_gone_is_not_made_anew(moving: MovingCloud) -> None:
    """A disk made of the image would look as if everything were well."""
    id = await moving.made()
    source = await moving.host_of(id)
    await moving.migrate(id)
    await moving.settle()
    await moving.machines[source].remove(id)
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    shown = await moving.show(id)
    assert shown["status"] == "ERROR"
    assert "no image to start from" in shown["fault"]["message"]
    assert await moving.where(id) == {}


async def test_moving_there_and_back_and_there_takes_no_old_disk_for_a_new_one(moving: MovingCloud) -> None:
    """What a host was away for it still has, under the number that it had."""
    id = await moving.made()
    source = await moving.host_of(id)
    await moving.migrate(id)
    await moving.settle()
    target = await moving.host_of(id)
    moving.machines[target].write(id, b"old")
    stale = moving.machines[target].adopt
    (await moving.act(id, "revertResize")).ok()
    await moving.settle()
    moving.machines[source].write(id, b"new")
    stale(id, "one", "stopped", {"builds": "2", "boots": "2", "shape": "1/512/1"})
    (await moving.migrate(id, {"host": target})).ok()
    await moving.settle()
    assert moving.machines[target].read(id) == b"new"


@pytest.mark.parametrize(
    ("body", "version", "status", "why"),
    [
        ({"host": "nowhere"}, "2.56", 400, "could not be found"),
        ({"host": "SOURCE"}, "2.56", 400, "Cannot migrate to the host where the server exists"),
        ({"host": 7}, "2.56", 400, ""),
        ({"other": 1}, "2.56", 400, ""),
        ({"host": "x" * 300}, "2.56", 400, ""),
    ],
)
async def test_what_migrate_refuses(
    moving: MovingCloud, body: dict[str, Any], version: str, status: int, why: str
) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    said = {name: source if value == "SOURCE" else value for name, value in body.items()}
    assert why in (await moving.migrate(id, said, version)).refused(status)
    assert await moving.migrations() == []


async def test_before_2_56_a_host_is_not_looked_at(moving: MovingCloud) -> None:
    id = await moving.made()
    assert (await moving.migrate(id, {"host": "nowhere"}, "2.55")).status == 202


async def test_who_is_no_operator_moves_nothing(moving: MovingCloud) -> None:
    id = await moving.made()
    assert (await moving.act(id, "migrate")).status == 403


async def test_no_room_is_told_with_the_reason(moving: MovingCloud) -> None:
    id = await moving.made()
    source = await moving.host_of(id)
    async with moving.store.write() as tx:
        for host in await tx.select(HOSTS):
            if host.name != source:
                await hosts.switch(tx, host, enabled=False, reason=None)
    assert "No valid host was found" in (await moving.migrate(id)).refused(400)
    assert await moving.where(id) == {source: "running"}


async def test_a_host_that_does_not_answer_lets_nothing_go(moving: MovingCloud) -> None:
    id = await moving.made()
    await moving.kill(await moving.host_of(id))
    assert "does not answer" in (await moving.migrate(id)).refused(409)


async def test_the_bytes_of_a_move_go_when_it_has_arrived(moving: MovingCloud) -> None:
    id = await moving.made()
    await moving.migrate(id)
    await moving.step(await moving.host_of(id))
    await moved_disks.sweep(moving.parts)
    assert len(await moving.parts.blobs.keys(moved_disks.KIND)) == 1, "it is still needed"
    await moving.settle()
    await moved_disks.sweep(moving.parts)
    assert await moving.parts.blobs.keys(moved_disks.KIND) == set()
