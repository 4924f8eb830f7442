"""The network controller over the simulated engine: what is wanted arrives there, and what is there is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.api.network.network_cloud import Client, Cloud

from trivet.controllers.network.networks import NetworkController
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import AddressesSpec, GroupSpec, NetworkSpec, PortSpec, RouterSpec, Wire
from trivet.drivers.sim.network import SimNetwork, SimWires
from trivet.store import leases, log
from trivet.store.leases import Lease
from trivet.store.log import Event


class Lab:
    """A cloud with a controller that is driven by hand."""

    def __init__(self, here: Cloud, lease: Lease) -> None:
        self.cloud = here
        self.lease = lease
        self.mine: Client = here.mine
        self.engine = SimNetwork()
        self.wires = SimWires(self.engine)
        self.controller = NetworkController(here.store, self.engine, lease)
        self._seen = 0

    async def events(self) -> list[Event]:
        async with self.cloud.store.read() as tx:
            found = await log.read(tx, self._seen)
        self._seen = found[-1].seq if found else self._seen
        return found

    async def step(self) -> None:
        """Everything that happened so far reaches the controller, and what it does about it the engine."""
        for event in await self.events():
            await self.controller.follow(event)
        await self.controller.apply()

    async def status(self, path: str) -> str:
        ((_, found),) = (await self.cloud.admin.get(path)).items()
        return str(found["status"])


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Cloud() as here:
        async with here.store.write() as tx:
            lease = await leases.take(tx, "networks", "me", 1e6)
        assert lease is not None
        yield Lab(here, lease)


@asynccontextmanager
async def running(lab: Lab) -> AsyncIterator[None]:
    task = asyncio.create_task(lab.controller.run())
    await until(lambda: lab.engine.listeners)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


def wire(port: dict[str, str]) -> Wire:
    return Wire(port_id=port["id"], network_id=port["network_id"], mac=port["mac_address"], mtu=1442, kind="tap")


async def test_what_is_made_arrives_and_what_is_deleted_goes(lab: Lab) -> None:
    network, subnet = await lab.mine.network()
    port = await lab.mine.make("port", network_id=network)
    router = await lab.mine.make("router")
    path = f"/v2.0/routers/{router['id']}"
    (await lab.mine.call("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})).ok()
    await lab.step()
    spec = lab.engine.specs["network"][network]
    assert isinstance(spec, NetworkSpec)
    assert [each.cidr for each in spec.subnets] == ["10.0.0.0/24"]
    plugged = lab.engine.specs["port"][port["id"]]
    assert isinstance(plugged, PortSpec)
    assert set(lab.engine.specs["group"]) == set(plugged.groups)
    routed = lab.engine.specs["router"][router["id"]]
    assert isinstance(routed, RouterSpec)
    assert routed.interfaces[0].cidrs == ("10.0.0.1/24",)
    # A router's own port is a part of the router, not something to plug into.
    assert set(lab.engine.specs["port"]) == {port["id"]}
    (await lab.mine.call("PUT", f"{path}/remove_router_interface", {"subnet_id": subnet})).ok()
    for gone in (f"routers/{router['id']}", f"ports/{port['id']}", f"networks/{network}"):
        await lab.mine.drop(gone)
    await lab.step()
    assert {noun: set(specs) for noun, specs in lab.engine.specs.items() if noun != "group"} == {
        "network": set(), "addresses": set(), "port": set(), "router": set(),
    }  # fmt: skip


async def test_a_new_rule_reaches_the_engine_with_one_look_at_its_group(lab: Lab) -> None:
    group = await lab.mine.make("security_group", name="web")
    await lab.step()
    rule = await lab.mine.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress", protocol="tcp",
        port_range_min=22, port_range_max=22,
    )  # fmt: skip
    await lab.step()
    spec = lab.engine.specs["group"][group["id"]]
    assert isinstance(spec, GroupSpec)
    assert [each.port_min for each in spec.rules if each.id == rule["id"]] == [22]
    await lab.mine.drop(f"security-group-rules/{rule['id']}")
    await lab.step()
    spec = lab.engine.specs["group"][group["id"]]
    assert isinstance(spec, GroupSpec)
    assert rule["id"] not in [each.id for each in spec.rules]


async def a_floating_ip(lab: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the router that it goes through, and it)."""
    outside, _ = await lab.cloud.admin.network("198.51.100.0/24", router__external=True)
    router = await lab.mine.make("router", external_gateway_info={"network_id": outside})
    inside, subnet = await lab.mine.network()
    await lab.mine.call("PUT", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
    port = await lab.mine.make("port", network_id=inside)
    floating = await lab.mine.make("floatingip", floating_network_id=outside, port_id=port["id"])
    return router, floating


async def test_a_floating_ip_is_active_once_its_router_knows_and_leaves_it_again(lab: Lab) -> None:
    router, floating = await a_floating_ip(lab)
    assert await lab.status(f"floatingips/{floating['id']}") == "DOWN"
    await lab.step()
    assert await lab.status(f"floatingips/{floating['id']}") == "ACTIVE"
    spec = lab.engine.specs["router"][router["id"]]
    assert isinstance(spec, RouterSpec)
    assert [each.floating_ip for each in spec.floating] == [floating["floating_ip_address"]]
    assert spec.gateway_next_hop == "198.51.100.1"
    await lab.mine.change("floatingip", floating["id"], port_id=None)
    await lab.step()
    spec = lab.engine.specs["router"][router["id"]]
    assert isinstance(spec, RouterSpec)
    assert spec.floating == ()
    assert await lab.status(f"floatingips/{floating['id']}") == "DOWN"


async def test_ports_follow_what_the_engine_says(lab: Lab) -> None:
    network, _ = await lab.mine.network()
    port = await lab.mine.make("port", network_id=network)
    statuses: list[str] = []

    async def becomes(status: str) -> None:
        async with asyncio.timeout(60):
            while await lab.status(f"ports/{port['id']}") != status:
                await asyncio.sleep(0.005)
        statuses.append(status)

    async with running(lab):
        await lab.step()
        await lab.wires.plug(wire(port))
        await becomes("ACTIVE")
        # Said by the controller itself, so nothing is to be looked at again.
        for event in await lab.events():
            await lab.controller.follow(event)
        await lab.wires.unplug(port["id"])
        await becomes("DOWN")
    assert statuses == ["ACTIVE", "DOWN"]


async def test_after_a_restart_everything_is_made_anew_and_strays_go(lab: Lab) -> None:
    network, _ = await lab.mine.network()
    port = await lab.mine.make("port", network_id=network)
    await lab.wires.plug(wire(port))
    await lab.engine.ensure_network(NetworkSpec(id="stray", mtu=1442, subnets=()))
    await lab.controller.resync()
    await lab.controller.apply()
    assert set(lab.engine.specs["network"]) == {network}
    assert await lab.status(f"ports/{port['id']}") == "ACTIVE"
    again = NetworkController(lab.cloud.store, SimNetwork(), lab.lease)
    await again.resync()
    await again.apply()
    assert await lab.status(f"ports/{port['id']}") == "DOWN"


async def test_what_the_engine_refuses_for_now_is_tried_again_and_holds_up_nothing_else(lab: Lab) -> None:
    one, two = [(await lab.mine.make("network"))["id"] for _ in range(2)]
    refused = {one}

    def fault(verb: str, id: str) -> DriverError | None:
        return DriverError("The engine is busy.", again=True) if id in refused else None

    lab.engine.fault = fault
    async with running(lab):
        for event in await lab.events():
            await lab.controller.follow(event)
        await until(lambda: two in lab.engine.specs["network"])
        assert one not in lab.engine.specs["network"]
        refused.clear()
        await until(lambda: one in lab.engine.specs["network"])


async def test_an_address_group_is_one_list_however_many_rules_point_at_it(lab: Lab) -> None:
    blocks = await lab.mine.make("address_group", name="a", addresses=["192.0.2.0/24", "2001:db8::/64"])
    group = await lab.mine.make("security_group", name="web")
    await lab.mine.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress", remote_address_group_id=blocks["id"]
    )
    await lab.step()
    spec = lab.engine.specs["group"][group["id"]]
    assert isinstance(spec, GroupSpec)
    assert [each.remote_addresses for each in spec.rules if each.direction == "ingress"] == [blocks["id"]]
    listed = AddressesSpec(blocks["id"], ("192.0.2.0/24", "2001:db8::/64"))
    assert lab.engine.specs["addresses"] == {blocks["id"]: listed}
    path = f"/v2.0/address-groups/{blocks['id']}/remove_addresses"
    (await lab.mine.call("PUT", path, {"addresses": ["192.0.2.0/24"]})).ok()
    await lab.step()
    assert lab.engine.specs["addresses"] == {blocks["id"]: AddressesSpec(blocks["id"], ("2001:db8::/64",))}
    assert lab.engine.specs["group"][group["id"]] is spec


