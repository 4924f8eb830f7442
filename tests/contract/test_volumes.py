"""A volume by the stock client: made, attached to a server that runs, written, and read in another after the first has
gone; grown, snapshotted and booted from. All of it against real engines."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import RealCloud
from tests.contract.keyboard import type_into
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]


@pytest.fixture(scope="module")
def network(cloud: RealCloud) -> Iterator[str]:
    cloud.openstack("network", "create", "stored")
    cloud.openstack("subnet", "create", "--network", "stored", "--subnet-range", "10.6.0.0/24", "stored")
    yield "stored"
    for server in cloud.openstack("server", "list"):
        cloud.openstack("server", "delete", "--wait", server["ID"], table=True)
    cloud.openstack("network", "delete", "stored", table=True)


def _server(cloud: RealCloud, name: str, *words: str) -> None:
    cloud.openstack("server", "create", "--flavor", "t.small", "--network", "stored", *words, name)
    cloud.wait_for(name, "ACTIVE")

    def log() -> str:
        return str(cloud.openstack("console", "log", "show", name, table=True))

    until("the guest is ready", lambda: "GUEST-READY" in log(), log, pause_s=1, patience_s=400)


def _volume(cloud: RealCloud, name: str, status: str) -> Any:
    def there() -> Any:
        found = cloud.openstack("volume", "show", name)
        assert found["status"] != "error", found
        return found if found["status"] == status else None

    return until(f"{name} is {status}", there, pause_s=0.5, patience_s=400)


def _typed(cloud: RealCloud, server: str, command: str) -> str:
    url = cloud.openstack("console", "url", "show", "--serial", server)["url"]
    return type_into(url, command, "END-OF-IT")


def _says(cloud: RealCloud, server: str, command: str, wanted: str) -> None:
    said: list[str] = []

    def shown() -> bool:
        said.append(_typed(cloud, server, command))
        return wanted in said[-1]

    until(f"{wanted} from {command}", shown, lambda: said[-1], patience_s=300)


def test_bytes_outlive_the_server_that_wrote_them(cloud: RealCloud, network: str) -> None:
    cloud.openstack("volume", "create", "--size", "1", "data")
    _volume(cloud, "data", "available")
    _server(cloud, "writer", "--image", "guest")
    cloud.openstack("server", "add", "volume", "writer", "data", table=True)
    id = _volume(cloud, "data", "in-use")["id"]
    disk = f"/dev/$(grep -l {id[:20]} /sys/block/*/serial | cut -d/ -f4)"
    _says(cloud, "writer", f"echo kept-bytes | dd of={disk} conv=fsync && head -c 10 {disk}", "kept-bytes")
    # The daemon dies and comes back; the guest waits, and sees nothing of it.
    pid = cloud.data / "volumes" / id / "pid"
    before = int(pid.read_text())
    os.kill(before, signal.SIGKILL)
    until("another daemon", lambda: pid.exists() and int(pid.read_text() or 0) not in (0, before), patience_s=60)
    _says(cloud, "writer", f"echo more-bytes | dd of={disk} bs=512 seek=1 conv=fsync && echo wrote-it", "wrote-it")
    cloud.openstack("volume", "set", "--size", "2", "data", table=True)
    _volume(cloud, "data", "in-use")
    _says(cloud, "writer", f"cat /sys/block/$(basename {disk})/size", str(2 << 21))
    cloud.openstack("volume", "snapshot", "create", "--volume", "data", "--force", "then")
    cloud.openstack("server", "delete", "--wait", "writer", table=True)
    _volume(cloud, "data", "available")
    assert not pid.exists()
    _server(cloud, "reader", "--image", "guest")
    cloud.openstack("server", "add", "volume", "reader", "data", table=True)
    _volume(cloud, "data", "in-use")
    _says(
        cloud, "reader", f"head -c 10 {disk}; dd if={disk} bs=512 skip=1 count=1 2>/dev/null | head -c 10", "more-bytes"
    )
    cloud.openstack("server", "remove", "volume", "reader", "data", table=True)
    _volume(cloud, "data", "available")


def test_a_volume_moves_from_a_vm_to_a_container_with_its_files(cloud: RealCloud, network: str) -> None:
    cloud.openstack("volume", "create", "--size", "1", "moving")
    id = _volume(cloud, "moving", "available")["id"]
    _server(cloud, "disk-owner", "--image", "guest")
    cloud.openstack("server", "add", "volume", "disk-owner", "moving", table=True)
    _volume(cloud, "moving", "in-use")
    disk = f"/dev/$(grep -l {id[:20]} /sys/block/*/serial | cut -d/ -f4)"
    made = f"d={disk}; mke2fs -q $d; mount $d /mnt && echo kept-bytes > /mnt/hello && umount /mnt && echo all-do''ne"
    _says(cloud, "disk-owner", made, "all-done")
    cloud.openstack("server", "remove", "volume", "disk-owner", "moving", table=True)
    _volume(cloud, "moving", "available")
    cloud.openstack("server", "create", "--flavor", "t.small", "--network", network, "--image", "container", "folder")
    cloud.wait_for("folder", "ACTIVE")
    cloud.openstack("server", "add", "volume", "--device", "/data", "folder", "moving", table=True)
    _volume(cloud, "moving", "in-use")
    _says(cloud, "folder", "cat /data/hello; echo more-by''tes > /data/hello && sync", "kept-bytes")
    cloud.openstack("server", "reboot", "--hard", "--wait", "folder", table=True)
    _says(cloud, "folder", "cat /data/hello", "more-bytes")
    cloud.openstack("server", "delete", "--wait", "folder", table=True)
    _volume(cloud, "moving", "available")


def test_a_server_boots_from_a_volume_and_both_go(cloud: RealCloud, network: str) -> None:
    _server(cloud, "rooted", "--image", "guest", "--boot-from-volume", "1")
    assert "vda" in _typed(cloud, "rooted", "ls /sys/block")
    (volume,) = cloud.openstack("server", "show", "rooted")["volumes_attached"]
    cloud.openstack("server", "delete", "--wait", "rooted", table=True)
    _volume(cloud, volume["id"], "available")
    cloud.openstack("volume", "delete", volume["id"], table=True)

    def away() -> bool:
        return not Path(cloud.data / "volumes" / volume["id"]).exists()

    until("nothing is left of the volume", away, patience_s=60)
