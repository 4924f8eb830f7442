"""Ports and links in a real switch: addresses that change, links that are made again, namespaces, several cards."""

from pathlib import Path

import msgspec
import pytest
from tests.dataplane.ovn_lab import (
    SILENCE_S,
    Lab,
    ask_from,
    eventually,
    new_id,
    run,
    serve_in,
)
from tests.dataplane.own_engine import directory, engine, lab

from trivet.drivers.contracts.network import PortAddress, Wire, tap_name
from trivet.drivers.ovn.chassis import links

__all__ = ["directory", "engine", "lab"]

pytestmark = pytest.mark.dataplane


async def test_a_port_changes_its_address(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    address = PortAddress(subnet_id=network.subnets[0].id, ip="10.5.0.99")
    moved = msgspec.structs.replace(two, port=msgspec.structs.replace(two.port, addresses=(address,)))

    await lab.driver.ensure_port(moved.port)
    await lab.wires.plug(lab.wire(moved, network))

    async with serve_in(moved, 80):

        async def reached() -> bool:
            return await ask_from(one, "10.5.0.99", 80, SILENCE_S) == f"hello {one.ip}"

        await eventually(reached)
        assert not await one.pings("10.5.0.11")


async def test_a_link_that_was_made_again_is_plugged_again(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    await run("ip", "netns", "delete", two.netns)

    async def noticed() -> bool:
        return await lab.wires.plugged() == {one.port.id}

    await eventually(noticed)
    await lab.wires.plug(lab.wire(two, network))

    async def talking() -> bool:
        return await one.pings(two.ip)

    await eventually(talking)
    assert await lab.wires.plugged() == {one.port.id, two.port.id}


async def test_a_machines_tap_is_up_and_of_the_right_size(lab: Lab) -> None:
    network = await lab.network()
    wire = Wire(port_id=new_id(), network_id=network.id, mac="fa:16:3e:00:00:01", mtu=1400, kind="tap")

    await lab.wires.plug(wire)
    await lab.wires.plug(wire)

    assert (Path("/sys/class/net") / tap_name(wire.port_id) / "mtu").read_text().strip() == "1400"
    assert await lab.wires.plugged() == {wire.port_id}
    await lab.wires.unplug(wire.port_id)
    await lab.wires.unplug(wire.port_id)
    assert not links.exists(tap_name(wire.port_id))
    assert await lab.wires.plugged() == set()


async def test_a_namespace_goes_with_its_last_plug(lab: Lab) -> None:
    network = await lab.network()
    first = await lab.guest(network, "10.5.0.10", secure=False)
    second = msgspec.structs.replace(lab.wire(first, network), port_id=new_id(), device="eth1", addresses=())
    await lab.wires.plug(msgspec.structs.replace(second, mac="fa:16:3e:00:00:02"))

    await lab.wires.unplug(first.port.id, first.netns)
    assert links.has_namespace(first.netns)
    await lab.wires.unplug(second.port_id, first.netns)
    assert not links.has_namespace(first.netns)


async def test_a_second_card_does_not_take_the_firsts_way_out(lab: Lab) -> None:
    left, right = await lab.network(gateway="10.5.0.1"), await lab.network("10.6.0.0/24", gateway="10.6.0.1")
    first = await lab.guest(left, "10.5.0.10", secure=False)
    second = msgspec.structs.replace(
        lab.wire(first, right), port_id=new_id(), device="eth1", mac="fa:16:3e:00:00:02", addresses=("10.6.0.10/24",)
    )

    await lab.wires.plug(second)
    assert "via 10.5.0.1 dev eth0" in (await first.run("ip", "route", "get", "198.18.0.1"))[1]
    await lab.wires.unplug(second.port_id)
    assert "dev eth0" in (await first.run("ip", "route", "get", "169.254.169.254"))[1]


async def test_a_guest_is_given_an_ipv6_way_out(lab: Lab) -> None:
    network = await lab.network()
    guest = await lab.guest(network, "10.5.0.10", secure=False)
    wire = lab.wire(guest, network)
    routes = (*wire.routes, ("fd00:9::/64", "fd00:8::2"))
    await lab.wires.plug(
        msgspec.structs.replace(wire, addresses=("fd00:8::10/64",), gateway="fd00:8::1", routes=routes)
    )

    assert "via fd00:8::1 dev eth0" in (await guest.run("ip", "route", "get", "2001:db8::1"))[1]
    assert "via fd00:8::2 dev eth0" in (await guest.run("ip", "route", "get", "fd00:9::1"))[1]
