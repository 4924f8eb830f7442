"""Ways out of a network and back: routers, floating addresses, source NAT, and the metadata service.

The provider network's host end is this host's own; "outside" is a namespace plugged into the same provider network.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.dataplane.ovn_lab import (
    METADATA,
    PATIENCE_S,
    SILENCE_S,
    Guest,
    Lab,
    allow,
    ask,
    ask_from,
    eventually,
    floating,
    lab_on,
    must,
    new_id,
    router_port,
    run,
    running_engine,
    serve,
    serve_in,
    socket_in,
)

from trivet.drivers.contracts.network import NetworkSpec, PortAddress, PortSpec, RouterSpec, SubnetSpec
from trivet.drivers.ovn.engine import External, OvnEngine

pytestmark = pytest.mark.dataplane

HOST, GATEWAY, FLOATING, OUTSIDE = "172.30.7.1", "172.30.7.20", "172.30.7.30", "172.30.7.9"
WORLD_HOST, WORLD = "198.18.7.1", "198.18.7.2"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvnEngine]:
    directory: Path = tmp_path_factory.mktemp("ovn")
    with running_engine(directory, "nxrt", External(f"{HOST}/24", masquerade=True)) as engine:
        yield engine


@pytest.fixture
async def lab(engine: OvnEngine) -> AsyncIterator[Lab]:
    async with lab_on(engine) as lab:
        yield lab


async def provider(lab: Lab) -> NetworkSpec:
    return await lab.network("172.30.7.0/24", gateway=HOST, physical="public", metadata=False)


def router_between(inside: NetworkSpec, outside: NetworkSpec) -> RouterSpec:
    return RouterSpec(
        id=new_id(),
        up=True,
        interfaces=(router_port(inside, "10.5.0.1/24"),),
        gateway=router_port(outside, f"{GATEWAY}/24"),
        gateway_next_hop=HOST,
    )


async def test_traffic_goes_through_two_routers_in_a_row(lab: Lab) -> None:
    """The second one's end on the network between them is an ordinary port that was made first, since the network's
    gateway is the first one's: as it was plugged in, what dropped for it drops no more."""
    first = await lab.network("10.5.0.0/24", gateway="10.5.0.1")
    second = await lab.network("10.7.0.0/24", gateway="10.7.0.1")
    between = await lab.network("10.6.0.0/24", gateway="10.6.0.1")
    group = await lab.open_group()
    one, two = await lab.guest(first, "10.5.0.10", (group,)), await lab.guest(second, "10.7.0.10", (group,))
    near, far = router_port(between, "10.6.0.1/24"), router_port(between, "10.6.0.2/24")
    subnet_id = between.subnets[0].id
    before = PortSpec(
        id=far.port_id, network_id=between.id, mac=far.mac, addresses=(PortAddress(subnet_id, "10.6.0.2"),),
        groups=(await lab.group(),), secure=True,
    )  # fmt: skip
    lab.made.append(("port", before.id))
    await lab.driver.ensure_port(before)
    for inside, cidr, leg, way in (
        (first, "10.5.0.1/24", near, ("10.7.0.0/24", "10.6.0.2")),
        (second, "10.7.0.1/24", far, ("10.5.0.0/24", "10.6.0.1")),
    ):
        legs = (router_port(inside, cidr), leg)
        await lab.router(RouterSpec(id=new_id(), up=True, interfaces=legs, routes=(way,)))

    assert await one.reaches(two.ip)
    assert await two.reaches(one.ip)
    async with serve_in(two, 80):
        assert await ask_from(one, two.ip, 80) == f"hello {one.ip}"


@asynccontextmanager
async def outside(lab: Lab) -> AsyncIterator[str]:
    """A stranger's machine on the provider network."""
    name, link = "nxrt-outside", "nxrt-out"
    bridge = lab.engine.external_bridge
    database = f"--db=unix:{lab.engine.database_socket}"
    async with beside(name, link, f"{OUTSIDE}/24"):
        await must("ip", "netns", "exec", name, "ethtool", "-K", "eth0", "tx", "off")
        await must("ovs-vsctl", database, "--timeout=60", "add-port", bridge, link)
        try:
            yield name
        finally:
            await must("ovs-vsctl", database, "--timeout=60", "del-port", bridge, link)


