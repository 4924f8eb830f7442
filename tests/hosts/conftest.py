"""A lab of two real hosts, brought up once for all tests of many hosts, with a network and a server of each kind."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.connection import Connection

from tests.drivers.leftovers import clear_leftovers
from tests.programs import until
from trivet.lab.lab import Lab

IMAGES = {
    "vm": ("TRIVET_TEST_GUEST", "qcow2", "bare"),
    "container": ("TRIVET_TEST_CONTAINER", "raw", "docker"),
}


class LabCloud:
    """The lab, and the stock SDK pointed at its cloud."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        known = json.loads(lab.clouds_yaml.read_text().partition("\n")[2])["clouds"]["trivet"]
        self.sdk: Connection = openstack.connect(auth=known["auth"], region_name=known["region_name"])
        self.network: Any = None

    def prepare(self) -> None:
        for name, (variable, disk, container) in IMAGES.items():
            self.sdk.create_image(
                name, filename=os.environ[variable], disk_format=disk, container_format=container, wait=True
            )
        self.network = self.sdk.network.create_network(name="across")
        self.sdk.network.create_subnet(network_id=self.network.id, ip_version=4, cidr="10.7.0.0/24")
        project = self.sdk.current_project_id
        group = next(each for each in self.sdk.network.security_groups(project_id=project) if each.name == "default")
        self.sdk.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="icmp", ethertype="IPv4"
        )

    def get(self, path: str) -> Any:
        """Of what is Trivet's own, as its admin."""
        return self._asked("GET", path).json()

    def post(self, path: str, said: Any) -> Any:
        return self._asked("POST", path, json=said).json()

    def put(self, path: str, said: Any) -> Any:
        return self._asked("PUT", path, json=said).json()

    def delete(self, path: str) -> None:
        self._asked("DELETE", path)

    def _asked(self, method: str, path: str, **how: Any) -> Any:
        answer = self.sdk.session.request(self.lab.url + path, method, authenticated=True, **how)
        assert answer.status_code < 300, answer.text
        return answer

    def create(self, name: str, kind: str, host: str, **more: Any) -> Any:
        return self.sdk.compute.create_server(
            name=name,
            image_id=_need(self.sdk.image.find_image(kind)).id,
            flavor_id=_need(self.sdk.compute.find_flavor("trivet.micro")).id,
            networks=[{"uuid": self.network.id}],
            availability_zone=f"nova:{host}",
            **more,
        )

    def is_active(self, server: Any) -> Any:
        return self.becomes(server, "ACTIVE")

    def becomes(self, server: Any, status: str) -> Any:
        def there() -> Any:
            found = self.sdk.compute.get_server(server.id)
            assert status == "ERROR" or found.status != "ERROR", found.fault
            return found if found.status == status else None

        return until(f"{server.name} is {status}", there, lambda: self.sdk.compute.get_server(server.id), pause_s=0.5)

    def pings(self, host: int, server: Any, address: str) -> bool:
        """From inside a container on that host."""
        inside = ("ip", "netns", "exec", f"tv-{server.id[:18]}")
        return self.lab.host(host).run(*inside, "ping", "-c", "1", "-W", "1", address).returncode == 0

    def reaches(self, host: int, server: Any, address: str) -> None:
        until(f"{address} answers {server.name}", lambda: self.pings(host, server, address), pause_s=0.2)


def _need(found: Any) -> Any:
    assert found is not None
    return found


def address_of(server: Any) -> str:
    return str(server.addresses["across"][0]["addr"])


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCloud]:
    absent = [variable for variable, _, _ in IMAGES.values() if not Path(os.environ.get(variable, "")).is_file()]
    if absent or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(absent) or 'nothing else'} (make images)")
    clear_leftovers()
    # A test's own receiver of webhooks is beside the lab.
    os.environ["TRIVET_WEB_ALLOW"] = "172.31.0.0/16"
    lab = Lab(tmp_path_factory.mktemp("lab"), "testlab")
    try:
        lab.up(2, lambda _: None)
        cloud = LabCloud(lab)
        cloud.prepare()
        yield cloud
        cloud.sdk.close()
    finally:
        lab.remove()
