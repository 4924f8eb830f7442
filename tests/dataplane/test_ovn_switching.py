"""What guests on OVN networks can and cannot do to each other, shown in packets between namespaces."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.dataplane.ovn_lab import (
    PATIENCE_S,
    SILENCE_S,
    Lab,
    allow,
    arrives,
    ask_from,
    connected,
    eventually,
    gets_through,
    lab_on,
    new_id,
    raw_socket,
    running_engine,
    serve_in,
    udp_frame,
)

from trivet.drivers.contracts.network import AddressesSpec, GroupSpec, PortAddress, SubnetSpec
from trivet.drivers.ovn.engine import OvnEngine

pytestmark = pytest.mark.dataplane


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvnEngine]:
    directory: Path = tmp_path_factory.mktemp("ovn")
    with running_engine(directory, "nxsw", None) as engine:
        yield engine


@pytest.fixture
async def lab(engine: OvnEngine) -> AsyncIterator[Lab]:
    async with lab_on(engine) as lab:
        yield lab


LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
echo "$ip/$mask mtu=$mtu router=$router dns=$dns lease=$lease routes=$staticroutes" > "$LEASE_FILE"
"""


async def test_a_guest_gets_its_lease_with_address_mtu_dns_and_routes(lab: Lab, tmp_path: Path) -> None:
    network = await lab.network(gateway="10.5.0.1")
    guest = await lab.guest(network, "10.5.0.10", (await lab.group(),), configured=False)
    script, lease = tmp_path / "lease.sh", tmp_path / "lease"
    script.write_text(LEASE_SCRIPT)
    script.chmod(0o755)

    code, said = await guest.run(
        *("env", f"LEASE_FILE={lease}", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "30"),
        *("-O", "mtu", "-O", "staticroutes", "-s", str(script)),
    )

    assert code == 0, said
    assert lease.read_text().strip() == (
        "10.5.0.10/24 mtu=1442 router=10.5.0.1 dns=9.9.9.9 lease=43200 "
        "routes=169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.5.0.1"
    )


async def test_guests_ping_each_other_and_talk_tcp(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))

    assert await one.reaches(two.ip)
    assert await two.reaches(one.ip)
    async with serve_in(two, 80):
        assert await ask_from(one, two.ip, 80) == f"hello {one.ip}"


async def test_much_tcp_arrives_whole(lab: Lab) -> None:
    """Unfinished checksums would let pings by and stall this."""
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    sent = bytes(range(256)) * 4096

    async with serve_in(two, 80):
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(sock=await connected(one.socket, two.ip, 80))
            await reader.readline()
            got, _ = await asyncio.gather(reader.readexactly(len(sent)), _send(writer, sent))
        writer.close()

    assert got == sent


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_a_rule_opens_and_closes_for_traffic_that_is_flowing(lab: Lab) -> None:
    network = await lab.network()
    outward = await lab.group(allow("egress"))
    door = await lab.group()
    client = await lab.guest(network, "10.5.0.10", (outward,))
    server = await lab.guest(network, "10.5.0.11", (door,))

    async with serve_in(server, 80):
        assert await ask_from(client, server.ip, 80, SILENCE_S) is None

        await lab.driver.ensure_group(GroupSpec(id=door, rules=(allow("ingress", "tcp", 80),)))

        async def opened() -> bool:
            return await ask_from(client, server.ip, 80, SILENCE_S) is not None

        await eventually(opened)
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(sock=await connected(client.socket, server.ip, 80))
            await reader.readline()
        await eventually(lambda: _echoes(reader, writer))

        await lab.driver.ensure_group(GroupSpec(id=door, rules=()))

        async def closed() -> bool:
            """Not only late once."""
            return not await _echoes(reader, writer) and not await _echoes(reader, writer)

        await eventually(closed)
        writer.close()


async def test_a_session_stops_without_its_group_and_goes_on_with_it(lab: Lab) -> None:
    """The port leaves the group and comes back; nobody says hello again meanwhile."""
    network = await lab.network()
    client = await lab.guest(network, "10.5.0.10", (await lab.group(allow("egress")),))
    door = await lab.group(allow("ingress", "tcp", 80))
    server = await lab.guest(network, "10.5.0.11", (door,))

    async with serve_in(server, 80):
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(sock=await connected(client.socket, server.ip, 80))
            await reader.readline()
        await eventually(lambda: _echoes(reader, writer))

        async def closed() -> bool:
            return not await _echoes(reader, writer) and not await _echoes(reader, writer)

        await lab.driver.ensure_port(msgspec.structs.replace(server.port, groups=()))
        await eventually(closed)
        await lab.driver.ensure_port(server.port)
        await eventually(lambda: _echoes(reader, writer))
        writer.close()


