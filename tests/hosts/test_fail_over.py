"""A real host loses its power, its agent, or a cable: what is noticed, who is told, what is fenced and comes back."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import LabCloud, address_of
from tests.hosts.receiver import Receiver
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def receiver(cloud: LabCloud) -> Iterator[Receiver]:
    receiver = Receiver(cloud.lab.fabric.own_address)
    for host in cloud.lab.hosts():
        cloud.put(f"/v1/hosts/{host.name}/bmc", {"bmc": cloud.lab.bmcs.access(host.number)})
    subscription = {"url": receiver.url, "secret": "a secret of the tenant"}
    cloud.post("/v1/alarms/subscriptions", {"subscription": subscription})
    yield receiver
    # Other tests give a host its power back whenever they like; a fence would cut it again.
    for host in cloud.lab.hosts():
        cloud.delete(f"/v1/hosts/{host.name}/bmc")
    receiver.close()


@pytest.fixture
def servers(cloud: LabCloud) -> Iterator[dict[str, Any]]:
    ha = {"HA_Enabled": "True"}
    made = {
        "near": cloud.create("near", "container", "h1"),
        "far": cloud.create("far", "container", "h2", metadata=ha),
        "guest": cloud.create("guest", "vm", "h2", metadata=ha),
    }
    yield {name: cloud.is_active(server) for name, server in made.items()}
    for server in made.values():
        cloud.sdk.compute.delete_server(server.id)
    for server in made.values():
        cloud.sdk.compute.wait_for_delete(server, wait=120)


def verdict(cloud: LabCloud, host: str) -> str:
    return str(cloud.get(f"/v1/hosts/{host}/health")["health"]["verdict"])


def becomes(cloud: LabCloud, host: str, *wanted: str) -> None:
    until(f"{host} is {wanted}", lambda: verdict(cloud, host) in wanted, lambda: cloud.get(f"/v1/hosts/{host}/health"))


def test_a_host_that_loses_its_power_is_fenced_and_its_servers_come_back_elsewhere(
    cloud: LabCloud, receiver: Receiver, servers: dict[str, Any]
) -> None:
    becomes(cloud, "h2", "up")
    receiver.told.clear()
    began = time.monotonic()
    cloud.lab.host(2).power_off()
    until("the owner is told", lambda: len(receiver.of("raised", "server")) == 2, lambda: receiver.told)
    told_after = max(told.at for told in receiver.of("raised", "server")) - began
    for name in ("far", "guest"):
        until(
            f"{name} is elsewhere",
            lambda name=name: cloud.sdk.compute.get_server(servers[name].id).hypervisor_hostname == "h1",  # type: ignore[misc]
            lambda: cloud.get("/v1/hosts/h2/health"),
            pause_s=0.2,
        )
    cloud.is_active(servers["far"])
    back_after = time.monotonic() - began
    cloud.is_active(servers["guest"])
    print(f"told after {told_after:.2f} s, the container was back after {back_after:.2f} s")
    cloud.reaches(1, servers["near"], address_of(servers["far"]))
    cloud.reaches(1, servers["near"], address_of(servers["guest"]))
    (failure,) = [found for found in cloud.get("/v1/hosts/h2/health")["health"]["failures"] if not found["ended_at"]]
    steps = [failure[f"{step}_at"] for step in ("suspected", "confirmed", "fenced", "recovered")]
    assert steps == sorted(steps)
    until("that they are well is told", lambda: len(receiver.of("cleared", "server")) == 2, lambda: receiver.told)
    assert len(receiver.of("raised", "server")) == 2
    cloud.lab.power_on(2)
    becomes(cloud, "h2", "up")
    for name in ("far", "guest"):
        there = [cloud.lab.host(2).data / engine / "machines" / servers[name].id for engine in ("podman", "qemu")]
        until("what was left there is gone", lambda there=there: not any(map(lambda one: one.exists(), there)))  # type: ignore[misc]
        assert cloud.sdk.compute.get_server(servers[name].id).hypervisor_hostname == "h1"


def test_a_host_whose_agent_is_silent_is_left_alone(
    cloud: LabCloud, receiver: Receiver, servers: dict[str, Any]
) -> None:
    host = cloud.lab.host(2)
    host.run("pkill", "-STOP", "-f", "trivet.cli.main join")
    becomes(cloud, "h2", "agent_down")
    cloud.reaches(1, servers["near"], address_of(servers["far"]))
    assert cloud.sdk.compute.get_server(servers["far"].id).hypervisor_hostname == "h2"
    host.run("pkill", "-CONT", "-f", "trivet.cli.main join")
    becomes(cloud, "h2", "up")
