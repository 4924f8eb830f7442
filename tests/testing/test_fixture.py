"""The cloud in a test, as docs/cloud-in-a-test.md promises it to others."""

import pytest

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
    with SimCloud(hosts=1) as cloud:
        conn = cloud.connect()
        assert [host.status for host in conn.compute.hypervisors(details=True)] == ["enabled"]


def test_a_guest_that_powers_itself_off_is_off_and_stays_so(trivet_cloud: SimCloud) -> None:
    conn = trivet_cloud.connect()
    conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
    trivet_cloud.power_off(server.id)
    assert conn.compute.wait_for_server(server, status="SHUTOFF", interval=0.1, wait=30).power_state == 4
    conn.compute.start_server(server)
    assert conn.compute.wait_for_server(server, interval=0.1, wait=30).status == "ACTIVE"
