"""The engine for physical machines as a process of ours: real, with machines that are none.

It starts with the cloud, is killed and is there again, and what it answers is asked by the stock client.
"""

import http.client
import importlib.util
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import SDKException

from tests.ports import free_port
from tests.postgres import PostgresCluster
from tests.programs import Program, clean, until

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(importlib.util.find_spec("ironic") is None, reason="needs Ironic: pip install 'trivet[metal]'"),
]
PASSWORD = "metal"


class Cloud:
    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.door, port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        told = {
            "TRIVET_ADMIN_PASSWORD": PASSWORD,
            "TRIVET_METAL": "true",
            "TRIVET_METAL_HARDWARE": "fake-hardware",
            "TRIVET_METAL_DOOR": f"127.0.0.1:{self.door}",
        }
        words = ("up", "--sim", "--data", str(folder / "data"), "--listen", f"127.0.0.1:{port}", *more)
        self.program = Program(folder / "out", folder / "log", *words, environment=clean() | told)

    def start(self) -> None:
        self.program.start()
        until("the engine answers", self.answers, self.program.log)

    def answers(self) -> bool:
        with suppress(SDKException):
            return bool(list(self.sdk("admin").baremetal.drivers()))
        return False

    def sdk(self, user: str, project: str = "admin") -> Connection:
        return openstack.connect(
            auth_url=f"{self.url}/identity/v3", username=user, password=PASSWORD, project_name=project,
            user_domain_id="default", project_domain_id="default", region_name="RegionOne", load_yaml_config=False,
            load_envvars=False,
        )  # fmt: skip

    @property
    def engines(self) -> list[int]:
        """Those that live and are this cloud's."""
        known = ("pgrep", "-f", f"ironic.child {self.folder}/data/metal/")
        return [int(pid) for pid in subprocess.run(known, check=False, capture_output=True, text=True).stdout.split()]

    def at_door(self, method: str, path: str, **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.door, timeout=30)) as asking:
            asking.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = asking.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("engine"))
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.program.stop()


@pytest.fixture
def sdk(cloud: Cloud) -> Connection:
    return cloud.sdk("admin")


def enrolled(sdk: Connection, name: str) -> Any:
    return sdk.baremetal.create_node(driver="fake-hardware", name=name)


def test_a_machine_comes_from_its_enrolment_to_where_it_can_be_used(sdk: Connection) -> None:
    node = enrolled(sdk, "r1")
    sdk.baremetal.create_port(node_id=node.id, address="52:54:00:00:00:01")
    assert node.provision_state == "enroll"
    for act, state in (("manage", "manageable"), ("provide", "available")):
        node = sdk.baremetal.set_node_provision_state(node, act, wait=True, timeout=60)
        assert node.provision_state == state
    sdk.baremetal.set_node_power_state(node, "power on", wait=True, timeout=60)
    assert [port.address for port in sdk.baremetal.ports(node=node.id)] == ["52:54:00:00:00:01"]
    assert sdk.baremetal.get_node("r1").power_state == "power on"
    sdk.baremetal.delete_node(node)
    assert list(sdk.baremetal.nodes()) == []


def test_who_writes_at_once_is_not_refused(cloud: Cloud, sdk: Connection) -> None:
    nodes = [enrolled(sdk, f"w{number}") for number in range(8)]

    def work(node: Any) -> list[str]:
        own = cloud.sdk("admin")
        for number in range(6):
            own.baremetal.set_node_traits(node.id, [f"CUSTOM_{number}"])
            own.baremetal.create_chassis(description=node.name)
        return list(own.baremetal.get_node(node.id, fields=["traits"]).traits)

    with ThreadPoolExecutor(len(nodes)) as several:
        assert list(several.map(work, nodes)) == [["CUSTOM_5"]] * len(nodes)
    for chassis in list(sdk.baremetal.chassis()):
        sdk.baremetal.delete_chassis(chassis)
    for node in nodes:
        sdk.baremetal.delete_node(node)


def test_an_engine_that_is_killed_is_there_again_with_all_that_it_knew(cloud: Cloud, sdk: Connection) -> None:
    node = enrolled(sdk, "r2")
    [first] = cloud.engines
    os.kill(first, signal.SIGKILL)
    until("another one answers", lambda: cloud.engines not in ([], [first]) and cloud.answers(), cloud.program.log)
    assert [each.id for each in sdk.baremetal.nodes()] == [node.id]
    sdk.baremetal.set_node_provision_state(node, "manage", wait=True, timeout=60)
    sdk.baremetal.delete_node(node)


def test_the_engine_ends_with_its_cloud_and_comes_back_with_it(cloud: Cloud, sdk: Connection) -> None:
    node = enrolled(sdk, "r3")
    cloud.program.kill()
    until("the engine ends", lambda: not cloud.engines)
    cloud.start()
    assert [each.id for each in cloud.sdk("admin").baremetal.nodes()] == [node.id]
    cloud.sdk("admin").baremetal.delete_node(node)
    assert cloud.program.stop() == 0
    assert cloud.engines == []
    cloud.start()


