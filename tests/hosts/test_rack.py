"""A physical machine, from its first power to its last: QEMU behind a Redfish controller, deployed by a real Ironic.

Engine and ramdisk are our own. One of two machines is deployed once, and everything is looked at on the way: a boot of
the ramdisk is most of what this costs.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import SDKException

from tests.programs import until
from trivet.drivers.contracts.network import netns_name
from trivet.lab.enrolment import node, ports, settings
from trivet.lab.rack import Machine, Rack, metal_image

pytestmark = [pytest.mark.rack, pytest.mark.contract, pytest.mark.dataplane, pytest.mark.filterwarnings("ignore")]

BOOT_S = 1500.0
"""A ramdisk boots in a minute where nothing else runs, and CI's machines are shared."""


def of_environment(name: str, otherwise: str) -> Path:
    return Path(os.environ.get(name, otherwise)).absolute()


class Racked:
    def __init__(self, folder: Path) -> None:
        emulator = of_environment("TRIVET_TEST_RACK", "build/rack") / "bin" / "sushy-emulator"
        self.folder = folder
        self.rack = Rack(folder / "rack", "rk", emulator)
        self.settings = settings(self.rack, of_environment("TRIVET_TEST_RAMDISK", "build/ramdisk-virtual"))
        self.cloud: subprocess.Popen[bytes] | None = None
        self.sdk: Connection

    def up(self) -> None:
        machines = self.rack.up(2)
        self.start_cloud()
        for machine in machines:
            self.enrol(machine)
        self.sdk.baremetal.set_node_provision_state("m1", "inspect", wait=True, timeout=BOOT_S)
        # What inspection would find, and without the erasing that comes before a first use: each is a boot more.
        facts = {"cpus": 2, "memory_mb": self.rack.memory_mib, "local_gb": 4}
        self.patch(
            "m2", [{"op": "add", "path": f"/properties/{name}", "value": value} for name, value in facts.items()]
        )
        for machine in machines:
            self.patch(machine.name, [_cleans(False)])
            self.sdk.baremetal.set_node_provision_state(machine.name, "provide", wait=True, timeout=60)
            self.patch(machine.name, [_cleans(True)])

    def enrol(self, machine: Machine) -> None:
        made = self.sdk.baremetal.create_node(**node(self.rack, machine))
        for port in ports(self.rack, machine):
            self.sdk.baremetal.create_port(node_id=made.id, **port)
        self.sdk.baremetal.set_node_provision_state(made, "manage", wait=True, timeout=120)

    def patch(self, name: str, changes: list[dict[str, Any]]) -> None:
        self.sdk.baremetal.patch_node(name, changes)

    def start_cloud(self) -> None:
        data = self.folder / "cloud"
        words = ("-m", "trivet.cli.main", "up", "--data", str(data), "--listen", "127.0.0.1:18774")
        with (self.folder / "cloud.log").open("ab") as log:
            self.cloud = subprocess.Popen(
                (sys.executable, *words), env=os.environ | self.settings, stdout=log, stderr=log
            )
        until("the cloud answers", lambda: (data / "clouds.yaml").exists() and self._answers(), patience_s=120.0)
        known = json.loads((data / "clouds.yaml").read_text().partition("\n")[2])["clouds"]["trivet"]
        self.sdk = openstack.connect(auth=known["auth"], region_name=known["region_name"])
        until("its engine answers", self._has_engine, patience_s=120.0)

    def _answers(self) -> bool:
        ready = subprocess.run(["curl", "-sf", "http://127.0.0.1:18774/readyz"], check=False, capture_output=True)
        return ready.returncode == 0

    def _has_engine(self) -> bool:
        try:
            return bool(list(self.sdk.baremetal.drivers()))
        except SDKException:
            return False

    def kill_cloud(self) -> None:
        assert self.cloud is not None
        self.cloud.send_signal(signal.SIGKILL)
        self.cloud.wait()

    def kill_engine(self) -> None:
        known = ("pgrep", "-f", f"ironic.child {self.folder}/cloud/metal/")
        os.kill(int(subprocess.run(known, check=True, capture_output=True, text=True).stdout), signal.SIGKILL)

    def down(self) -> None:
        if self.cloud is not None:
            self.cloud.terminate()
            self.cloud.wait(120)
        self.rack.down()

    def state(self, name: str) -> str:
        """Also while its engine comes up again."""
        with suppress(SDKException):
            return str(self.sdk.baremetal.get_node(name).provision_state)
        return "unknown"

    def vlan(self, name: str) -> int:
        read = ("ovs-vsctl", f"--db={self.rack.switch}", "get", "port", f"{name}p0", "tag")
        return int(subprocess.run(read, check=True, capture_output=True, text=True).stdout)


