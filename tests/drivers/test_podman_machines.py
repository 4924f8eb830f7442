"""Containers by the real podman, in network namespaces of our own, from the small OCI image that tools/ builds.

TRIVET_TEST_CONTAINER names that image. Each test has a store of its own, and what it leaves behind on the
host is looked for at its end.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import (
    Disk,
    MachineSpec,
    Nic,
    NicHotplug,
    Pausing,
    Resizing,
    Seen,
    SerialConsole,
    Snapshotting,
    Suspending,
)
from trivet.drivers.podman import PodmanMachines, missing

pytestmark = pytest.mark.dataplane
IMAGE = os.environ.get("TRIVET_TEST_CONTAINER", "")
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def engine_is_here() -> None:
    lacks = missing()
    if not Path(IMAGE).is_file():
        lacks.append("the image that TRIVET_TEST_CONTAINER should name (tools/build-container.sh makes it)")
    if lacks:
        reason = "no containers here: missing " + ", ".join(lacks)
        if os.environ.get("CI") or os.environ.get("TRIVET_REQUIRE_ENGINES"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def netns() -> Iterator[str]:
    """A namespace with eth0 at 10.99.7.5, its other end within as well."""
    name = f"px{uuid.uuid4().hex[:8]}"
    try:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "far")
        for device in ("lo", "eth0", "far"):
            _ip("-n", name, "link", "set", device, "up")
        _ip("-n", name, "address", "add", "10.99.7.5/24", "dev", "eth0")
        yield name
    finally:
        _ip("netns", "delete", name)


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[PodmanMachines]:
    driver = PodmanMachines(tmp_path / "podman")
    yield driver
    for id in await driver.observe():
        await driver.remove(id)
    assert await driver.observe() == {}
    await no_process_names(tmp_path)
    assert [line for line in Path("/proc/mounts").read_text().splitlines() if str(tmp_path) in line] == []


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


async def no_process_names(path: Path) -> None:
    """conmon tidies up for some tenths of a second after its container is gone."""
    deadline = time.monotonic() + PATIENCE_S
    while left := _processes_naming(path):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


def _processes_naming(path: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(path) in line:
                found.append(line)
    return found


def a_container(**changes: object) -> MachineSpec:
    spec = MachineSpec(
        id=str(uuid.uuid4()),
        hostname="web-one",
        vcpus=1,
        memory_mib=64,
        disk=Disk(path=IMAGE, format="oci"),
        marks={"boot": "1", "build": "7"},
    )
    return msgspec.structs.replace(spec, **changes)


def running_shell(script: str, **changes: object) -> MachineSpec:
    return a_container(command=("sh", "-c", script), **changes)


async def log_has(machines: PodmanMachines, id: str, text: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while text not in (log := (await machines.console_log(id, 100_000)).decode()):
        assert time.monotonic() < deadline, f"no {text!r} in {log!r}"
        await asyncio.sleep(0.05)
    return log


async def power_becomes(machines: PodmanMachines, id: str, power: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := (await machines.observe())[id]).power != power:
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.05)


async def started(machines: PodmanMachines, spec: MachineSpec) -> str:
    await machines.create(spec)
    await machines.start(spec.id, spec.marks)
    return spec.id


def test_it_offers_what_a_container_can_do_and_nothing_else(tmp_path: Path) -> None:
    driver: object = PodmanMachines(tmp_path)
    for ability in (Pausing, NicHotplug, Snapshotting, Resizing, SerialConsole):
        assert isinstance(driver, ability)
    assert not isinstance(driver, Suspending)


async def test_it_runs_in_the_network_namespace_it_is_given(machines: PodmanMachines, netns: str) -> None:
    id = await started(machines, a_container(netns=netns))
    assert "address eth0 10.99.7.5/24" in await log_has(machines, id, "CONTAINER-READY web-one")
    answer = subprocess.run(
        ["ip", "netns", "exec", netns, "busybox", "wget", "-q", "-O", "-", "http://10.99.7.5/"],
        check=True,
        capture_output=True,
    )
    assert answer.stdout == b"hello from web-one\n"


async def test_a_link_moved_in_while_it_runs_is_the_containers_at_once(machines: PodmanMachines, netns: str) -> None:
    id = await started(machines, running_shell("while sleep 0.2; do ls /sys/class/net; done", netns=netns))
    assert "eth1" not in await log_has(machines, id, "eth0")
    _ip("-n", netns, "link", "add", "eth1", "type", "veth", "peer", "name", "far1")
    nic = Nic(port_id=str(uuid.uuid4()), mac="fa:16:3e:00:00:01", device="eth1", mtu=1500)
    await machines.attach_nic(id, nic)
    await machines.attach_nic(id, nic)
    await log_has(machines, id, "eth1")
    assert (await machines.observe(id))[id].marks["nics"] == nic.port_id
    await machines.detach_nic(id, nic.port_id)
    assert (await machines.observe(id))[id].marks["nics"] == ""


def told(seen: Seen) -> dict[str, str]:
    """The marks that somebody wrote; `nics` and `shape` the driver says by itself."""
    return {name: text for name, text in seen.marks.items() if name not in ("nics", "shape")}


async def test_created_is_not_running_and_carries_its_marks(machines: PodmanMachines) -> None:
    spec = a_container()
    await machines.create(spec)
    await machines.create(spec)
    seen = (await machines.observe())[spec.id]
    assert (seen.power, told(seen), seen.exit_code) == ("stopped", spec.marks, None)


async def test_a_start_replaces_the_marks(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await machines.start(id, {"boot": "2"})
    seen = (await machines.observe())[id]
    assert (seen.power, told(seen)) == ("running", {"boot": "2"})


async def test_files_environment_and_hostname_are_there_before_the_first_program(
    machines: PodmanMachines, netns: str
) -> None:
    spec = running_shell(
        'cat /etc/resolv.conf /etc/hosts /new/deep/file; /opt/run-me; echo "$GREETING"; hostname; stat -c %a /tmp',
        files={
            "/etc/resolv.conf": b"nameserver 192.0.2.53\n",
            "/new/deep/file": b"deep content\n",
            "/opt/run-me": b"#!/bin/sh\necho it ran\n",
        },
        netns=netns,
        environment={"GREETING": "two words\nand a line; $HOME"},
    )
    log = await log_has(machines, await started(machines, spec), "1777")
    for line in ("nameserver 192.0.2.53", "127.0.1.1 web-one", "deep content", "it ran", "two words", "web-one"):
        assert line in log.splitlines()
    assert "and a line; $HOME" in log


async def test_too_much_memory_ends_it_and_the_exit_code_says_so(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("echo filling; exec tail /dev/zero", memory_mib=32))
    await power_becomes(machines, id, "crashed")
    assert (await machines.observe())[id].exit_code == 137


async def test_ending_by_itself_is_a_crash_only_with_a_failure(machines: PodmanMachines) -> None:
    good = await started(machines, running_shell("exit 0"))
    bad = await started(machines, running_shell("exit 3"))
    await power_becomes(machines, bad, "crashed")
    await power_becomes(machines, good, "stopped")
    seen = await machines.observe()
    assert (seen[good].exit_code, seen[bad].exit_code) == (0, 3)


async def test_it_stops_by_itself_when_asked(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await log_has(machines, id, "CONTAINER-READY")
    assert await machines.stop(id, grace_s=PATIENCE_S)
    await log_has(machines, id, "CONTAINER-STOPPING")
    assert (await machines.observe())[id].power == "stopped"
    assert await machines.stop(id, grace_s=1)


async def test_it_is_killed_when_it_does_not_listen(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("trap 'echo no' TERM; echo up; while :; do sleep 0.1; done"))
    await log_has(machines, id, "up")
    assert not await machines.stop(id, grace_s=1)
    await log_has(machines, id, "no")
    seen = (await machines.observe())[id]
    assert (seen.power, seen.exit_code) == ("stopped", None)


async def test_its_log_goes_on_across_restarts_and_is_cut_from_the_front(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await log_has(machines, id, "CONTAINER-READY")
    await machines.stop(id, 5)
    await machines.start(id, {"boot": "2"})
    while (await machines.console_log(id, 10_000)).count(b"CONTAINER-READY") < 2:
        await asyncio.sleep(0.05)
    assert (await machines.console_log(id, 13)).endswith(b"web-one\n")
    assert len(await machines.console_log(id, 13)) == 13
    assert await machines.console_log(id, 0) == b""


async def test_a_pause_freezes_it(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done"))
    await log_has(machines, id, "tick 3")
    await machines.pause(id)
    await machines.pause(id)
    assert (await machines.observe())[id].power == "paused"
    before = await machines.console_log(id, 100_000)
    await asyncio.sleep(0.5)
    assert await machines.console_log(id, 100_000) == before
    await machines.unpause(id)
    await machines.unpause(id)
    await log_has(machines, id, f"tick {before.count(b'tick') + 1}")
    await machines.pause(id)
    assert not await machines.stop(id, 0)
    assert (await machines.observe())[id].power == "stopped"


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
    assert (await machines.observe())[id].power == "paused"


async def test_a_docker_archive_is_as_good(machines: PodmanMachines, tmp_path: Path) -> None:
    path = tmp_path / "docker.tar"
    words = ["skopeo", "copy", "--quiet", f"oci-archive:{IMAGE}", f"docker-archive:{path}:some/name:1"]
    subprocess.run(words, check=True, capture_output=True)
    spec = a_container(disk=Disk(path=str(path), format="oci"))
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


async def test_many_at_once_are_all_made(machines: PodmanMachines) -> None:
    specs = [a_container(hostname=f"web-{n}") for n in range(8)]
    await asyncio.gather(*(started(machines, spec) for spec in specs))
    seen = await machines.observe()
    assert {(seen[spec.id].power) for spec in specs} == {"running"}
    await asyncio.gather(*(machines.remove(spec.id) for spec in specs))
    assert await machines.observe() == {}


async def test_after_a_reboot_of_the_host_all_are_stopped_and_start_again(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    """A reboot as the driver sees it: no process, no mount, no runc state, and another boot id."""
    spec = running_shell("ls /root; touch /root/been-here; echo up; sleep 1000", marks={"boot": "6"})
    id = await started(machines, spec)
    await log_has(machines, id, "up")
    folder = tmp_path / "podman"
    conmon = int((folder / "machines" / id / "conmon.pid").read_text())
    (child,) = Path(f"/proc/{conmon}/task/{conmon}/children").read_text().split()
    for pid in (conmon, int(child)):
        os.kill(pid, signal.SIGKILL)
    for state in Path("/run/runc").iterdir():
        if str(tmp_path) in (state / "state.json").read_text():
            subprocess.run(["runc", "delete", "--force", state.name], check=True)
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if str(tmp_path) in line.split()[1]:
            subprocess.run(["umount", line.split()[1]], check=True)
    (folder / "boot_id").write_text("another")
    reborn = PodmanMachines(folder)
    seen = (await reborn.observe())[id]
    assert (seen.power, told(seen)) == ("stopped", {"boot": "6"})
    await reborn.start(id, {"boot": "7"})
    assert "been-here" in await log_has(reborn, id, "been-here")
    await reborn.remove(id)


async def test_a_resize_keeps_the_content_and_changes_the_limits(machines: PodmanMachines) -> None:
    script = (
        "ls /root; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; touch /root/been-here"
    )
    id = await started(machines, running_shell(script))
    assert f"{64 << 20}\n" in await log_has(machines, id, str(64 << 20))
    await machines.stop(id, 1)
    await machines.resize(id, vcpus=2, memory_mib=96, disk_gib=1)
    await machines.resize(id, vcpus=2, memory_mib=96, disk_gib=1)
    assert (await machines.observe())[id].power == "stopped"
    await machines.start(id, {"boot": "2"})
    assert "been-here" in await log_has(machines, id, str(96 << 20))


@pytest.fixture
def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Makes the nth run of podman from now on fail, before it did its work or just after."""
    real = shutil.which("podman")
    fake = tmp_path / "bin" / "podman"
    fake.parent.mkdir()

    def arrange(nth: int, when: str) -> None:
        count = tmp_path / "bin" / "count"
        count.write_text("0")
        fake.write_text(
            "#!/bin/sh\n"
            f"n=$(($(cat {count}) + 1)); echo $n > {count}\n"
            f"[ $n != {nth} ] || [ {when} = after ] || exit 1\n"
            f'{real} "$@" || exit\n'
            f"[ $n != {nth} ]\n"
        )
        fake.chmod(0o755)

    arrange(0, "never")
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    return arrange


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 6))
async def test_a_resize_broken_at_any_step_loses_nothing(
    machines: PodmanMachines, breaking: Callable[[int, str], None], step: int, when: str
) -> None:
    script = "ls /root; cat /sys/fs/cgroup/memory*/memory.limit_in_bytes; touch /root/been-here; echo done"
    id = await started(machines, running_shell(script, memory_mib=96))
    await log_has(machines, id, "done")
    await machines.stop(id, 1)
    breaking(step, when)
    with contextlib.suppress(DriverError):
        await machines.resize(id, vcpus=1, memory_mib=64, disk_gib=0)
    breaking(0, "never")
    seen = await machines.observe()
    assert list(seen) == [id]
    assert (seen[id].power, told(seen[id])) == ("stopped", {"boot": "1", "build": "7"})
    await machines.resize(id, vcpus=1, memory_mib=64, disk_gib=0)
    await machines.start(id, {"boot": "2"})
    assert "been-here" in await log_has(machines, id, str(64 << 20))