async def test_what_somebody_else_wrote_into_the_engine_is_made_good_by_the_sweeps(lab: Lab) -> None:
    """A late order of who had this duty before, say: no row changes, so no event tells of it."""
    network, _ = await lab.mine.network()
    await lab.mine.make("port", network_id=network)
    await lab.step()
    right = {noun: dict(specs) for noun, specs in lab.engine.specs.items()}
    await lab.engine.ensure_network(NetworkSpec(id=network, mtu=9000, subnets=()))
    await lab.engine.remove("group", next(iter(right["group"])))
    for _ in range(15):
        await lab.controller.sweep()
        await lab.controller.apply()
    assert lab.engine.specs == right


async def test_who_lost_the_lease_says_nothing_of_ports_and_ends(lab: Lab) -> None:
    """A process that slept: somebody else has the network by now, and says what is so."""
    network, _ = await lab.mine.network()
    port = await lab.mine.make("port", network_id=network)
    await lab.step()
    task = asyncio.create_task(lab.controller.run())
    await until(lambda: lab.engine.listeners)
    async with lab.cloud.store.write() as tx:
        await leases.release(tx, lab.lease.name, lab.lease.holder)
        assert await leases.take(tx, lab.lease.name, "somebody else", 1e6)
    await lab.wires.plug(wire(port))
    (ended,) = await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 60)
    assert isinstance(ended, ExceptionGroup) and ended.subgroup(leases.Lost)
    assert await lab.status(f"ports/{port['id']}") == "DOWN"


async def test_who_lost_the_lease_says_nothing_of_routers_nor_of_floating_ips(lab: Lab) -> None:
    _, floating = await a_floating_ip(lab)
    async with lab.cloud.store.write() as tx:
        await leases.release(tx, lab.lease.name, lab.lease.holder)
    with pytest.raises(leases.Lost):
        await lab.step()
    assert await lab.status(f"floatingips/{floating['id']}") == "DOWN"