def _cleans(whether: bool) -> dict[str, Any]:
    return {"op": "add", "path": "/automated_clean", "value": whether}


@pytest.fixture(scope="module")
def racked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racked]:
    found = Racked(tmp_path_factory.mktemp("rack"))
    try:
        found.up()
        yield found
    finally:
        found.down()


def test_a_physical_machine_is_a_server_like_any_other(racked: Racked, tmp_path: Path) -> None:
    sdk, machine = racked.sdk, Machine(1)
    until("both machines are hosts", lambda: {"m1", "m2"} <= {h.name for h in sdk.compute.hypervisors()}, patience_s=60)
    image = metal_image(Path(os.environ["TRIVET_TEST_GUEST"]), tmp_path / "metal.qcow2")
    metal_image_id = uploaded(sdk, "metal", image, "qcow2", "bare")
    archive = Path(os.environ["TRIVET_TEST_CONTAINER"])
    box_image_id = uploaded(sdk, "box", archive, "raw", "docker")
    flavor = sdk.compute.create_flavor(name="metal", vcpus=2, ram=1024, disk=1)
    sdk.compute.create_flavor_extra_specs(flavor, {"trivet:kind": "metal", "resources:CUSTOM_DRIVES": "1"})
    network = sdk.network.create_network(name="racked")
    sdk.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.8.0.0/24")
    group = next(g for g in sdk.network.security_groups(project_id=sdk.current_project_id) if g.name == "default")
    sdk.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="icmp", ethertype="IPv4"
    )
    on = [{"uuid": network.id}]
    # What inspection found is asked for, so only one of the two will do.
    metal = sdk.compute.create_server(name="metal", image_id=metal_image_id, flavor_id=flavor.id, networks=on)
    box = sdk.compute.create_server(name="box", image_id=box_image_id, flavor_id=_micro(sdk), networks=on)

    until("the ramdisk runs", lambda: racked.state("m1") == "wait call-back", patience_s=BOOT_S)
    assert racked.vlan("m1") == 100, "in the deploy network, and nowhere else"
    racked.kill_engine()

    until(
        "the server is there", lambda: sdk.compute.get_server(metal.id).status in ("ACTIVE", "ERROR"), patience_s=BOOT_S
    )
    metal = sdk.compute.get_server(metal.id)
    assert metal.status == "ACTIVE", metal.fault
    assert 2000 <= racked.vlan("m1") <= 2999
    [address] = [each["addr"] for each in metal.addresses["racked"]]
    until("it answers", lambda: _pings(box.id, address), patience_s=BOOT_S)
    second = sdk.compute.create_server(name="second", image_id=metal_image_id, flavor_id=flavor.id, networks=on)
    assert sdk.compute.get_server(second.id).status == "ERROR", "the machine is sold whole"

    sdk.compute.trigger_server_crash_dump(metal.id)
    until("its kernel panics of it", lambda: "NMI: Not continuing" in racked.rack.console(machine), patience_s=300.0)
    until("it answers after its reboot", lambda: _pings(box.id, address), patience_s=BOOT_S)

    sdk.compute.stop_server(metal.id)
    until("it is off", lambda: sdk.compute.get_server(metal.id).status == "SHUTOFF", patience_s=300.0)
    sdk.compute.start_server(metal.id)
    until("it is on", lambda: sdk.compute.get_server(metal.id).status == "ACTIVE", patience_s=300.0)
    until("it answers again", lambda: _pings(box.id, address), patience_s=BOOT_S)

    sdk.compute.delete_server(metal.id)
    until("it is erased", lambda: racked.state("m1") == "clean wait", patience_s=BOOT_S)
    assert racked.vlan("m1") == 100
    racked.kill_cloud()
    racked.start_cloud()
    sdk = racked.sdk
    until("it is gone", lambda: sdk.compute.find_server(metal.id) is None, patience_s=BOOT_S)
    assert (racked.state("m1"), racked.vlan("m1")) == ("available", 4000), "erased, and parked"
    assert sdk.baremetal.get_node("m1").power_state == "power off"


def uploaded(sdk: Connection, name: str, file: Path, disk: str, container: str) -> str:
    made = sdk.create_image(name, filename=str(file), disk_format=disk, container_format=container, wait=True)
    assert made is not None
    return str(made.id)


def _pings(server_id: str, address: str) -> bool:
    words = ("ip", "netns", "exec", netns_name(server_id), "ping", "-c", "1", "-W", "1", address)
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def _micro(sdk: Connection) -> str:
    found = sdk.compute.find_flavor("trivet.micro")
    assert found is not None
    return str(found.id)
