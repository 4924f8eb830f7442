"""What a container is made from, and what is made from one: archives, sound and broken, and snapshots."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.drivers.podman_containers import IMAGE, a_container, log_has, look, machines, running_shell, started

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk
from trivet.drivers.podman.archives import machine_architecture
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


async def test_a_snapshot_runs_as_another_container(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, running_shell("echo kept > /root/note; echo written; sleep 1000"))
    await log_has(machines, id, "written")
    image = tmp_path / "snapshot.tar"
    assert await machines.snapshot(id, str(image)) == "oci"
    copy = running_shell("cat /root/note; sleep 1000", disk=Disk(path=str(image), format="oci"))
    await log_has(machines, await started(machines, copy), "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["podman", "snapshot.tar"]


async def test_a_snapshot_of_a_paused_container_leaves_it_paused(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, a_container())
    await machines.pause(id)
    await machines.snapshot(id, str(tmp_path / "snapshot.tar"))
    assert (await look(machines, id)).power == "paused"


async def test_a_docker_archive_is_as_good(machines: PodmanMachines, tmp_path: Path) -> None:
    path = tmp_path / "docker.tar"
    words = ["skopeo", "copy", "--quiet", f"oci-archive:{IMAGE}", f"docker-archive:{path}:some/name:1"]
    subprocess.run(words, check=True, capture_output=True)
    spec = a_container(disk=Disk(path=str(path), format="oci"))
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


@pytest.mark.parametrize("what", ["garbage", "no index", "empty index", "cut off", "missing layer"])
async def test_an_archive_that_is_none_is_refused_in_words(machines: PodmanMachines, tmp_path: Path, what: str) -> None:
    path = tmp_path / "image.tar"
    whole = Path(IMAGE).read_bytes()
    if what == "garbage":
        path.write_bytes(b"this is not an image" * 1000)
    elif what == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        unpacked = tmp_path / "unpacked"
        with tarfile.open(IMAGE) as tar:
            tar.extractall(unpacked)
        if what == "no index":
            (unpacked / "index.json").unlink()
        elif what == "empty index":
            (unpacked / "index.json").write_text('{"manifests": []}')
        else:
            max((unpacked / "blobs/sha256").iterdir(), key=lambda blob: blob.stat().st_size).unlink()
        with tarfile.open(path, "w") as tar:
            tar.add(unpacked, ".")
    spec = a_container(disk=Disk(path=str(path), format="oci"))
    with pytest.raises(DriverError) as refusal:
        await machines.create(spec)
    assert not refusal.value.again
    assert str(tmp_path) not in refusal.value.why
    await machines.remove(spec.id)


async def test_a_disk_image_is_refused_in_words(machines: PodmanMachines) -> None:
    with pytest.raises(DriverError, match="qcow2"):
        await machines.create(a_container(disk=Disk(path=IMAGE, format="qcow2")))


def pointer(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def a_bomb(path: Path, gib: int) -> str:
    """An image of a few megabytes with one layer, in it one file of so many GiB of nothing."""
    head = tarfile.TarInfo("nothing")
    head.size = gib << 30
    # Members of gzip's, one after the other, are one stream.
    chunk = gzip.compress(bytes(64 << 20), 1)
    layer = gzip.compress(head.tobuf()) + chunk * (gib << 4) + gzip.compress(bytes(1024))
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
    config = json.dumps({"os": "linux", "architecture": machine_architecture(), "rootfs": rootfs}).encode()
    vendor = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{vendor}.manifest.v1+json",
        "config": pointer(f"{vendor}.config.v1+json", config),
        "layers": [pointer(f"{vendor}.layer.v1.tar+gzip", layer)],
    }
    text = json.dumps(manifest).encode()
    index = {"schemaVersion": 2, "manifests": [pointer(f"{vendor}.manifest.v1+json", text)]}
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **{f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in (text, config, layer)},
    }
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return str(path)


async def test_an_image_that_unpacks_to_more_than_its_server_may_have_is_cut_off(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    """The class: a few bytes of a tenant's that make many on the host. The disk is full before anybody asks."""
    path = a_bomb(tmp_path / "bomb.tar", 8)
    spec = a_container(disk=Disk(path=path, format="oci", size_gib=1))
    with pytest.raises(DriverError, match="unpacks to more than 1 GiB") as refusal:
        await machines.create(spec)
    assert not refusal.value.again
    await machines.remove(spec.id)
    used = subprocess.run(["du", "-sm", tmp_path / "podman"], check=True, capture_output=True).stdout
    assert int(used.split()[0]) < 64
    await log_has(machines, await started(machines, a_container()), "CONTAINER-READY")
