"""A rescue whose host stumbles at any step, or whose process ends in between, gets there all the same."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.volume.volume_cloud import VolumeCloud
from tests.policies.whole_cloud import whole_cloud


async def becomes(cloud: VolumeCloud, id: str, status: str) -> Any:
    async def there() -> Any:
        found = (await cloud.compute("GET", f"/servers/{id}")).ok("server")
        return found if (found["status"], found["OS-EXT-STS:task_state"]) == (status, None) else None

    return await cloud.eventually(there, status)


async def act(cloud: VolumeCloud, id: str, action: str) -> None:
    assert (await cloud.compute("POST", f"/servers/{id}/action", {action: None})).status in (200, 202)


@pytest.mark.parametrize("step", ["stop", "rescue", "unrescue", "start"])
async def test_a_step_that_fails_once_is_done_again(tmp_path: Path, step: str) -> None:
    async with whole_cloud(tmp_path) as whole:
        cloud = VolumeCloud(whole)
        await cloud.fill()
        id = (await cloud.server())["id"]
        for action, status in (("rescue", "RESCUE"), ("unrescue", "ACTIVE")):
            cloud.temper.failing_once.add(step)
            await act(cloud, id, action)
            await becomes(cloud, id, status)
            cloud.temper.failing_once.clear()


async def test_a_rescue_goes_on_in_the_process_after(tmp_path: Path) -> None:
    async with whole_cloud(tmp_path) as whole:
        cloud = VolumeCloud(whole)
        await cloud.fill()
        id, waits = (await cloud.server())["id"], (await cloud.server())["id"]
        await act(cloud, id, "rescue")
        await becomes(cloud, id, "RESCUE")
        cloud.temper.delay_s = 60.0
        await act(cloud, waits, "rescue")

    async with whole_cloud(tmp_path) as whole:
        again = VolumeCloud(whole)
        await becomes(again, id, "RESCUE")
        await act(again, id, "unrescue")
        await becomes(again, id, "ACTIVE")
        # The process ended before the first step of the other one was done.
        await becomes(again, waits, "RESCUE")
