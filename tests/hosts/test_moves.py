"""Servers with real disks move between real hosts: what was written before is read after, and nothing runs twice."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectFailure

from tests.hosts.conftest import LabCloud, address_of
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane, pytest.mark.filterwarnings("ignore")]

_EVERY_BOOT = """#!/bin/sh
echo "DATA-HAS $(cat /data/word 2>/dev/null || echo nothing)" > /dev/console
echo kept > /data/word
sync
"""


@pytest.fixture
def moved(cloud: LabCloud) -> Iterator[list[Any]]:
    """Whatever a test puts into it goes."""
    made: list[Any] = []
    yield made
    for server in made:
        cloud.sdk.compute.delete_server(server.id)
    for server in made:
        cloud.sdk.compute.wait_for_delete(server, wait=180)


def inside(cloud: LabCloud, host: int, server: Any, command: str) -> str:
    """What a shell in a container says."""
    machine = cloud.lab.host(host)
    pid = machine.run("ip", "netns", "pids", f"tv-{server.id[:18]}").stdout.split()[0]
    ended = machine.run("nsenter", "-t", pid, "-a", "sh", "-c", command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def runs(cloud: LabCloud, host: int, server: Any) -> bool:
    if server.name == "guest":
        found = cloud.lab.host(host).run("pgrep", "-f", f"qemu-system.*{server.id}")
    else:
        found = cloud.lab.host(host).run("ip", "netns", "pids", f"tv-{server.id[:18]}")
    return bool(found.stdout.strip())


def migrate(cloud: LabCloud, server: Any, **body: Any) -> Any:
    cloud.sdk.compute.migrate_server(server, **body)
    return cloud.becomes(server, "VERIFY_RESIZE")


def test_a_container_goes_with_what_was_written_and_comes_back_without_what_was_not(
    cloud: LabCloud, moved: list[Any]
) -> None:
    near = cloud.is_active(cloud.create("near", "container", "h1"))
    goer = cloud.create("goer", "container", "h1")
    moved += [near, goer]
    cloud.is_active(goer)
    inside(cloud, 1, goer, "echo written on h1 > /root/word; sync")
    there = migrate(cloud, goer)
    assert there.hypervisor_hostname == "h2"
    assert inside(cloud, 2, goer, "cat /root/word") == "written on h1\n"
    assert not runs(cloud, 1, goer)
    cloud.reaches(1, near, address_of(there))
    inside(cloud, 2, goer, "echo written on h2 > /root/word; sync")
    cloud.sdk.compute.confirm_server_resize(goer)
    assert cloud.is_active(goer).hypervisor_hostname == "h2"
    kept = cloud.lab.host(1).data / "podman" / "machines" / goer.id
    until("nothing of it is on h1", lambda: not kept.exists(), pause_s=0.5)

    assert migrate(cloud, goer).hypervisor_hostname == "h1"
    assert inside(cloud, 1, goer, "cat /root/word") == "written on h2\n"
    inside(cloud, 1, goer, "echo lost > /root/word; sync")
    cloud.sdk.compute.revert_server_resize(goer)
    assert cloud.is_active(goer).hypervisor_hostname == "h2"
    assert inside(cloud, 2, goer, "cat /root/word") == "written on h2\n"
    assert not runs(cloud, 1, goer)
    cloud.reaches(1, near, address_of(there))


def test_a_vm_goes_with_its_disk(cloud: LabCloud, moved: list[Any]) -> None:
    words = base64.b64encode(_EVERY_BOOT.encode()).decode()
    guest = cloud.create("guest", "vm", "h2", user_data=words)
    moved.append(guest)

    def log() -> str:
        return str(cloud.sdk.compute.get_server_console_output(guest.id)["output"])

    cloud.is_active(guest)
    until("it has booted for the first time", lambda: "DATA-HAS nothing" in log(), log, pause_s=1)
    assert migrate(cloud, guest).hypervisor_hostname == "h1"
    until("it has booted with what it wrote", lambda: "DATA-HAS kept" in log(), log, pause_s=1)
    assert not runs(cloud, 2, guest)
    cloud.sdk.compute.confirm_server_resize(guest)
    assert cloud.is_active(guest).hypervisor_hostname == "h1"
    until("nothing of it is on h2", lambda: not (cloud.lab.host(2).data / "qemu" / guest.id).exists(), pause_s=0.5)


def task_of(cloud: LabCloud, server: Any) -> str | None:
    found: str | None = cloud.sdk.compute.get_server(server.id).task_state
    return found


def answers(cloud: LabCloud, server: Any) -> bool:
    """Connections from before are broken."""
    try:
        return bool(cloud.sdk.compute.get_server(server.id))
    except ConnectFailure:
        return False


@pytest.mark.parametrize(("dies", "at"), [(2, "resize_prep"), (2, "resize_finish"), (1, "resize_prep")])
def test_a_host_that_loses_its_power_in_between_leaves_the_server_whole(
    cloud: LabCloud, moved: list[Any], dies: int, at: str
) -> None:
    """The first host has the API as well: all of it dies at once."""
    goer = cloud.create("goer", "container", "h1")
    moved.append(goer)
    cloud.is_active(goer)
    inside(cloud, 1, goer, "echo written on h1 > /root/word; sync")
    cloud.sdk.compute.migrate_server(goer)
    until(f"it is {at}", lambda: task_of(cloud, goer) == at, lambda: task_of(cloud, goer), pause_s=0.02)
    cloud.lab.host(dies).power_off()
    cloud.lab.power_on(dies)
    cloud.lab._wait_for(dies)
    until("the API answers", lambda: answers(cloud, goer), pause_s=0.5)
    there = cloud.becomes(goer, "VERIFY_RESIZE")
    assert there.hypervisor_hostname == "h2"
    assert inside(cloud, 2, goer, "cat /root/word") == "written on h1\n"
    assert not runs(cloud, 1, goer)


def test_a_host_is_drained(cloud: LabCloud, moved: list[Any]) -> None:
    word = base64.b64encode(_EVERY_BOOT.encode()).decode()
    goer, guest = cloud.create("goer", "container", "h2"), cloud.create("guest", "vm", "h2", user_data=word)
    moved += [goer, guest]

    def log() -> str:
        return str(cloud.sdk.compute.get_server_console_output(guest.id)["output"])

    for server in moved:
        cloud.is_active(server)
    inside(cloud, 2, goer, "echo written on h2 > /root/word; sync")
    until("it has booted for the first time", lambda: "DATA-HAS nothing" in log(), log, pause_s=1)
    cloud.put("/v1/hosts/h2/drain", {})
    try:
        until(
            "h2 is empty",
            lambda: cloud.get("/v1/hosts/h2/drain")["drain"]["state"] == "drained",
            lambda: cloud.get("/v1/hosts/h2/drain"),
            pause_s=1,
        )
        for server in moved:
            assert cloud.is_active(server).hypervisor_hostname == "h1"
            assert not runs(cloud, 2, server)
        assert inside(cloud, 1, goer, "cat /root/word") == "written on h2\n"
        until("it has booted with what it wrote", lambda: "DATA-HAS kept" in log(), log, pause_s=1)
    finally:
        (service,) = [one for one in cloud.sdk.compute.services() if (one.host, one.binary) == ("h2", "nova-compute")]
        cloud.sdk.compute.enable_service(service)
