"""Proofs of rows about images and hosts, as the register words them, through a stock client against the whole cloud."""

from collections.abc import Iterator
from typing import Any

import pytest

from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimCloud]:
    with SimCloud(hosts=1) as cloud:
        yield cloud


def new_server(connection: Any, name: str) -> Any:
    words = {"disk_format": "raw", "container_format": "bare", "data": b"any bytes", "wait": True}
    image = connection.image.update_image(connection.image.create_image(name, **words), is_hidden=True)
    assert image.is_hidden
    made = connection.compute.create_server(name=name, image_id=image.id, flavor_id="42", networks="none")
    return connection.compute.get_server(made.id)


def test_a_hidden_image_is_not_in_the_list_and_still_makes_and_rebuilds_a_server(cloud: SimCloud) -> None:
    connection: Any = cloud.connect()
    server = connection.compute.wait_for_server(new_server(connection, "old"))
    image = server.image.id
    assert image not in {found.id for found in connection.image.images()}
    connection.compute.rebuild_server(server, image=image)
    again = connection.compute.wait_for_server(connection.compute.get_server(server.id))
    assert (again.status, again.image.id) == ("ACTIVE", image)


def test_a_service_is_disabled_and_forced_down_by_its_uuid_and_os_hosts_is_gone(cloud: SimCloud) -> None:
    connection: Any = cloud.connect()
    (service,) = connection.compute.services()
    for change, status in (({"status": "disabled"}, "ERROR"), ({"status": "enabled"}, "ACTIVE")):
        told = connection.compute.put(f"/os-services/{service.id}", json=change, microversion="2.53")
        assert told.json()["service"]["status"] == change["status"]
        made = new_server(connection, change["status"])
        assert connection.compute.wait_for_server(made, status=status, failures=[]).status == status
    for down, state in ((True, "down"), (False, "up")):
        told = connection.compute.put(f"/os-services/{service.id}", json={"forced_down": down}, microversion="2.53")
        assert told.json()["service"]["forced_down"] == down
        (seen,) = connection.compute.services()
        assert (seen.is_forced_down, seen.state) == (down, state)
    assert connection.compute.get("/os-hosts", microversion="2.43").status_code == 404
