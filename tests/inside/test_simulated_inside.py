"""Simulated hosts that are made inside as a recorded machine of two sockets is, and the stock SDK."""

from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from tests.drivers.recorded_sysfs import two_sockets
from trivet.errors import Invalid
from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")


def _server(conn: Connection, name: str, flavor: str) -> str:
    made = conn.compute.create_server(name=name, image_id=_image(conn), flavor_id=flavor, networks="none")
    try:
        return str(conn.compute.wait_for_server(made, wait=60).status)
    except Exception:
        return str(conn.compute.get_server(made.id).fault["message"])


def _image(conn: Connection) -> str:
    found = conn.image.find_image("tiny")
    if found is None:
        found = conn.image.create_image("tiny", disk_format="raw", container_format="bare", data=b"\0" * 512, wait=True)
    return str(found.id)


def test_a_recorded_machine_is_what_every_simulated_host_is(tmp_path: Path) -> None:
    sets: dict[str, Any] = {"cpu_dedicated_set": "2-3,6-7", "cpu_shared_set": "0-1,4-5"}
    with SimCloud(hosts=1, sim_hardware=str(two_sockets(tmp_path)), **sets) as cloud:
        conn = cloud.connect()
        flavor = conn.create_flavor("pinned", ram=64, vcpus=2, disk=1)
        conn.compute.create_flavor_extra_specs(flavor.id, {"hw:cpu_policy": "dedicated"})
        assert [_server(conn, name, flavor.id) for name in ("one", "two")] == ["ACTIVE", "ACTIVE"]
        assert "hw:cpu_policy=dedicated" in _server(conn, "three", flavor.id)
        pins = [
            sorted(node["cpu_pinning"].values())
            for server in conn.compute.servers()
            if server.status == "ACTIVE"
            for node in conn.compute.get(
                f"/servers/{server.id}/topology", microversion="2.78"
            ).json()["nodes"]
        ]  # fmt: skip
        assert sorted(pins) == [[2, 3], [6, 7]]


def test_cpus_that_the_recorded_machine_does_not_have_are_named(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="did not start") as failure,
        SimCloud(hosts=1, sim_hardware=str(two_sockets(tmp_path)), cpu_dedicated_set="7-8"),
    ):
        pass
    assert isinstance(failure.value.__cause__, Invalid)
    assert "names CPU 8" in failure.value.__cause__.message