async def test_a_list_of_addresses_lets_in_who_is_on_it_by_then(lab: Lab) -> None:
    network = await lab.network()
    outward = await lab.group(allow("egress"))
    friend = await lab.guest(network, "10.5.0.10", (outward,))
    other = await lab.guest(network, "10.5.0.11", (outward,))
    listed = new_id()
    lab.made.append(("addresses", listed))
    # The rule is there before the list.
    rule = msgspec.structs.replace(allow("ingress", "tcp", 80), remote_addresses=listed)
    server = await lab.guest(network, "10.5.0.12", (await lab.group(rule),))

    async with serve_in(server, 80):
        await lab.driver.ensure_addresses(AddressesSpec(listed, (f"{friend.ip}/32", "2001:db8::/64")))
        assert await ask_from(friend, server.ip, 80) is not None
        assert await ask_from(other, server.ip, 80, SILENCE_S) is None
        await lab.driver.ensure_addresses(AddressesSpec(listed, (f"{other.ip}/32",)))
        assert await ask_from(other, server.ip, 80) is not None
        seen = await lab.driver.observe()
        assert listed in seen["addresses"]
        await lab.driver.remove("addresses", listed)
        assert listed not in (await lab.driver.observe())["addresses"]


async def _echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"are you there?\n")
    try:
        async with asyncio.timeout(SILENCE_S):
            return bool(await reader.readline())
    except TimeoutError:
        return False


async def test_answers_come_back_to_a_guest_that_lets_nothing_in(lab: Lab) -> None:
    network = await lab.network()
    asking = await lab.guest(network, "10.5.0.10", (await lab.group(allow("egress")),))
    answering = await lab.guest(network, "10.5.0.11", (await lab.group(allow("ingress")),))

    async with serve_in(answering, 80), serve_in(asking, 80):
        assert await ask_from(asking, answering.ip, 80) is not None
        assert await asking.reaches(answering.ip)
        assert await ask_from(answering, asking.ip, 80, SILENCE_S) is None
        assert not await answering.pings(asking.ip)


async def test_a_rule_for_a_remote_group_lets_in_its_members_and_nobody_else(lab: Lab) -> None:
    network = await lab.network()
    friends = await lab.group(allow("egress"))
    strangers = await lab.group(allow("egress"))
    home = await lab.group(allow("ingress", "tcp", 80, group=friends))
    friend = await lab.guest(network, "10.5.0.10", (friends,))
    stranger = await lab.guest(network, "10.5.0.11", (strangers,))
    server = await lab.guest(network, "10.5.0.12", (home,))

    async with serve_in(server, 80):
        assert await ask_from(friend, server.ip, 80) is not None
        assert await ask_from(stranger, server.ip, 80, SILENCE_S) is None

        joined = msgspec.structs.replace(stranger.port, groups=(strangers, friends))
        await lab.driver.ensure_port(joined)

        async def let_in() -> bool:
            return await ask_from(stranger, server.ip, 80, SILENCE_S) is not None

        await eventually(let_in)
        await lab.driver.ensure_port(stranger.port)

        async def kept_out() -> bool:
            return await ask_from(stranger, server.ip, 80, SILENCE_S) is None

        await eventually(kept_out)


async def test_rules_tell_protocols_ports_and_icmp_types_apart(lab: Lab) -> None:
    network = await lab.network()
    client = await lab.guest(network, "10.5.0.10", (await lab.group(allow("egress")),))
    door = await lab.group(allow("ingress", "icmp", 8), allow("ingress", "6", 80, cidr="10.5.0.0/28"))
    server = await lab.guest(network, "10.5.0.11", (door,))

    async with serve_in(server, 80), serve_in(server, 81):
        assert await client.reaches(server.ip)
        assert await ask_from(client, server.ip, 80) is not None
        assert await ask_from(client, server.ip, 81, SILENCE_S) is None