@asynccontextmanager
async def beside(name: str, link: str, address: str) -> AsyncIterator[None]:
    """A namespace with an eth0 whose other end is here.

    The link goes by itself with its namespace, but the kernel takes its time for that: by name it goes at once.
    """

    async def clear() -> None:
        await run("ip", "link", "delete", link)
        await run("ip", "netns", "delete", name)

    await clear()  # of a run that was killed
    try:
        await must("ip", "netns", "add", name)
        await must("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        await must("ip", "link", "set", link, "up")
        await must("ip", "-n", name, "address", "add", address, "dev", "eth0")
        await must("ip", "-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        await clear()


async def host_socket() -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    return made


async def test_a_router_joins_two_networks(lab: Lab) -> None:
    left = await lab.network("10.5.0.0/24", gateway="10.5.0.1")
    right = await lab.network("10.6.0.0/24", gateway="10.6.0.1")
    group = await lab.open_group()
    one = await lab.guest(left, "10.5.0.10", (group,))
    two = await lab.guest(right, "10.6.0.10", (group,))
    assert not await one.pings(two.ip)

    router = RouterSpec(
        id=new_id(), up=True, interfaces=(router_port(left, "10.5.0.1/24"), router_port(right, "10.6.0.1/24"))
    )
    await lab.router(router)

    async def joined() -> bool:
        return await one.pings(two.ip)

    async def parted() -> bool:
        return not await one.pings(two.ip)

    await eventually(joined)
    async with serve_in(two, 80):
        assert await ask_from(one, two.ip, 80) == f"hello {one.ip}"
    await lab.driver.ensure_router(msgspec.structs.replace(router, interfaces=router.interfaces[:1]))
    await eventually(parted)
    await lab.driver.ensure_router(router)
    await eventually(joined)
    await lab.driver.ensure_router(msgspec.structs.replace(router, up=False))
    await eventually(parted)


async def test_a_floating_address_is_reached_from_outside_the_cloud(lab: Lab) -> None:
    inside, public = await lab.network(gateway="10.5.0.1"), await provider(lab)
    guest = await lab.guest(inside, "10.5.0.10", (await lab.group(allow("egress"), allow("ingress", "tcp", 80)),))
    router = router_between(inside, public)
    with_address = msgspec.structs.replace(router, floating=(floating(FLOATING, guest),))
    await lab.router(with_address)

    async def reached() -> bool:
        return await ask(host_socket, FLOATING, 80, SILENCE_S) == f"hello {HOST}"

    async def lost() -> bool:
        return await ask(host_socket, FLOATING, 80, SILENCE_S) is None

    async with serve_in(guest, 80), outside(lab) as stranger:
        await eventually(reached)
        assert await ask(lambda: socket_in(stranger), FLOATING, 80) == f"hello {OUTSIDE}"
        await lab.driver.ensure_router(router)
        await eventually(lost)


async def test_what_goes_out_comes_from_the_routers_address(lab: Lab) -> None:
    inside, public = await lab.network(gateway="10.5.0.1"), await provider(lab)
    group = await lab.group(allow("egress"))
    plain = await lab.guest(inside, "10.5.0.10", (group,))
    famous = await lab.guest(inside, "10.5.0.11", (group,))
    await lab.router(msgspec.structs.replace(router_between(inside, public), floating=(floating(FLOATING, famous),)))

    async with outside(lab) as stranger:
        listener = await socket_in(stranger)
        listener.bind(("0.0.0.0", 80))
        async with serve(listener, "you are"):
            await eventually(lambda: _says(plain, OUTSIDE, f"you are {GATEWAY}"))
            await eventually(lambda: _says(famous, OUTSIDE, f"you are {FLOATING}"))


async def _says(guest: Guest, ip: str, answer: str) -> bool:
    return await ask_from(guest, ip, 80, SILENCE_S) == answer


async def test_the_world_beyond_the_host_sees_the_host(lab: Lab) -> None:
    inside, public = await lab.network(gateway="10.5.0.1"), await provider(lab)
    guest = await lab.guest(inside, "10.5.0.10", (await lab.group(allow("egress")),))
    await lab.router(router_between(inside, public))
    async with beside("nxrt-world", "nxrt-w", f"{WORLD}/24"):
        await must("ip", "address", "add", f"{WORLD_HOST}/24", "dev", "nxrt-w")
        listener = await socket_in("nxrt-world")
        listener.bind(("0.0.0.0", 80))
        async with serve(listener, "you are"):
            await eventually(lambda: _says(guest, WORLD, f"you are {WORLD_HOST}"))


async def test_metadata_tells_networks_with_the_same_addresses_apart(lab: Lab) -> None:
    """Without any router, and for guests whose groups let nothing out."""
    mine, yours = await lab.network(), await lab.network()
    group = await lab.group()
    my_guest = await lab.guest(mine, "10.5.0.10", (group,))
    my_other = await lab.guest(mine, "10.5.0.11", (group,))
    your_guest = await lab.guest(yours, "10.5.0.10", (group,))

    async with lab.metadata_served(mine, "mine"), lab.metadata_served(yours, "yours"):
        await eventually(lambda: _metadata_says(my_guest, "mine 10.5.0.10"))
        await eventually(lambda: _metadata_says(your_guest, "yours 10.5.0.10"))
        assert await ask_from(my_other, METADATA, 80) == "mine 10.5.0.11"


async def _metadata_says(guest: Guest, answer: str) -> bool:
    return await ask_from(guest, METADATA, 80, SILENCE_S) == answer


async def test_metadata_is_reached_beside_a_router_and_opened_again_after_a_crash(lab: Lab) -> None:
    network = await lab.network(gateway="10.5.0.1")
    await lab.router(RouterSpec(id=new_id(), up=True, interfaces=(router_port(network, "10.5.0.1/24"),)))
    guest = await lab.guest(network, "10.5.0.10", (await lab.open_group(),))

    async with lab.metadata_served(network, "first"):
        await eventually(lambda: _metadata_says(guest, "first 10.5.0.10"))
    async with lab.metadata_served(network, "second"):
        await eventually(lambda: _metadata_says(guest, "second 10.5.0.10"))


async def test_a_guest_gives_itself_an_address_where_a_router_announces_one(lab: Lab) -> None:
    subnet = SubnetSpec(
        id=new_id(), cidr="fd00:5::/64", ip_version=6, gateway="fd00:5::1", dhcp=True, ipv6_mode="slaac"
    )
    network = await lab.network()
    gate = router_port(network, "fd00:5::1/64")
    # The router comes before the subnet that it has to announce.
    await lab.router(RouterSpec(id=new_id(), up=True, interfaces=(gate,)))
    both = msgspec.structs.replace(network, subnets=(*network.subnets, subnet))
    await lab.driver.ensure_network(both)
    guest = await lab.guest(both, "10.5.0.10", secure=False)

    async def has_address() -> bool:
        _, said = await guest.run("ip", "-6", "address", "show", "dev", "eth0", "scope", "global")
        return "inet6 fd00:5:" in said and "tentative" not in said

    await eventually(has_address)
    assert await guest.reaches("fd00:5::1")


async def test_ports_come_up_and_go_down_for_those_who_watch(lab: Lab) -> None:
    network = await lab.network()
    seen: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def watch() -> None:
        async for event in lab.driver.watch():
            seen.put_nowait(event)

    async def next_of(guest: Guest) -> bool:
        while (told := await seen.get())[0] != guest.port.id:
            pass
        return told[1]

    async def heard() -> bool:
        """Whoever watches is told from some moment on, and nobody says when that is."""
        await lab.wires.unplug(witness.port.id, witness.netns)
        await lab.wires.plug(lab.wire(witness, network))
        await lab.up(witness)
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                return await seen.get() is not None
        return False

    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
        watching = group.create_task(watch())
        witness = await lab.guest(network, "10.5.0.9")
        await eventually(heard)
        guest = await lab.guest(network, "10.5.0.10")
        while not await next_of(guest):
            pass  # OVN first says that it is down
        await lab.wires.unplug(guest.port.id, guest.netns)
        assert not await next_of(guest)
        watching.cancel()
    assert guest.port.id not in await lab.driver.ports_up()
