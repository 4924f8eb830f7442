"""What a hostile tenant finds inside his container, by the real podman.

The class: whatever the host's root may do must not follow from being root in a container, nor from what the
image's own configuration says. Each container is root over ids of the host that nothing else on it has.
"""

import asyncio
import hashlib
import io
import itertools
import json
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest
from tests.drivers.podman_containers import (
    a_container,
    inner_process,
    ip,
    log_has,
    machines,
    running_shell,
    started,
    wired,
)

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk
from trivet.drivers.podman import ranges
from trivet.drivers.podman.engine import Engine
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane

ATTACK = """
cat /proc/self/uid_map
grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status | tr -s '\\t' ' '
mknod /tmp/disk b 8 0 2>/dev/null && echo HAS-A-DEVICE
mkdir /tmp/m; mount -t tmpfs none /tmp/m 2>/dev/null && echo HAS-A-MOUNT
mount -o remount,rw /sys 2>/dev/null && echo HAS-SYS
echo 1 2>/dev/null > /proc/sys/kernel/panic && echo HAS-A-SYSCTL
echo h 2>/dev/null > /proc/sysrq-trigger && echo HAS-SYSRQ
head -c 1 /proc/kcore 2>/dev/null | grep -q . && echo HAS-MEMORY
head -c 1 /proc/timer_list 2>/dev/null | grep -q . && echo HAS-TIMERS
unshare -U true 2>/dev/null && echo HAS-A-USER-NAMESPACE
mkdir /sys/fs/cgroup/memory/mine 2>/dev/null && echo HAS-A-CGROUP
chown 70000 /tmp/m 2>/dev/null && echo HAS-AN-ID-OF-OTHERS
[ -e /sys/class/net/outside ] && echo SEES-LINKS-OF-THE-HOST
ping -c 1 -W 5 10.99.7.5 >/dev/null && echo can-ping
ls /sys/class/net | tr '\\n' ' '
echo done; exec sleep 1000
"""


async def test_a_root_within_is_nobody_without(machines: PodmanMachines, tmp_path: Path) -> None:
    spec = await wired(machines, running_shell(ATTACK))
    id = await started(machines, spec)
    log = await log_has(machines, id, "done")
    assert "HAS-" not in log
    assert "SEES-" not in log
    assert "can-ping" in log
    assert {"NoNewPrivs: 1", "Seccomp: 2", "CapEff: 00000000000424fb", "CapBnd: 00000000000424fb"} <= set(
        log.splitlines()
    )
    inside, outside, size = map(int, log.splitlines()[0].split())
    assert (inside, size) == (0, ranges.SIZE)
    assert outside >= ranges.FIRST
    _, first = inner_process(tmp_path / "podman", id)
    assert Path(f"/proc/{first}").stat().st_uid == outside


