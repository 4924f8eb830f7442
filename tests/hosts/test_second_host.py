"""A second host with real engines: servers of both kinds on both hosts, on one network, and what a host may not do."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosts.conftest import LabCloud, address_of
from tests.programs import until

pytestmark = [pytest.mark.contract, pytest.mark.dataplane, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def servers(cloud: LabCloud) -> Iterator[dict[str, Any]]:
    """A container on each host, and a VM on the second."""
    wanted = {"near": ("container", "h1"), "far": ("container", "h2"), "guest": ("vm", "h2")}
    made = {name: cloud.create(name, kind, host) for name, (kind, host) in wanted.items()}
    yield {name: cloud.is_active(server) for name, server in made.items()}
    for server in made.values():
        cloud.sdk.compute.delete_server(server.id)
    for server in made.values():
        cloud.sdk.compute.wait_for_delete(server, wait=120)


def test_servers_on_different_hosts_are_on_one_network(cloud: LabCloud, servers: dict[str, Any]) -> None:
    assert {name: server.hypervisor_hostname for name, server in servers.items()} == {
        "near": "h1",
        "far": "h2",
        "guest": "h2",
    }
    cloud.reaches(1, servers["near"], address_of(servers["far"]))
    cloud.reaches(2, servers["far"], address_of(servers["near"]))
    cloud.reaches(1, servers["near"], address_of(servers["guest"]))


def test_ports_of_a_host_that_joined_are_seen_going_up(cloud: LabCloud, servers: dict[str, Any]) -> None:
    def down() -> list[str]:
        return [port.id for port in cloud.sdk.network.ports(network_id=cloud.network.id) if port.status != "ACTIVE"]

    until("all ports are up", lambda: not down(), down)


def test_a_guest_on_a_host_that_joined_gets_its_lease_and_its_metadata(
    cloud: LabCloud, servers: dict[str, Any]
) -> None:
    def log() -> str:
        return str(cloud.sdk.compute.get_server_console_output(servers["guest"].id)["output"])

    until("the guest has its metadata", lambda: "GUEST-METADATA source=http hostname=guest" in log(), log, pause_s=1)


def southbound(cloud: LabCloud, *command: str) -> str:
    """What the southbound database of the centre answers to the second host, with that host's own certificate."""
    host = cloud.lab.host(2)
    keys = host.data / "overlay"
    shown = ("-p", str(keys / "host.key"), "-c", str(keys / "host.crt"), "-C", str(keys / "authority.crt"))
    database = f"--db=ssl:{cloud.lab.fabric.tenant_address(1)}:6642"
    ended = host.run("env", "OVN_RUNDIR=/run", "ovn-sbctl", "--timeout=10", database, *shown, *command)
    return ended.stdout + ended.stderr


def test_a_host_may_change_no_other_host(cloud: LabCloud, servers: dict[str, Any]) -> None:
    """Nor a network or a rule: a host that was taken over is held to what a chassis needs."""
    chassis = southbound(cloud, "--bare", "--columns=name", "list", "chassis").split()
    assert len(chassis) == 2
    centre = next(name for name in chassis if name != f"host-{_host(cloud, 'h2').id}")
    flow = southbound(cloud, "--bare", "--columns=_uuid", "list", "logical_flow").split()[0]
    for command in (("chassis-del", centre), ("destroy", "logical_flow", flow), ("del-connection",)):
        assert "permission error" in southbound(cloud, *command), command
    assert len(southbound(cloud, "--bare", "--columns=name", "list", "chassis").split()) == 2
    cloud.reaches(1, servers["near"], address_of(servers["far"]))


def test_who_has_no_certificate_of_the_cloud_reaches_no_database(cloud: LabCloud) -> None:
    host = cloud.lab.host(2)
    database = f"ssl:{cloud.lab.fabric.tenant_address(1)}:6642"
    made = host.run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
        *("-keyout", "/run/own.key", "-out", "/run/own.crt", "-subj", "/CN=host-of-mine"),
    )
    assert made.returncode == 0, made.stderr
    own = ("-p", "/run/own.key", "-c", "/run/own.crt", "-C", str(host.data / "overlay" / "authority.crt"))
    ended = host.run("env", "OVN_RUNDIR=/run", "ovn-sbctl", "--timeout=5", f"--db={database}", *own, "show")
    assert ended.returncode != 0


def _host(cloud: LabCloud, name: str) -> Any:
    return next(each for each in cloud.sdk.compute.hypervisors(details=True) if each.name == name)


def _becomes(cloud: LabCloud, host: str, state: str) -> None:
    until(f"{host} is {state}", lambda: _host(cloud, host).state == state, lambda: _host(cloud, host), pause_s=1)


def test_a_host_that_lost_its_power_comes_back_with_its_servers(cloud: LabCloud, servers: dict[str, Any]) -> None:
    cloud.lab.host(2).power_off()
    _becomes(cloud, "h2", "down")
    assert not cloud.pings(1, servers["near"], address_of(servers["far"]))
    cloud.lab.power_on(2)
    _becomes(cloud, "h2", "up")
    cloud.reaches(1, servers["near"], address_of(servers["far"]))
    cloud.reaches(1, servers["near"], address_of(servers["guest"]))
    for name in ("far", "guest"):
        cloud.is_active(servers[name])


def test_a_server_of_a_dead_host_is_made_again_on_another_and_runs_nowhere_twice(
    cloud: LabCloud, servers: dict[str, Any]
) -> None:
    """With its address, which answers from the new place also when the old host is back."""
    far = servers["far"]
    cloud.lab.host(2).power_off()
    _becomes(cloud, "h2", "down")
    cloud.sdk.compute.evacuate_server(far, host="h1")
    cloud.becomes(far, "SHUTOFF")  # since 2.95 its owner says when it runs
    cloud.sdk.compute.start_server(far)
    moved = cloud.is_active(far)
    assert (moved.hypervisor_hostname, address_of(moved)) == ("h1", address_of(far))
    cloud.reaches(1, servers["near"], address_of(far))
    cloud.lab.power_on(2)
    _becomes(cloud, "h2", "up")
    there = cloud.lab.host(2).data / "podman" / "machines" / far.id
    until("what was left on the old host is gone", lambda: not there.exists(), pause_s=0.5)
    cloud.reaches(1, servers["near"], address_of(far))
    assert cloud.is_active(far).hypervisor_hostname == "h1"
