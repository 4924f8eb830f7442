"""One physical machine, against an Ironic that keeps to Ironic's own order of states, and a switch that may lie."""

import asyncio
import base64
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineSpec, Nic
from trivet.drivers.contracts.switch import Carries
from trivet.drivers.metal import machines
from trivet.drivers.metal.cabling import Cabling, Vlans
from trivet.drivers.metal.images import ImagePlace
from trivet.drivers.metal.machines import IronicMachine

MAC, SPARE = "52:54:00:22:00:01", "52:54:00:22:01:01"
DEPLOY, PARKING, TENANT = 100, 4000, 2001
WAYS = {
    "deploying": "wait call-back",
    "wait call-back": "active",
    "deleting": "cleaning",
    "cleaning": "available",
}


class FakeIronic:
    """A node that takes one step of its way whenever it is looked at."""

    def __init__(self, switch: "FakeSwitch") -> None:
        self.node: dict[str, Any] = {
            "uuid": "n1", "name": "m1", "provision_state": "available", "power_state": "power off",
            "target_power_state": None, "last_error": None, "extra": {}, "properties": {}, "traits": [],
        }  # fmt: skip
        self.switch = switch
        self.asked: list[str] = []
        self.fails: str | None = None
        """The state from which the next step leads into failure."""
        self.slow = 0
        """How many looks it takes until an order about power is even begun."""
        self.later: str | None = None
        self.deployed: dict[str, Any] = {}
        self.saw: dict[str, int | None] = {}
        """In which VLAN its first card was when it came into each state, and when it got power."""

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        if method != "GET":
            self.asked.append(
                f"{method} {path.rpartition('/')[2]} {body.get('target') if isinstance(body, dict) else ''}"
            )
        if path.startswith("/v1/ports"):
            return {"ports": [port(MAC, "p0", boots=True), port(SPARE, "p1", boots=False)]}
        if method == "PATCH":
            self._patch(body)
        elif path.endswith("/states/provision"):
            self._order(body)
        elif path.endswith("/states/power"):
            self._power(body["target"])
        else:
            self._step()
        return dict(self.node)

    def _patch(self, changes: list[dict[str, Any]]) -> None:
        for change in changes:
            first, _, rest = change["path"].strip("/").partition("/")
            if change["op"] == "remove":
                self.node[first].pop(rest, None)
            elif rest:
                self.node[first][rest] = change["value"]
            else:
                self.node[first] = change["value"]

    def _order(self, body: dict[str, Any]) -> None:
        if body["target"] == "active":
            assert self.node["provision_state"] == "available"
            self.deployed = body | {"info": self.node["instance_info"]}
            self._come_to("deploying")
        else:
            assert self.node["provision_state"] in ("active", "deploy failed", "error", "wait call-back")
            self.node["power_state"] = "power off"
            self._come_to("deleting")

    def _power(self, target: str) -> None:
        if self.slow:
            self.node["reservation"] = "conductor"
            self.later = target
            return
        on = target == "power on"
        self.node["power_state"] = "power on" if on else "power off"
        if on:
            self.saw["power on"] = self.switch.vlans["p0"]

    def _step(self) -> None:
        if self.later is not None:
            self.slow -= 1
            if not self.slow:
                target, self.later = self.later, None
                self.node["reservation"] = None
                self._power(target)
        state = self.node["provision_state"]
        if state not in WAYS:
            return
        if state == self.fails:
            self.fails = None
            self.node["last_error"] = "it was told to fail"
            self._come_to("deploy failed" if state == "wait call-back" else "clean failed")
        else:
            self._come_to(WAYS[state])

    def _come_to(self, state: str) -> None:
        self.node["provision_state"] = state
        self.saw[state] = self.switch.vlans["p0"]


class FakeSwitch:
    def __init__(self) -> None:
        self.vlans: dict[str, int | None] = {"p0": PARKING, "p1": PARKING}
        self.deaf: set[int] = set()
        """VLANs that it takes orders for and does nothing."""

    async def ports(self) -> dict[str, Carries]:
        return {name: Carries(vlan) for name, vlan in self.vlans.items()}

    async def read(self, port: str) -> Carries:
        return Carries(self.vlans[port])

    async def carry(self, port: str, carries: Carries) -> None:
        if carries.vlan not in self.deaf:
            self.vlans[port] = carries.vlan

    async def close(self) -> None:
        return None


