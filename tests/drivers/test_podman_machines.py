"""Containers as the driver makes, starts, stops and removes them, by the real podman."""

import asyncio
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.drivers.podman_containers import (
    PATIENCE_S,
    a_container,
    eventually,
    ip,
    log_has,
    look,
    machines,
    no_process_names,
    power_becomes,
    running_shell,
    silent_log,
    started,
    told,
    wired,
)

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Nic, NicHotplug, Pausing, Resizing, SerialConsole, Snapshotting, Suspending
from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


def test_it_offers_what_a_container_can_do_and_nothing_else(tmp_path: Path) -> None:
    driver: object = PodmanMachines(tmp_path)
    for ability in (Pausing, NicHotplug, Snapshotting, Resizing, SerialConsole):
        assert isinstance(driver, ability)
    assert not isinstance(driver, Suspending)


async def test_it_runs_in_the_network_namespace_it_is_given(machines: PodmanMachines) -> None:
    spec = await wired(machines, a_container())
    id, netns = await started(machines, spec), str(spec.netns)
    assert "address eth0 10.99.7.5/24" in await log_has(machines, id, "CONTAINER-READY web-one")
    command = ["ip", "netns", "exec", netns, "busybox", "wget", "-q", "-O", "-", "http://10.99.7.5/"]

    async def answer() -> bytes:
        return (await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)).stdout

    assert await eventually(answer, bool) == b"hello from web-one\n"


async def test_a_link_moved_in_while_it_runs_is_the_containers_at_once(machines: PodmanMachines) -> None:
    spec = await wired(machines, running_shell("while sleep 0.2; do ls /sys/class/net; done"))
    id, netns = await started(machines, spec), str(spec.netns)
    assert "eth1" not in await log_has(machines, id, "eth0")
    ip("-n", netns, "link", "add", "eth1", "type", "veth", "peer", "name", "far1")
    nic = Nic(port_id=str(uuid.uuid4()), mac="fa:16:3e:00:00:01", device="eth1", mtu=1500)
    await machines.attach_nic(id, nic)
    await machines.attach_nic(id, nic)
    await log_has(machines, id, "eth1")
    assert (await machines.observe(id))[id].marks["nics"] == nic.port_id
    await machines.detach_nic(id, nic.port_id)
    assert (await machines.observe(id))[id].marks["nics"] == ""


async def test_created_is_not_running_and_carries_its_marks(machines: PodmanMachines) -> None:
    spec = a_container()
    await machines.create(spec)
    await machines.create(spec)
    seen = await look(machines, spec.id)
    assert (seen.power, told(seen), seen.exit_code) == ("stopped", spec.marks, None)


async def test_a_start_replaces_the_marks(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await machines.start(id, {"boot": "2"})
    seen = await look(machines, id)
    assert (seen.power, told(seen)) == ("running", {"boot": "2"})


async def test_files_environment_and_hostname_are_there_before_the_first_program(machines: PodmanMachines) -> None:
    spec = running_shell(
        'cat /etc/resolv.conf /etc/hosts /new/deep/file; /opt/run-me; echo "$GREETING"; hostname; stat -c %a /tmp',
        files={
            "/etc/resolv.conf": b"nameserver 192.0.2.53\n",
            "/new/deep/file": b"deep content\n",
            "/opt/run-me": b"#!/bin/sh\necho it ran\n",
        },
        environment={"GREETING": "two words\nand a line; $HOME"},
    )
    log = await log_has(machines, await started(machines, await wired(machines, spec)), "1777")
    for line in ("nameserver 192.0.2.53", "127.0.1.1 web-one", "deep content", "it ran", "two words", "web-one"):
        assert line in log.splitlines()
    assert "and a line; $HOME" in log


async def test_too_much_memory_ends_it_and_the_exit_code_says_so(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("echo filling; exec tail /dev/zero", memory_mib=32))
    await power_becomes(machines, id, "crashed")
    assert (await look(machines, id)).exit_code == 137


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
    assert (await look(machines, id)).power == "stopped"
    assert await machines.stop(id, grace_s=1)


async def test_it_is_killed_when_it_does_not_listen(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("trap 'echo no' TERM; echo up; while :; do sleep 1000 & wait; done"))
    await log_has(machines, id, "up")
    assert not await machines.stop(id, grace_s=5)
    await log_has(machines, id, "no")
    seen = await look(machines, id)
    assert (seen.power, seen.exit_code) == ("stopped", None)


async def test_its_log_goes_on_across_restarts_and_is_cut_from_the_front(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    await log_has(machines, id, "CONTAINER-READY")
    await machines.stop(id, PATIENCE_S)
    await machines.start(id, {"boot": "2"})
    await log_has(machines, id, "CONTAINER-READY", times=2)
    assert (await machines.console_log(id, 13)).endswith(b"web-one\n")
    assert len(await machines.console_log(id, 13)) == 13
    assert await machines.console_log(id, 0) == b""


async def test_a_pause_freezes_it(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done"))
    await log_has(machines, id, "tick 3")
    await machines.pause(id)
    await machines.pause(id)
    assert (await look(machines, id)).power == "paused"
    before = await silent_log(machines, id)
    await machines.unpause(id)
    await machines.unpause(id)
    await log_has(machines, id, f"tick {before.count(b'tick') + 1}")
    await machines.pause(id)
    assert not await machines.stop(id, 0)
    assert (await look(machines, id)).power == "stopped"


async def test_many_at_once_are_all_made(machines: PodmanMachines) -> None:
    specs = [a_container(hostname=f"web-{n}") for n in range(8)]
    await asyncio.gather(*(started(machines, spec) for spec in specs))
    seen = await machines.observe()
    assert {(seen[spec.id].power) for spec in specs} == {"running"}
    await asyncio.gather(*(machines.remove(spec.id) for spec in specs))
    assert await machines.observe() == {}


async def test_a_resize_keeps_the_content_and_changes_the_limits(machines: PodmanMachines) -> None:
    script = (
        "ls /root; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; touch /root/been-here"
    )
    id = await started(machines, running_shell(script))
    assert f"{64 << 20}\n" in await log_has(machines, id, str(64 << 20))
    await machines.stop(id, 1)
    await machines.resize(id, vcpus=2, memory_mib=96, disk_gib=1)
    await machines.resize(id, vcpus=2, memory_mib=96, disk_gib=1)
    assert (await look(machines, id)).power == "stopped"
    await machines.start(id, {"boot": "2"})
    assert "been-here" in await log_has(machines, id, str(96 << 20))


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
