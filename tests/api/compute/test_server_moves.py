"""Servers move: to another host, stopped, with their disks; and stay there, or go back."""

import pytest
from tests.api.compute.moving_cloud import MovingCloud, moving

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