def port(mac: str, name: str, *, boots: bool) -> dict[str, Any]:
    return {"address": mac, "pxe_enabled": boots, "local_link_connection": {"switch_info": "sw1", "port_id": name}}


class World:
    def __init__(self, folder: Path) -> None:
        self.image = folder / "image"
        self.image.write_bytes(b"an image")
        self.switch = FakeSwitch()
        self.ironic = FakeIronic(self.switch)
        self.places = ImagePlace(folder / "served", "http://10.0.0.1/images")

    @property
    def machine(self) -> IronicMachine:
        """Another one each time, as after a crash."""
        cabling = Cabling({"sw1": self.switch}, Vlans(deploy=DEPLOY, parking=PARKING))
        return IronicMachine("n1", self.ironic, cabling, self.places)

    def spec(self, id: str = "s1", builds: int = 1, *, mac: str = MAC) -> MachineSpec:
        return MachineSpec(
            id=id, hostname="one", vcpus=1, memory_mib=1, disk=Disk(str(self.image), "raw"),
            nics=(Nic("port", mac, "", 1500, vlan=TENANT),), config_drive=b"drive",
            marks={"builds": str(builds), "boots": "0"},
        )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(machines, "_LOOK_EVERY_S", 0.0)
    yield World(tmp_path)


MARKS = {"builds": "1", "boots": "1"}


async def test_a_machine_is_deployed_in_the_deploy_network_and_gets_power_in_its_own(world: World) -> None:
    await world.machine.create(world.spec())
    assert world.ironic.saw == {"deploying": DEPLOY, "wait call-back": DEPLOY, "active": DEPLOY}
    assert world.switch.vlans == {"p0": PARKING, "p1": PARKING}, "off, it is nowhere"
    assert (await world.machine.observe())["s1"].power == "stopped"
    await world.machine.start("s1", MARKS)
    assert world.ironic.saw["power on"] == TENANT
    seen = (await world.machine.observe("s1"))["s1"]
    assert (seen.power, seen.marks) == ("running", MARKS | {"nics": "port"})


async def test_ironic_gets_the_image_by_its_checksum_and_the_config_drive_and_does_not_boot_it(world: World) -> None:
    await world.machine.create(world.spec())
    deployed = world.ironic.deployed
    assert deployed["info"]["image_source"].endswith(deployed["info"]["image_checksum"])
    assert gzip.decompress(base64.b64decode(deployed["configdrive"])) == b"drive"
    assert [(step["step"], step["priority"]) for step in deployed["deploy_steps"]] == [("boot_instance", 0)]


async def test_a_deployment_that_somebody_began_is_gone_on_with(world: World) -> None:
    task = asyncio.create_task(world.machine.create(world.spec()))
    while world.ironic.node["provision_state"] != "wait call-back":
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.machine.create(world.spec())
    assert sum("provision active" in asked for asked in world.ironic.asked) == 1