def test_another_process_takes_the_engine_over_when_its_holder_dies(
    tmp_path: Path, postgres_cluster: PostgresCluster
) -> None:
    cloud = Cloud(tmp_path, "--workers", "2", "--database", postgres_cluster.new_database())
    try:
        cloud.start()
        node = enrolled(cloud.sdk("admin"), "r1")
        [first] = cloud.engines
        holder = parent_of(first)
        os.kill(holder, signal.SIGKILL)
        until("another one runs it", lambda: cloud.engines not in ([], [first]), cloud.program.log)
        [second] = cloud.engines
        assert parent_of(second) != holder
        until("it answers", cloud.answers, cloud.program.log)
        assert [each.id for each in cloud.sdk("admin").baremetal.nodes()] == [node.id]
    finally:
        cloud.program.stop()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_joins_a_machine_to_its_volumes_and_its_networks_is_kept_with_it(cloud: Cloud, sdk: Connection) -> None:
    node = enrolled(sdk, "r5")
    group = sdk.baremetal.create_port_group(
        node_id=node.id, name="bond", address="52:54:00:00:05:00", mode="802.3ad", properties={"miimon": "100"}
    )
    link = {"switch_id": "02:00:00:00:00:01", "switch_info": "sw1", "port_id": "eth5"}
    said = {
        "address": "52:54:00:00:05:01", "local_link_connection": link, "physical_network": "rack",
        "is_pxe_enabled": False, "port_group_id": group.id, "is_smartnic": False,
    }  # fmt: skip
    port = sdk.baremetal.create_port(node_id=node.id, **said)
    connector = sdk.baremetal.create_volume_connector(
        node_id=node.id, type="iqn", connector_id="iqn.2026-01.org.example:r5"
    )
    target = sdk.baremetal.create_volume_target(
        node_id=node.id, volume_type="iscsi", boot_index=0, volume_id="v1",
        properties={"target_portal": "10.0.0.1:3260", "target_iqn": "iqn.2026-01.org.example:v1", "target_lun": 1},
    )  # fmt: skip
    [pid] = cloud.engines
    os.kill(pid, signal.SIGKILL)
    until("another one answers", lambda: cloud.engines not in ([], [pid]) and cloud.answers(), cloud.program.log)
    found = sdk.baremetal.get_port(port.id)
    assert {name: getattr(found, name) for name in said} == said
    assert sdk.baremetal.get_port_group(group.id).mode == "802.3ad"
    assert [each.connector_id for each in sdk.baremetal.volume_connectors(node=node.id, details=True)] == [
        "iqn.2026-01.org.example:r5"
    ]
    [kept] = sdk.baremetal.volume_targets(node=node.id, details=True)
    assert (kept.volume_id, kept.properties["target_lun"]) == ("v1", 1)
    sdk.baremetal.delete_volume_target(target)
    sdk.baremetal.delete_volume_connector(connector)
    sdk.baremetal.delete_node(node)


def test_an_owner_sees_his_machine_and_nobody_elses(cloud: Cloud, sdk: Connection) -> None:
    project = sdk.create_project(name="owners", domain_id="default")
    assert project is not None
    sdk.create_user(name="owner", password=PASSWORD, domain_id="default")
    sdk.grant_role("member", user="owner", project="owners", domain="default")
    theirs = sdk.baremetal.create_node(driver="fake-hardware", name="theirs", owner=project.id)
    other = enrolled(sdk, "other")
    owner = cloud.sdk("owner", "owners")
    assert [each.name for each in owner.baremetal.nodes()] == ["theirs"]
    with pytest.raises(SDKException):
        owner.baremetal.get_node("other")
    with pytest.raises(SDKException):
        owner.baremetal.delete_node("theirs")
    for node in (theirs, other):
        sdk.baremetal.delete_node(node)


def test_at_the_door_there_is_what_a_ramdisk_calls_and_nothing_else(cloud: Cloud, sdk: Connection) -> None:
    node = enrolled(sdk, "r4")
    operator = {"X_Identity_Status": "Confirmed", "X_Roles": "admin", "OpenStack_System_Scope": "all"}
    for path in ("/v1/nodes", f"/v1/nodes/{node.id}", "/v1/drivers", "/v1/lookup/../nodes"):
        assert cloud.at_door("GET", path, **operator)[0] == 404
    assert cloud.at_door("DELETE", f"/v1/nodes/{node.id}", **operator)[0] == 404
    status, said = cloud.at_door("GET", "/")
    assert (status, json.loads(said)["default_version"]["id"]) == (200, "v1"), said
    status, said = cloud.at_door("GET", "/v1/lookup?addresses=52:54:00:00:00:09", X_OpenStack_Ironic_API_Version="1.81")
    assert (status, b"could not be found" in said) == (404, True), said
    sdk.baremetal.delete_node(node)


def test_files_lie_at_the_door_for_those_who_know_their_names(cloud: Cloud) -> None:
    files = cloud.folder / "data" / "metal" / "files"
    (files / "images").mkdir(exist_ok=True)
    (files / "images" / "abc").write_bytes(b"0123456789")
    (files / "images" / "out").symlink_to(cloud.folder / "data" / "secret")
    assert cloud.at_door("GET", "/images/abc") == (200, b"0123456789")
    assert cloud.at_door("GET", "/images/abc", Range="bytes=2-4") == (206, b"234")
    assert cloud.at_door("GET", "/images/abc", Range="bytes=-3") == (206, b"789")
    assert cloud.at_door("GET", "/images/abc", Range="bytes=10-")[0] == 416
    assert cloud.at_door("HEAD", "/images/abc") == (200, b"")
    for path in ("/images", "/images/", "/images/out", "/../ironic.conf", "/%2e%2e/ironic.conf", "/images/abd"):
        assert cloud.at_door("GET", path)[0] == 404, path
    assert cloud.at_door("PUT", "/images/abc")[0] == 404
