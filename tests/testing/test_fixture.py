"""The cloud in a test, as docs/cloud-in-a-test.md promises it to others."""

import re
import subprocess
import sys
from typing import Any

import pytest
from openstack.exceptions import SDKException
from tests.programs import PATIENCE_S

from trivet.errors import Invalid
from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_server_is_made_with_a_stock_client(trivet_cloud: SimCloud) -> None:
    conn = trivet_cloud.connect()
    conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
    assert server.status == "ACTIVE"


def test_an_engine_that_fails_once_is_tried_again(trivet_cloud: SimCloud) -> None:
    trivet_cloud.temper.failing_once = {"start"}
    conn = trivet_cloud.connect()
    conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
    assert server.status == "ACTIVE"
    assert trivet_cloud.temper.failing_once == set()


def test_capacity_is_a_knob() -> None:
    with SimCloud(hosts=1, vcpus=2, memory_mib=1024, disk_gib=10) as cloud:
        conn = cloud.connect()
        (host,) = conn.compute.get("/os-hypervisors/detail", microversion="2.53").json()["hypervisors"]
        assert (host["vcpus"], host["memory_mb"], host["local_gb"]) == (2, 1024, 10)
        conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
        for number in range(2):
            made = conn.create_server(f"s{number}", image="tiny", flavor="m1.tiny", auto_ip=False)
            assert conn.compute.wait_for_server(made, interval=0.1, wait=PATIENCE_S).status == "ACTIVE"
        with pytest.raises(SDKException, match="No valid host was found"):
            conn.create_server("one too many", image="tiny", flavor="m1.tiny", auto_ip=False)


def test_engines_are_slow_and_fail_for_good_as_told(trivet_cloud: SimCloud) -> None:
    trivet_cloud.temper.delay_s = 0.05
    trivet_cloud.temper.failing = {"create"}
    conn = trivet_cloud.connect()
    conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False)
    assert conn.compute.wait_for_server(server, "ERROR", ["NONE"], 0.1, PATIENCE_S).status == "ERROR"
    trivet_cloud.temper.failing = set()
    again = conn.create_server("web2", image="tiny", flavor="m1.tiny", auto_ip=False)
    assert conn.compute.wait_for_server(again, interval=0.1, wait=PATIENCE_S).status == "ACTIVE"


def test_runs_of_pytest_that_use_no_cloud_do_not_wait_for_one() -> None:
    loaded = "import sys, trivet.testing.plugin; print('trivet.process' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert made.stdout == "False\n"


def test_a_guest_that_powers_itself_off_is_off_and_stays_so(trivet_cloud: SimCloud) -> None:
    conn = trivet_cloud.connect()
    conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
    trivet_cloud.power_off(server.id)
    assert conn.compute.wait_for_server(server, status="SHUTOFF", interval=0.1, wait=PATIENCE_S).power_state == 4
    conn.compute.start_server(server)
    assert conn.compute.wait_for_server(server, interval=0.1, wait=PATIENCE_S).status == "ACTIVE"


@pytest.mark.parametrize("name", ["failing", "failing_once"])
def test_a_misspelt_step_is_refused_with_the_list_of_steps(trivet_cloud: SimCloud, name: str) -> None:
    said = "There is no step 'strat'; steps are create, start, stop, .* Did you mean start?"
    with pytest.raises(ValueError, match=said):
        setattr(trivet_cloud.temper, name, {"strat"})
    with pytest.raises(ValueError, match=said):
        getattr(trivet_cloud.temper, name).add("strat")
    with pytest.raises(ValueError, match=said):
        getattr(trivet_cloud.temper, name).update({"create", "strat"})
    with pytest.raises(ValueError, match="delay_s is a number of seconds, 0 or more, not -1"):
        trivet_cloud.temper.delay_s = -1
    with pytest.raises(AttributeError):
        trivet_cloud.temper.failing_twice = {"start"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"token_z": 5}, "There is no setting token_z. Did you mean token_s?"),
        ({"token_s": "soon"}, "token_s must be a whole number"),
        ({"limit_model": "round"}, "limit_model must be flat or strict_two_level"),
        ({"hosts": -1}, "sim_hosts cannot be below 0"),
        ({"memory_mib": -1}, "memory_mib cannot be below 0"),
        ({"workers": 4}, "workers cannot be set here: the cloud is one process"),
        ({"sim_hosts": 4}, "sim_hosts cannot be set here: say hosts"),
        ({"database": "mysql://x"}, "database must be the path of a file for SQLite"),
    ],
)
def test_a_knob_that_is_none_or_does_nothing_is_refused(knobs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=re.escape(sentence)):
        SimCloud(**knobs)


def test_a_guest_that_is_not_there_cannot_power_itself_off(trivet_cloud: SimCloud) -> None:
    with pytest.raises(LookupError, match="No simulated host has a machine of server 'web'"):
        trivet_cloud.power_off("web")