async def test_a_spoofed_address_is_dropped_and_the_true_one_arrives(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    sender, receiver = await raw_socket(one), await raw_socket(two)
    target = (two.mac, two.ip)

    assert await gets_through(sender, receiver, udp_frame((one.mac, one.ip), target, b"honest one"), b"honest one")
    sender.send(udp_frame((one.mac, "10.5.0.77"), target, b"another's address"))
    assert not await arrives(receiver, b"another's address", SILENCE_S)
    sender.send(udp_frame(("fa:16:3e:99:99:99", one.ip), target, b"another's card"))
    assert not await arrives(receiver, b"another's card", SILENCE_S)
    assert await gets_through(sender, receiver, udp_frame((one.mac, one.ip), target, b"honest two"), b"honest two")
    sender.close()
    receiver.close()


async def test_an_allowed_pair_may_be_used_as_a_source(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    virtual = ("00:00:5e:00:01:07", "10.5.0.77/32")
    one = await lab.guest(network, "10.5.0.10", (group,), pairs=(virtual,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    sender, receiver = await raw_socket(one), await raw_socket(two)

    agreed = udp_frame((virtual[0], "10.5.0.77"), (two.mac, two.ip), b"by agreement")
    assert await gets_through(sender, receiver, agreed, b"by agreement")
    sender.send(udp_frame((virtual[0], "10.5.0.78"), (two.mac, two.ip), b"beyond it"))
    assert not await arrives(receiver, b"beyond it", SILENCE_S)
    sender.close()
    receiver.close()


async def test_rules_for_one_ip_version_do_not_speak_for_the_other(lab: Lab) -> None:
    network = await lab.network()
    six = SubnetSpec(id=new_id(), cidr="fd00:7::/64", ip_version=6, gateway=None, dhcp=False)
    await lab.driver.ensure_network(msgspec.structs.replace(network, subnets=(*network.subnets, six)))
    outward = await lab.group(allow("egress"), allow("egress", version=6))
    only_six = await lab.group(allow("ingress", "icmp", version=6))
    one = await lab.guest(network, "10.5.0.10", (outward,))
    two = await lab.guest(network, "10.5.0.11", (only_six,))
    for number, guest in enumerate((one, two), start=1):
        ip = f"fd00:7::{number}"
        both = (*guest.port.addresses, PortAddress(subnet_id=six.id, ip=ip))
        await lab.driver.ensure_port(msgspec.structs.replace(guest.port, addresses=both))
        wire = lab.wire(guest, network)
        await lab.wires.plug(msgspec.structs.replace(wire, addresses=(*wire.addresses, f"{ip}/64")))

    async def reached() -> bool:
        return await one.pings("fd00:7::2")

    await eventually(reached)
    assert not await one.pings(two.ip)


async def test_a_port_without_security_may_use_any_address(lab: Lab) -> None:
    network = await lab.network()
    one = await lab.guest(network, "10.5.0.10", secure=False)
    two = await lab.guest(network, "10.5.0.11", secure=False)
    sender, receiver = await raw_socket(one), await raw_socket(two)

    foreign = udp_frame(("fa:16:3e:99:99:99", "10.5.0.77"), (two.mac, two.ip), b"on purpose")
    assert await gets_through(sender, receiver, foreign, b"on purpose")
    sender.close()
    receiver.close()


async def test_networks_with_the_same_addresses_never_meet(lab: Lab) -> None:
    group = await lab.open_group()
    mine, yours = await lab.network(), await lab.network()
    my_client = await lab.guest(mine, "10.5.0.10", (group,))
    my_server = await lab.guest(mine, "10.5.0.11", (group,))
    your_server = await lab.guest(yours, "10.5.0.11", (group,))
    your_other = await lab.guest(yours, "10.5.0.12", (group,))

    async with serve_in(my_server, 80, "mine"), serve_in(your_server, 80, "yours"):
        assert await ask_from(my_client, "10.5.0.11", 80) == "mine 10.5.0.10"
        assert await ask_from(your_other, "10.5.0.11", 80) == "yours 10.5.0.12"
        assert not await my_client.pings("10.5.0.12")
        assert not await your_other.pings("10.5.0.10")


async def test_a_port_or_network_that_is_down_carries_nothing(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    assert await one.reaches(two.ip)

    async def silent() -> bool:
        return not await one.pings(two.ip)

    async def talking() -> bool:
        return await one.pings(two.ip)

    await lab.driver.ensure_port(msgspec.structs.replace(two.port, up=False))
    await eventually(silent)
    await lab.driver.ensure_port(two.port)
    await eventually(talking)
    await lab.driver.ensure_network(msgspec.structs.replace(network, up=False))
    await eventually(silent)
    await lab.driver.ensure_network(network)
    await eventually(talking)
