"""Engines that fail, hang or stumble: a server recovers, goes elsewhere, or is in error with words that help."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.programs import until
from trivet.clock import SystemClock
from trivet.drivers.contracts.patience import behind
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.testing import SimCloud

# The SDK warns of its own dependencies.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def cloud() -> Iterator[SimCloud]:
    with SimCloud(hosts=2) as cloud:
        yield cloud


class Tenant:
    def __init__(self, cloud: SimCloud) -> None:
        self.conn: Any = cloud.connect()
        image: Any = self.conn.create_image(
            "tiny", data=b"\0" * 512, disk_format="raw", container_format="bare", wait=True
        )
        self.image = image

    def create(self) -> Any:
        flavor = self.conn.compute.find_flavor("42") or next(iter(self.conn.compute.flavors()))
        return self.conn.compute.create_server(name="s", image_id=self.image.id, flavor_id=flavor.id, networks="none")

    def ends(self, server: Any) -> Any:
        """The server once nothing goes on with it any more."""

        def still() -> Any:
            seen = self.conn.compute.get_server(server.id)
            return seen if seen.task_state is None and seen.status != "BUILD" else None

        return until("the server comes to rest", still)


def machines(cloud: SimCloud) -> dict[str, SimMachines]:
    assert cloud.process.hosting is not None
    found = {}
    for host, engines in cloud.process.hosting.engines.items():
        driver = behind(engines.machines["vm"])
        assert isinstance(driver, SimMachines)
        found[host] = driver
    return found


def holders(cloud: SimCloud, id: str) -> list[str]:
    """On which hosts there is anything of it."""
    return [host for host, driver in machines(cloud).items() if id in driver._machines]


@pytest.mark.parametrize("verb", ["create", "start"])
def test_a_stumble_is_made_good(cloud: SimCloud, verb: str) -> None:
    tenant = Tenant(cloud)
    cloud.temper.failing_once = {verb}
    assert tenant.ends(tenant.create()).status == "ACTIVE"


class Held(SystemClock):
    """Of an engine that is in the middle of a step until it is let go on."""

    def __init__(self) -> None:
        self.waiting = 0
        self.go_on = False

    async def sleep(self, seconds: float) -> None:
        self.waiting += 1
        while not self.go_on:
            await asyncio.sleep(0.01)


def test_a_slow_engine_is_waited_for(cloud: SimCloud) -> None:
    tenant = Tenant(cloud)
    clock = Held()
    for driver in machines(cloud).values():
        driver._clock = clock
    cloud.temper.delay_s = 1.0
    server = tenant.create()
    until("the engine is at it", lambda: clock.waiting)
    assert tenant.conn.compute.get_server(server.id).status == "BUILD"
    clock.go_on = True
    assert tenant.ends(server).status == "ACTIVE"


@pytest.mark.parametrize("verb", ["create", "start"])
def test_when_one_host_cannot_build_it_another_does(cloud: SimCloud, verb: str) -> None:
    tenant = Tenant(cloud)
    broken = next(iter(machines(cloud)))
    machines(cloud)[broken].temper = Temper(failing={verb})
    servers = [tenant.ends(tenant.create()) for _ in range(4)]
    assert {server.status for server in servers} == {"ACTIVE"}
    for server in servers:
        assert holders(cloud, server.id) not in ([], [broken])
    until("nothing is left on the broken host", lambda: not machines(cloud)[broken]._machines)


def test_when_no_host_can_build_it_the_tenant_is_told_and_can_delete_it(cloud: SimCloud) -> None:
    tenant = Tenant(cloud)
    cloud.temper.failing = {"create"}
    server = tenant.ends(tenant.create())
    assert server.status == "ERROR"
    assert "fail at create" in server.fault["message"] and server.fault["code"] == 500
    tenant.conn.compute.delete_server(server.id)
    until("gone", lambda: tenant.conn.compute.find_server(server.id) is None)


def test_a_server_that_does_not_start_can_be_started_later(cloud: SimCloud) -> None:
    tenant = Tenant(cloud)
    server = tenant.ends(tenant.create())
    tenant.conn.compute.stop_server(server.id)
    assert tenant.ends(server).status == "SHUTOFF"
    cloud.temper.failing = {"start"}
    tenant.conn.compute.start_server(server.id)
    failed = tenant.ends(server)
    assert failed.status == "ERROR" and "start" in failed.fault["message"]
    cloud.temper.failing = set()
    tenant.conn.compute.reboot_server(server.id, "HARD")
    assert tenant.ends(server).status == "ACTIVE"


def test_what_fails_while_it_runs_leaves_it_running(cloud: SimCloud) -> None:
    tenant = Tenant(cloud)
    server = tenant.ends(tenant.create())
    for verb, act in (
        ("pause", tenant.conn.compute.pause_server),
        ("suspend", tenant.conn.compute.suspend_server),
        ("stop", tenant.conn.compute.stop_server),
    ):
        cloud.temper.failing = {verb}
        act(server.id)
        assert tenant.ends(server).status == "ACTIVE"
        (last, *_) = tenant.conn.compute.server_actions(server.id)
        assert last.message == "Error"


def test_an_engine_that_went_away_comes_back(cloud: SimCloud) -> None:
    """What was asked meanwhile is in error or done afterwards, and new servers are as always."""
    tenant = Tenant(cloud)
    server = tenant.ends(tenant.create())
    (host,) = holders(cloud, server.id)
    machines(cloud)[host].crash(server.id)

    def runs_again() -> bool:
        machine = machines(cloud)[host]._machines[server.id]
        return machine.power == "running"

    until("what crashed by itself is booted again", runs_again)
    assert tenant.ends(server).status == "ACTIVE"
    told = until("its owner was told, once", lambda: alarms(tenant))
    assert [(one["managed_object"]["id"], one["probable_cause"]) for one in told] == [(server.id, "Server failure")]
    until("that it runs again is told, too", lambda: alarms(tenant)[0]["alarm_cleared_time"])
    assert len(alarms(tenant)) == 1


def test_a_server_that_dies_over_and_over_is_one_alarm(cloud: SimCloud) -> None:
    tenant = Tenant(cloud)
    server = tenant.ends(tenant.create())
    (host,) = holders(cloud, server.id)
    for _ in range(3):
        machines(cloud)[host].crash(server.id)
        until("it runs", lambda: machines(cloud)[host]._machines[server.id].power == "running")
    until("it was told", lambda: alarms(tenant))
    assert len(alarms(tenant)) == 1
    tenant.conn.compute.delete_server(server.id)
    until("nothing is wrong with what is gone", lambda: alarms(tenant)[0]["alarm_cleared_time"])


def alarms(tenant: Tenant) -> list[dict[str, Any]]:
    url = str(tenant.conn.config.get_auth_args()["auth_url"]).partition("/identity")[0]
    found: list[dict[str, Any]] = tenant.conn.session.get(f"{url}/v1/alarms").json()["alarms"]
    return found
