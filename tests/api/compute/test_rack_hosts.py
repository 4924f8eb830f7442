"""The machines that Ironic knows, as hosts: when one is offered, what it has, and where its cards are meanwhile."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud

from trivet.domain.hosts import cards, hosts
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.switch import Carries
from trivet.drivers.metal.images import ImagePlace
from trivet.drivers.metal.ironic import Refused
from trivet.hosting.rack import Rack

__all__ = ["cloud"]

IMAGES = ImagePlace(Path("/nowhere"), "http://deploy/images")
INVENTORY = {
    "cpu": {"count": 32, "socket_count": 2, "flags": ["avx512f", "unheard_of"]},
    "memory": {"physical_mb": 131072},
    "disks": [{"name": "/dev/nvme0n1", "size": 900 << 30}, {"name": "/dev/sda", "size": 100 << 30}],
}


class Ironic:
    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.away = False

    def add(self, id: str, name: str, state: str, **more: Any) -> None:
        self.nodes[id] = {"uuid": id, "name": name, "provision_state": state, "extra": {}, "properties": {}} | more

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        if self.away:
            raise DriverError("away", again=True)
        if path.startswith("/v1/ports"):
            return {"ports": [self._port(id) for id in self.nodes]}
        if path == "/v1/nodes?detail=True":
            return {"nodes": list(self.nodes.values())}
        id, _, rest = path.removeprefix("/v1/nodes/").partition("/")
        if rest == "inventory":
            if self.nodes[id].get("inspection_finished_at") is None:
                raise Refused(404, "none")
            return {"inventory": INVENTORY}
        return self.nodes[id]

    def _port(self, id: str) -> dict[str, Any]:
        link = {"switch_info": "sw1", "port_id": f"eth-{id}"}
        return {"node_uuid": id, "address": f"52:54:00:00:00:0{id[-1]}", "local_link_connection": link}


class Switch:
    def __init__(self) -> None:
        self.vlans: dict[str, int | None] = {}

    async def ports(self) -> dict[str, Carries]:
        return {}

    async def read(self, port: str) -> Carries:
        return Carries(self.vlans.get(port))

    async def carry(self, port: str, carries: Carries) -> None:
        self.vlans[port] = carries.vlan

    async def close(self) -> None:
        return None


class Racked:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.ironic, self.switch = Ironic(), Switch()
        cloud.parts.settings = replace(cloud.parts.settings, metal_vlans="rack:2000-2999")
        self.rack = Rack(cloud.parts, "http://here", self.ironic, {"sw1": self.switch}, IMAGES)

    async def offered(self) -> dict[str, bool]:
        rows = await self.cloud.rows(
            "SELECT h.name, (SELECT COUNT(*) FROM provider_traits t WHERE t.provider_id = h.id AND"
            " t.trait = 'CUSTOM_KIND_METAL') FROM hosts h WHERE h.hypervisor_type = 'ironic' ORDER BY h.name"
        )
        return {str(name): bool(count) for name, count in rows}


@pytest.fixture
def racked(cloud: Cloud) -> Racked:
    return Racked(cloud)


FOUND = {"inspection_finished_at": "2026-01-01T00:00:00Z", "power_state": "power off"}


async def test_a_machine_is_a_host_with_what_inspection_found(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "available", resource_class="gold", traits=["CUSTOM_NEW"], **FOUND)
    await racked.rack.tend()
    [(id, vcpus, memory, disk)] = await racked.cloud.rows(
        "SELECT id, vcpus, memory_mib, disk_gib FROM hosts WHERE name = 'm1'"
    )
    assert (id, vcpus, memory, disk) == ("n1", 32, 131072, 900)
    rows = await racked.cloud.rows("SELECT class, total, capacity FROM inventories WHERE provider_id = 'n1'")
    assert {name: (total, capacity) for name, total, capacity in rows} == {
        "VCPU": (32, 32), "MEMORY_MB": (131072, 131072), "DISK_GB": (900, 900), "CUSTOM_MACHINE": (1, 1),
        "CUSTOM_CPU_SOCKETS": (2, 2), "CUSTOM_DRIVES": (2, 2), "CUSTOM_NVME_DRIVES": (1, 1), "CUSTOM_GOLD": (1, 1),
    }  # fmt: skip
    traits = {str(row[0]) for row in await racked.cloud.rows("SELECT trait FROM provider_traits")}
    assert {"HW_CPU_X86_AVX512F", "CUSTOM_NEW"} < traits
    async with racked.cloud.store.read() as tx:
        [card] = await cards.of_host(tx, "n1")
    assert (card.mac, card.fabric, card.first_vlan, card.last_vlan) == ("52:54:00:00:00:01", "rack", 2000, 2999)
    assert set(racked.rack.engines) == {"n1"}


async def test_a_machine_of_which_nothing_is_known_is_no_host(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "manageable")
    await racked.rack.tend()
    assert await racked.offered() == {}


async def test_only_what_can_be_deployed_is_offered(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "available", **FOUND)
    await racked.rack.tend()
    assert await racked.offered() == {"m1": True}
    for change in ({"maintenance": True}, {"provision_state": "clean failed"}, {"provision_state": "manageable"}):
        before = dict(racked.ironic.nodes["n1"])
        racked.ironic.nodes["n1"] |= change
        await racked.rack.tend()
        assert await racked.offered() == {"m1": False}, change
        racked.ironic.nodes["n1"] = before
        await racked.rack.tend()
        assert await racked.offered() == {"m1": True}


async def test_a_machine_that_ironic_forgot_is_offered_no_more_and_enrolled_anew_it_is_the_same_host(
    racked: Racked,
) -> None:
    racked.ironic.add("n1", "m1", "available", **FOUND)
    await racked.rack.tend()
    del racked.ironic.nodes["n1"]
    await racked.rack.tend()
    assert await racked.offered() == {"m1": False}
    racked.ironic.add("n2", "m1", "available", **FOUND)
    await racked.rack.tend()
    assert await racked.offered() == {"m1": True}
    assert set(racked.rack.engines) == {"n1"}
    racked.ironic.nodes["n2"]["extra"] = {"trivet": {"server": "s1"}}
    assert set(await racked.rack.engines["n1"].machines["metal"].observe()) == {"s1"}, "by its new node"


async def test_cards_follow_what_an_operator_has_done_to_a_machine(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "inspect wait", power_state="power on")
    await racked.rack.tend()
    assert racked.switch.vlans == {"eth-n1": 100}
    racked.ironic.nodes["n1"] |= {"provision_state": "manageable"} | FOUND
    await racked.rack.tend()
    assert racked.switch.vlans == {"eth-n1": 4000}


async def test_a_switch_that_nobody_knows_keeps_no_machine_from_being_a_host(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "available", **FOUND)
    rack = Rack(racked.cloud.parts, "http://here", racked.ironic, {}, IMAGES)
    await rack.tend()
    assert await racked.offered() == {"m1": True}


async def test_an_engine_that_is_away_keeps_nobody_from_beginning(racked: Racked) -> None:
    racked.ironic.away = True
    await racked.rack.adopt()
    with pytest.raises(DriverError):
        await racked.rack.tend()


async def test_a_machine_that_is_gone_for_good_can_be_forgotten(racked: Racked) -> None:
    racked.ironic.add("n1", "m1", "available", **FOUND)
    await racked.rack.tend()
    async with racked.cloud.store.write() as tx:
        await hosts.forget(tx, await hosts.by_name(tx, "m1"))
        assert await cards.of_host(tx, "n1") == []