async def test_who_died_between_power_and_its_last_word_is_followed_without_a_reboot(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    kept = world.ironic.node["extra"]["trivet"]
    world.ironic.node["extra"]["trivet"] = kept | {"marks": {"builds": "1", "boots": "0"}, "coming": MARKS}
    assert (await world.machine.observe())["s1"].marks["boots"] == "1"
    world.ironic.node["power_state"] = "power off"
    assert (await world.machine.observe())["s1"].marks["boots"] == "0", "it never had power"


async def test_a_switch_that_does_not_take_its_order_keeps_the_machine_off(world: World) -> None:
    await world.machine.create(world.spec())
    world.switch.deaf = {TENANT}
    with pytest.raises(DriverError, match="VLAN 2001") as told:
        await world.machine.start("s1", MARKS)
    assert not told.value.again
    assert "power on" not in world.ironic.saw


async def test_a_deployment_that_fails_says_why_and_leaves_a_clean_machine(world: World) -> None:
    world.ironic.fails = "wait call-back"
    with pytest.raises(DriverError, match="told to fail") as told:
        await world.machine.create(world.spec())
    assert not told.value.again
    await world.machine.remove("s1")
    assert await world.machine.observe() == {}
    assert (world.ironic.node["provision_state"], world.switch.vlans["p0"]) == ("available", PARKING)


async def test_a_removed_machine_is_erased_in_the_deploy_network_and_parked(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    await world.machine.remove("s1")
    assert (world.ironic.saw["deleting"], world.ironic.saw["cleaning"]) == (DEPLOY, DEPLOY)
    assert world.switch.vlans == {"p0": PARKING, "p1": PARKING}
    await world.machine.remove("s1")


async def test_a_machine_that_cannot_be_erased_is_parked_and_given_to_nobody(world: World) -> None:
    await world.machine.create(world.spec())
    world.ironic.fails = "cleaning"
    await world.machine.remove("s1")
    assert world.switch.vlans["p0"] == PARKING
    with pytest.raises(DriverError, match="clean failed"):
        await world.machine.create(world.spec("s2"))


async def test_another_build_erases_the_machine_first(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    await world.machine.create(world.spec(builds=2))
    orders = [asked for asked in world.ironic.asked if "provision" in asked]
    assert orders == ["PUT provision active", "PUT provision deleted", "PUT provision active"]


async def test_a_machine_has_one_server_at_a_time(world: World) -> None:
    await world.machine.create(world.spec())
    with pytest.raises(DriverError, match="another server"):
        await world.machine.create(world.spec("s2"))
    await world.machine.remove("s2")
    assert world.ironic.node["provision_state"] == "active"


async def test_a_port_that_is_none_of_its_cards_is_refused_before_anything_is_done(world: World) -> None:
    with pytest.raises(DriverError, match="only 2 network cards"):
        await world.machine.create(world.spec(mac="fa:16:3e:00:00:01"))
    assert world.ironic.node["provision_state"] == "available"


async def test_a_card_is_plugged_in_and_out_while_it_runs(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    await world.machine.attach_nic("s1", Nic("second", SPARE, "", 1500, vlan=2002))
    assert world.switch.vlans == {"p0": TENANT, "p1": 2002}
    assert (await world.machine.observe())["s1"].marks["nics"] == "port,second"
    await world.machine.detach_nic("s1", "second")
    assert world.switch.vlans == {"p0": TENANT, "p1": PARKING}


async def test_an_image_lies_there_as_long_as_a_machine_may_fetch_it(world: World, tmp_path: Path) -> None:
    async with world.places.serving(Disk(str(world.image), "raw")) as served:
        file = tmp_path / "served" / served.sha256
        await world.places.forget(())
        await world.places.forget(())
        assert file.exists(), "somebody is about to order it"
    for _ in range(3):
        await world.places.forget({served.url})
        assert file.exists(), "a machine fetches it"
    await world.places.forget(())
    assert file.exists(), "a look is old when it ends"
    await world.places.forget(())
    assert not file.exists()
    assert world.image.exists()


async def test_a_machine_is_stopped_gently_first(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    assert await world.machine.stop("s1", 5.0)
    assert (await world.machine.observe())["s1"].power == "stopped"
    assert "PUT power soft power off" in world.ironic.asked


async def test_a_gentle_stop_that_is_not_begun_yet_is_waited_for(world: World) -> None:
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    world.ironic.slow = 4
    assert await world.machine.stop("s1", 5.0)
    assert "PUT power power off" not in world.ironic.asked


async def test_a_controller_that_does_not_answer_makes_nothing_seen(world: World) -> None:
    await world.machine.create(world.spec())
    world.ironic.node["power_state"] = None
    with pytest.raises(DriverError, match="does not answer"):
        await world.machine.observe()


async def test_an_operators_inspection_is_done_in_the_deploy_network_and_drift_is_mended(world: World) -> None:
    world.ironic.node["provision_state"] = "inspect wait"
    await world.machine.settle()
    assert world.switch.vlans == {"p0": DEPLOY, "p1": PARKING}
    world.ironic.node["provision_state"] = "manageable"
    await world.machine.settle()
    assert world.switch.vlans["p0"] == PARKING
    world.ironic.node["provision_state"] = "available"
    await world.machine.create(world.spec())
    await world.machine.start("s1", MARKS)
    world.switch.vlans["p0"] = DEPLOY
    await world.machine.settle()
    assert world.switch.vlans["p0"] == TENANT


async def test_nobody_moves_the_cables_of_a_machine_that_is_being_deployed(world: World) -> None:
    machine = world.machine
    task = asyncio.create_task(machine.create(world.spec()))
    while world.ironic.node["provision_state"] != "wait call-back":
        await asyncio.sleep(0)
        await machine.settle()
        assert world.switch.vlans["p0"] in (DEPLOY, PARKING)
    await task
