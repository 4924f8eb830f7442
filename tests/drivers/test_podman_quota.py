"""A container's disk is bounded where the file system can do that: on XFS with project quotas, made in a file here.

Not every kernel has quotas for XFS, and then the mount is refused.
"""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.drivers.podman_containers import log_has, need_engine, running_shell, started

from trivet.drivers.contracts.machine import Disk
from trivet.drivers.podman.machines import PodmanMachines
from trivet.drivers.podman.quota import has_quota

FILL = "head -c 2000000000 /dev/zero > /fill; stat -c 'filled %s' /fill; exec sleep 1000"


@pytest.fixture
async def on_xfs(tmp_path: Path) -> AsyncIterator[PodmanMachines]:
    need_engine()
    disk, place = tmp_path / "disk", tmp_path / "xfs"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(4 << 30)
    subprocess.run(["mkfs.xfs", "-q", disk], check=True)
    if subprocess.run(["mount", "-o", "loop,pquota", disk, place], check=False, capture_output=True).returncode != 0:
        pytest.skip("this kernel has no quotas for XFS")
    try:
        driver = PodmanMachines(place / "podman")
        yield driver
        for id in await driver.observe():
            await driver.remove(id)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.dataplane
@pytest.mark.hardware
async def test_a_container_cannot_take_more_than_its_flavors_disk(on_xfs: PodmanMachines, tmp_path: Path) -> None:
    assert has_quota(tmp_path / "xfs" / "podman")
    spec = running_shell(FILL)
    assert spec.disk is not None
    spec = running_shell(FILL, disk=Disk(path=spec.disk.path, format="oci", size_gib=1))
    log = await log_has(on_xfs, await started(on_xfs, spec), "filled")
    assert 0 < int(log.split("filled ")[1].split()[0]) <= 1 << 30


def test_a_file_system_without_quotas_is_known(tmp_path: Path) -> None:
    assert not has_quota(Path("/proc"))