async def test_no_two_have_an_id_of_the_host_in_common_also_of_two_clouds(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    other = PodmanMachines(tmp_path / "other")
    first, second = await started(machines, a_container()), await started(machines, a_container())
    third = await started(other, a_container())
    try:
        maps = [
            Path(f"/proc/{inner_process(tmp_path / folder, id)[1]}/{kind}_map").read_text()
            for folder, id in (("podman", first), ("podman", second), ("other", third))
            for kind in ("uid", "gid")
        ]
        starts = sorted({int(line.split()[1]) for line in maps})
        assert len(starts) == 3
        assert all(after - before >= ranges.SIZE for before, after in itertools.pairwise(starts))
    finally:
        await other.remove(third)


async def test_a_range_outlasts_restarts_and_is_given_back_at_the_end(machines: PodmanMachines, tmp_path: Path) -> None:
    spec = running_shell("cat /proc/self/uid_map; touch /root/mine; echo up; sleep 1000")
    id = await started(machines, spec)
    before = (await log_has(machines, id, "up")).splitlines()[0]
    await machines.stop(id, 0)
    await PodmanMachines(tmp_path / "podman").start(id, {})
    assert (await log_has(machines, id, "up", times=2)).splitlines().count(before) == 2
    claim = ranges.CLAIMS / before.split()[1]
    assert claim.is_symlink()
    await machines.remove(id)
    assert not claim.is_symlink()


async def test_a_snapshot_has_the_containers_own_ids_and_starts_elsewhere(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    """A second one from it has other ids on the host, and owns the files all the same."""
    id = await started(machines, running_shell("echo x > /root/mine; chown 1000:7 /root/mine; echo up; sleep 1000"))
    await log_has(machines, id, "up")
    assert await machines.snapshot(id, str(tmp_path / "copy.tar")) == "oci"
    again = running_shell("stat -c 'owned %u:%g' /root/mine /root; sleep 1000")
    again = msgspec.structs.replace(again, disk=Disk(path=str(tmp_path / "copy.tar"), format="oci"))
    log = await log_has(machines, await started(machines, again), "owned", times=2)
    assert [line for line in log.splitlines() if "owned" in line] == ["owned 1000:7", "owned 0:0"]


async def test_one_made_as_root_of_the_host_is_made_again_at_its_next_start(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    """As clouds have them that were made before containers had user namespaces, in a namespace of the host's."""
    spec = running_shell("cat /proc/self/uid_map; stat -c 'owned %u' /root/mine || touch /root/mine; echo up; sleep 99")
    name = f"px{spec.id[:8]}"
    ip("netns", "add", name)
    spec = msgspec.structs.replace(spec, netns=name)
    await machines.create(spec)
    engine = Engine(tmp_path / "podman")
    made = json.loads(await engine.run("container", "inspect", f"trivet-{spec.id}"))[0]
    await engine.run("rm", made["Id"])
    words = ["create", f"--name=trivet-{spec.id}", "--network=none", made["Image"], *spec.command]
    container_id = (await engine.run(*words)).strip()
    record = tmp_path / "podman" / "machines" / spec.id / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"base": None, "container_id": container_id}))
    await engine.run("start", container_id)
    await engine.run("stop", "--time=0", container_id)
    assert await machines.shelter(spec.id, name)
    await machines.start(spec.id, {})
    log = await log_has(machines, spec.id, "owned 0")
    assert int(log.split("owned")[0].split()[1]) >= ranges.FIRST


async def test_it_may_open_low_ports(machines: PodmanMachines) -> None:
    spec = await wired(machines, running_shell("echo up; exec busybox nc -l -p 80 -e /bin/echo heard"))
    id = await started(machines, spec)
    await log_has(machines, id, "up")
    call = ["ip", "netns", "exec", str(spec.netns), "busybox", "nc", "10.99.7.5", "80"]
    done = await asyncio.to_thread(subprocess.run, call, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.stdout == b"heard\n"


def with_a_healthcheck(source: str, target: Path) -> str:
    """A Docker archive of the same image, for OCI has no word for health checks."""
    subprocess.run(["skopeo", "copy", "--quiet", f"oci-archive:{source}", f"docker-archive:{target}.plain"], check=True)
    with tarfile.open(f"{target}.plain") as old, tarfile.open(target, "w") as new:
        manifest = json.load(old.extractfile("manifest.json") or io.BytesIO())
        config = json.load(old.extractfile(manifest[0]["Config"]) or io.BytesIO())
        config["config"]["Healthcheck"] = {"Test": ["CMD-SHELL", "echo BEAT >> /beats"], "Interval": 1_000_000_000}
        text = json.dumps(config).encode()
        manifest[0]["Config"] = f"{hashlib.sha256(text).hexdigest()}.json"
        for name, content in ((manifest[0]["Config"], text), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
        for layer in manifest[0]["Layers"]:
            entry = old.getmember(layer)
            if entry.issym():
                entry.name, source_name = layer, entry.linkname.removeprefix("../")
                entry = old.getmember(source_name)
                entry.name = layer
            new.addfile(entry, old.extractfile(entry))
    return str(target)


async def test_an_images_health_check_is_not_run(machines: PodmanMachines, tmp_path: Path) -> None:
    disk = a_container().disk
    assert disk is not None
    path = with_a_healthcheck(disk.path, tmp_path / "sick.tar")
    id = await started(machines, a_container(disk=Disk(path=path, format="oci")))
    engine = Engine(tmp_path / "podman")
    check = await engine.run("container", "inspect", "--format={{json .Config.Healthcheck}}", f"trivet-{id}")
    assert json.loads(check)["Test"] == ["NONE"]


async def test_without_an_owned_network_namespace_it_does_not_start(machines: PodmanMachines) -> None:
    spec = await wired(machines, a_container())
    await machines.create(spec)
    ip("netns", "delete", str(spec.netns))
    ip("netns", "add", str(spec.netns))
    try:
        with pytest.raises(DriverError, match="network") as refusal:
            await machines.start(spec.id, {})
        assert refusal.value.again
    finally:
        ip("netns", "delete", str(spec.netns))