async def test_the_console_is_a_shell_for_one_at_a_time(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    path = machines.serial_path(id)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"echo answer-$((6*7)); hostname\n")
    seen = await asyncio.wait_for(reader.readuntil(b"answer-42"), PATIENCE_S)
    assert seen
    second, its_writer = await asyncio.open_unix_connection(path)
    assert b"Another session" in await asyncio.wait_for(second.read(), PATIENCE_S)
    its_writer.close()
    writer.write(b"exit\n")
    await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    reader, writer = await asyncio.open_unix_connection(machines.serial_path(id))
    writer.write(b"echo again-$((1+1))\n")
    await asyncio.wait_for(reader.readuntil(b"again-2"), PATIENCE_S)
    writer.close()


async def test_who_leaves_the_console_leaves_no_shell_behind(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, running_shell("while sleep 0.2; do echo shells $(ps | grep -c '[s]h -l'); done"))
    await log_has(machines, id, "shells 0")
    reader, writer = await asyncio.open_unix_connection(machines.serial_path(id))
    writer.write(b"echo here-$((1+1))\n")
    await asyncio.wait_for(reader.readuntil(b"here-2"), PATIENCE_S)
    await log_has(machines, id, "shells 1")
    writer.close()
    deadline = time.monotonic() + PATIENCE_S
    while not (await machines.console_log(id, 9)).endswith(b"shells 0\n"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_the_watch_tells_of_an_end_and_of_a_later_one(machines: PodmanMachines) -> None:
    watch = machines.watch()
    spec = running_shell("sleep 0.3; exit 4")
    for boot in ("1", "2"):
        hint = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        await machines.create(spec)
        await machines.start(spec.id, {"boot": boot})
        assert await asyncio.wait_for(hint, PATIENCE_S) == spec.id
        seen = (await machines.observe())[spec.id]
        assert (seen.power, seen.exit_code) == ("crashed", 4)


@pytest.fixture
async def watched(machines: PodmanMachines) -> AsyncIterator[PodmanMachines]:
    async def read() -> None:
        async for _ in machines.watch():
            pass

    reading = asyncio.ensure_future(read())
    yield machines
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def log_counts(machines: PodmanMachines, id: str, text: bytes, times: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (await machines.console_log(id, 100_000)).count(text) < times:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_after_a_failure_the_policy_starts_it_again(watched: PodmanMachines) -> None:
    script = "echo run; [ -e /root/once ] && sleep 1000; touch /root/once; exit 1"
    id = await started(watched, running_shell(script, restart="on-failure"))
    await log_counts(watched, id, b"run", 2)
    await power_becomes(watched, id, "running")
    assert told((await watched.observe())[id]) == {"boot": "1", "build": "7"}


async def test_a_good_end_is_followed_by_a_start_only_if_the_policy_is_always(watched: PodmanMachines) -> None:
    always = await started(watched, running_shell("echo run", restart="always"))
    failure = await started(watched, running_shell("echo run", restart="on-failure"))
    await log_counts(watched, always, b"run", 3)
    assert (await watched.console_log(failure, 1000)).count(b"run") == 1


async def test_a_policy_does_not_start_what_was_stopped_or_removed(watched: PodmanMachines) -> None:
    stopped = await started(watched, running_shell("echo run; exit 1", restart="always"))
    removed = await started(watched, running_shell("echo run; exit 1", restart="always"))
    await log_counts(watched, stopped, b"run", 2)
    await watched.stop(stopped, 0)
    await watched.remove(removed)
    runs = (await watched.console_log(stopped, 10_000)).count(b"run")
    await asyncio.sleep(3)
    assert (await watched.console_log(stopped, 10_000)).count(b"run") == runs
    assert list(await watched.observe()) == [stopped]


async def test_what_ended_while_nobody_watched_is_started_by_the_next_who_does(
    machines: PodmanMachines,
) -> None:
    id = await started(machines, running_shell("echo run; exit 1", restart="on-failure"))
    deadline = time.monotonic() + PATIENCE_S
    while (seen := (await machines.observe(id))[id]).exit_code is None:
        assert time.monotonic() < deadline
    assert (seen.power, seen.exit_code) == ("running", 1), "between two runs it counts as running"
    hint = asyncio.ensure_future(anext(machines.watch()))
    await log_counts(machines, id, b"run", 2)
    await hint


async def test_another_process_takes_over_after_a_kill(machines: PodmanMachines, tmp_path: Path) -> None:
    spec = running_shell("echo up; trap 'exit 5' USR1; while :; do sleep 0.1; done")
    program = (
        "import asyncio, sys, msgspec, pathlib, time\n"
        "from trivet.drivers.contracts.machine import MachineSpec\n"
        "from trivet.drivers.podman import PodmanMachines\n"
        "async def main():\n"
        "    driver = PodmanMachines(pathlib.Path(sys.argv[1]))\n"
        "    spec = msgspec.json.decode(sys.argv[2], type=MachineSpec)\n"
        "    await driver.create(spec)\n"
        "    await driver.start(spec.id, {'boot': '9'})\n"
        "    print('started', flush=True)\n"
        "    time.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    first = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        str(tmp_path / "podman"),
        msgspec.json.encode(spec).decode(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert first.stdout is not None
    assert await asyncio.wait_for(first.stdout.readline(), PATIENCE_S) == b"started\n"
    first.send_signal(signal.SIGKILL)
    await first.wait()
    seen = (await machines.observe())[spec.id]
    assert (seen.power, told(seen)) == ("running", {"boot": "9"})
    await log_has(machines, spec.id, "up")
    hint = asyncio.ensure_future(anext(machines.watch()))
    await asyncio.sleep(0.1)
    await machines.stop(spec.id, 0)
    assert await asyncio.wait_for(hint, PATIENCE_S) == spec.id


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 7))
async def test_a_create_broken_at_any_step_is_finished_by_the_next(
    machines: PodmanMachines, breaking: Callable[[int, str], None], step: int, when: str
) -> None:
    spec = a_container(files={"/root/file": b"content"})
    breaking(step, when)
    with contextlib.suppress(DriverError):
        await machines.create(spec)
    breaking(0, "never")
    assert all(seen.power == "stopped" for seen in (await machines.observe()).values())
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


@pytest.mark.parametrize("seconds", [0.05, 0.2])
async def test_a_create_that_is_cancelled_is_finished_by_the_next(machines: PodmanMachines, seconds: float) -> None:
    spec = a_container()
    attempt = asyncio.ensure_future(machines.create(spec))
    await asyncio.wait({attempt}, timeout=seconds)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    await log_has(machines, await started(machines, spec), "CONTAINER-READY")


async def test_remove_leaves_nothing_and_may_be_repeated(machines: PodmanMachines, tmp_path: Path) -> None:
    id = await started(machines, a_container())
    machines.serial_path(id)
    await machines.remove(id)
    await machines.remove(id)
    assert await machines.observe() == {}
    await no_process_names(tmp_path)
    assert [path for path in tmp_path.rglob("*") if id[:13] in path.name] == []


async def test_removing_a_paused_container_works(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await machines.pause(id)
    await machines.remove(id)
    assert await machines.observe() == {}


async def test_a_container_lost_from_under_us_is_crashed_and_can_be_made_again(
    machines: PodmanMachines, tmp_path: Path
) -> None:
    spec = a_container()
    id = await started(machines, spec)
    await log_has(machines, id, "CONTAINER-READY")
    conmon = int((tmp_path / "podman/machines" / id / "conmon.pid").read_text())
    (child,) = Path(f"/proc/{conmon}/task/{conmon}/children").read_text().split()
    os.kill(conmon, signal.SIGKILL)
    os.kill(int(child), signal.SIGKILL)
    await power_becomes(machines, id, "crashed")
    await machines.remove(id)
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


async def test_a_program_that_is_not_in_the_image_is_named(machines: PodmanMachines) -> None:
    spec = a_container(command=("/bin/no-such-program",))
    await machines.create(spec)
    with pytest.raises(DriverError, match="/bin/no-such-program") as refusal:
        await machines.start(spec.id, {})
    assert not refusal.value.again


async def test_a_network_that_is_not_ready_is_worth_another_try(machines: PodmanMachines) -> None:
    with pytest.raises(DriverError, match="network") as refusal:
        await machines.create(a_container(netns="px-not-there"))
    assert refusal.value.again


async def test_what_is_not_here_cannot_start_and_is_stopped_and_removed_already(machines: PodmanMachines) -> None:
    id = str(uuid.uuid4())
    with pytest.raises(DriverError):
        await machines.start(id, {})
    assert await machines.stop(id, 1)
    await machines.remove(id)
    assert await machines.console_log(id, 100) == b""
