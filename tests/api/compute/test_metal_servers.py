"""Servers on physical machines: which machine one gets, what it takes of it, and what its ports become."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.api.compute.server_cloud import Cloud, cloud
from tests.api.one_service import MINE, caller_of

from trivet.controllers.network import rows as network_rows
from trivet.domain.host_link import order_building
from trivet.domain.hosts import cards, hosts
from trivet.domain.hosts.cards import Card
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.wishes import PortCreate
from trivet.domain.servers.flavors import FLAVORS, Flavor
from trivet.domain.servers.orders import Order
from trivet.domain.servers.servers import SERVERS

__all__ = ["cloud"]

VLANS = (2000, 2001)


@pytest.fixture
async def rack(cloud: Cloud) -> Cloud:
    """A small machine and a large one, with two cards each, and a flavor that both satisfy."""
    async with cloud.store.write() as tx:
        for number, (name, size) in enumerate((("large", 8), ("small", 2))):
            now = cloud.clock.now()
            host = hosts.Host(
                id=cloud.parts.ids.uuid(), name=name, kinds=("metal",), vcpus=size, memory_mib=size * 1024,
                disk_gib=size * 10, hypervisor_type="ironic", created_at=now, updated_at=now, agent_seen_at=now,
            )  # fmt: skip
            host = await hosts.register(tx, host, {"VCPU": 1.0}, {hosts.MACHINE: 1, "CUSTOM_NVME_DRIVES": size})
            own = [Card(f"52:54:00:22:0{card}:0{number}", "rack", *VLANS) for card in range(2)]
            await cards.set_cards(tx, host.id, own)
        for name, specs in (("metal", {}), ("metal.nvme", {"resources:CUSTOM_NVME_DRIVES": "8"})):
            flavor = Flavor(
                id=name, name=name, vcpus=1, ram_mib=512, disk_gib=1, created_at=0.0,
                extra_specs={"trivet:kind": "metal"} | specs,
            )  # fmt: skip
            await tx.insert(FLAVORS, flavor)
    return cloud


async def place_of(cloud: Cloud, id: str) -> str | None:
    found = await cloud.rows("SELECT h.name FROM servers s JOIN hosts h ON h.id = s.host_id WHERE s.id = ?", id)
    return str(found[0][0]) if found else None


async def orders(cloud: Cloud) -> Sequence[Order]:
    async with cloud.store.read() as tx:
        return (await order_building.build(tx, [str(id) for (id,) in await cloud.rows("SELECT id FROM hosts")])).orders


async def segments(cloud: Cloud) -> dict[str, tuple[tuple[str, int], ...]]:
    async with cloud.store.read() as tx:
        return {id: spec().segments for id, spec in (await network_rows.networks(tx, None)).items()}


async def test_the_smallest_machine_that_fits_is_taken_whole_and_a_third_server_finds_none(rack: Cloud) -> None:
    ids = [await rack.made(name=name, flavorRef="metal") for name in ("one", "two")]
    assert [await place_of(rack, id) for id in ids] == ["small", "large"]
    third = (await rack.create(flavorRef="metal")).ok()["server"]["id"]
    assert (await rack.show(third))["status"] == "ERROR"
    assert "CUSTOM_MACHINE" in (await rack.show(third))["fault"]["message"]


async def test_a_flavor_may_ask_for_what_inspection_found(rack: Cloud) -> None:
    assert await place_of(rack, await rack.made(flavorRef="metal.nvme")) == "large"


async def test_a_vm_never_comes_onto_a_machine(rack: Cloud) -> None:
    ids = [await rack.made(name=f"vm{n}") for n in range(4)]
    assert not {await place_of(rack, id) for id in ids} & {"small", "large"}


async def test_a_port_is_a_card_of_the_machine_and_its_network_gets_a_vlan_of_its_own(rack: Cloud) -> None:
    async with rack.store.write() as tx:
        other = await rack.add_network(tx, "green", "10.9.0.0/24")
    both = [{"uuid": rack.network_id}, {"uuid": other}]
    await rack.made(flavorRef="metal", networks=both)
    [order] = await orders(rack)
    assert [(wire.kind, wire.mac, wire.vlan) for wire in order.wires] == [
        ("switch", "52:54:00:22:00:01", 2000),
        ("switch", "52:54:00:22:01:01", 2001),
    ]
    assert await segments(rack) == {rack.network_id: (("rack", 2000),), other: (("rack", 2001),)}
    await rack.made(name="two", flavorRef="metal", networks=both)
    assert {wire.vlan for order in await orders(rack) for wire in order.wires} == {2000, 2001}, "the networks' own"


async def test_the_engine_is_told_that_the_port_is_outside(rack: Cloud) -> None:
    await rack.made(flavorRef="metal")
    await rack.made(name="vm")
    async with rack.store.read() as tx:
        specs = [spec() for spec in (await network_rows.ports(tx, None))[0].values()]
    assert sorted(spec.outside for spec in specs) == [False, True]


async def test_a_port_that_outlives_its_server_leaves_the_machines_mac_to_the_next(rack: Cloud) -> None:
    async with rack.store.write() as tx:
        port = await ports.create(tx, caller_of(MINE), PortCreate(network_id=rack.network_id))
    first = await rack.made(flavorRef="metal", networks=[{"port": port.id}])
    assert await mac_of(rack, port.id) == "52:54:00:22:00:01"
    (await rack.call("DELETE", f"/servers/{first}")).ok()
    await rack.settle()
    assert await mac_of(rack, port.id) != "52:54:00:22:00:01"
    second = await rack.made(name="two", flavorRef="metal")
    assert await place_of(rack, second) == "small"
    assert (await rack.show(second))["status"] == "ACTIVE"


async def mac_of(cloud: Cloud, port_id: str) -> Any:
    return (await cloud.rows("SELECT mac_address FROM ports WHERE id = ?", port_id))[0][0]


async def test_where_no_vlan_is_free_that_is_said(rack: Cloud) -> None:
    async with rack.store.write() as tx:
        more = [await rack.add_network(tx, f"net{n}", f"10.9.{n}.0/24") for n in range(2)]
    await rack.made(flavorRef="metal", networks=[{"uuid": rack.network_id}, {"uuid": more[0]}])
    refused = await rack.create(flavorRef="metal", networks=[{"uuid": more[1]}])
    assert refused.status == 409
    assert "VLAN" in str(refused.body)


async def test_a_machine_has_more_time_than_a_vm(rack: Cloud) -> None:
    id = (await rack.create(flavorRef="metal")).ok()["server"]["id"]
    async with rack.store.read() as tx:
        server = await tx.need(SERVERS, id, "server")
    assert server.deadline_at is not None
    assert server.deadline_at - server.created_at >= 3600


@pytest.mark.parametrize(
    "action", ["pause", "suspend", "shelve", "resize", "rescue", "createImage", "os-getConsoleOutput"]
)
async def test_what_a_machine_cannot_do_is_refused_with_the_reason(rack: Cloud, action: str) -> None:
    id = await rack.made(flavorRef="metal")
    said = {"resize": {"flavorRef": "tiny"}, "createImage": {"name": "x"}, "os-getConsoleOutput": {}}.get(action)
    refused = await rack.act(id, action, said)
    assert refused.status == 409
    assert "machine" in str(refused.body)


@pytest.mark.parametrize(
    ("action", "said", "status"),
    [
        ("os-stop", None, "SHUTOFF"),
        ("reboot", {"type": "HARD"}, "ACTIVE"),
        ("reboot", {"type": "SOFT"}, "ACTIVE"),
        ("rebuild", {"imageRef": "IMAGE"}, "ACTIVE"),
        ("lock", None, "ACTIVE"),
    ],
)
async def test_what_a_machine_can_do_is_asked_of_it(rack: Cloud, action: str, said: Any, status: str) -> None:
    id = await rack.made(flavorRef="metal")
    if said is not None and "imageRef" in said:
        said = {"imageRef": rack.vm_image}
    (await rack.act(id, action, said)).ok()
    await rack.settle()
    assert (await rack.show(id))["status"] == status
