"""Networks that are bridged to an interface of this host, flat and by VLAN, shown in frames on that interface."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.dataplane.ovn_lab import (
    SILENCE_S,
    Guest,
    Lab,
    arrives,
    gets_through,
    lab_on,
    must,
    raw_socket,
    run,
    running_engine,
    udp_frame,
)

from trivet.drivers.contracts.network import NetworkSpec
from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.engine import OvnEngine

pytestmark = pytest.mark.dataplane

FAR_MAC, FAR_IP = "fa:16:3e:99:00:01", "10.5.0.99"
HERE, FAR = "nxph-lab", "nxph-far"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OvnEngine]:
    directory: Path = tmp_path_factory.mktemp("ovn")
    with running_engine(directory, "nxph", None) as engine:
        yield engine


@pytest.fixture
async def lab(engine: OvnEngine) -> AsyncIterator[Lab]:
    """The same cloud, that has been given the near end of a cable by now."""
    await run("ip", "link", "delete", HERE)  # of a run that was killed
    await must("ip", "link", "add", HERE, "type", "veth", "peer", "name", FAR)
    bridged = OvnEngine(engine.directory.parent, engine.tag, physical={"lab": HERE})
    try:
        await must("ip", "link", "set", FAR, "up")
        await bridged.up()
        async with lab_on(bridged) as lab:
            yield lab
    finally:
        await run("ip", "link", "delete", HERE)


def far_socket() -> socket.socket:
    """Sends and sees whole frames at the far end of the cable."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((FAR, 0x0003))
    made.setblocking(False)
    return made


def tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\x00" + vlan.to_bytes(2) + frame[12:]


async def guest_on(lab: Lab, ip: str, vlan: int | None) -> Guest:
    network: NetworkSpec = await lab.network(physical="lab", vlan=vlan)
    return await lab.guest(network, ip, (await lab.open_group(),))


async def test_a_vlan_network_carries_its_own_vlan_and_no_other(lab: Lab) -> None:
    one, two = await guest_on(lab, "10.5.0.10", 100), await guest_on(lab, "10.5.0.11", 200)
    far, at_one, at_two = far_socket(), await raw_socket(one), await raw_socket(two)
    with far, at_one, at_two:
        for guest, near, vlan, other in ((one, at_one, 100, 200), (two, at_two, 200, 100)):
            frame = udp_frame((FAR_MAC, FAR_IP), (guest.mac, guest.ip), b"in by %d" % vlan)
            assert await gets_through(far, near, tagged(frame, vlan), b"in by %d" % vlan)
            wrong = udp_frame((FAR_MAC, FAR_IP), (guest.mac, guest.ip), b"astray")
            far.send(tagged(wrong, other))
            assert not await arrives(near, b"astray", SILENCE_S)
            out = udp_frame((guest.mac, guest.ip), (FAR_MAC, FAR_IP), b"out by %d" % vlan)
            assert await gets_through(near, far, out, b"out by %d" % vlan)


async def test_a_flat_network_is_what_lies_untagged_on_the_interface(lab: Lab) -> None:
    guest = await guest_on(lab, "10.5.0.10", None)
    far, near = far_socket(), await raw_socket(guest)
    with far, near:
        frame = udp_frame((FAR_MAC, FAR_IP), (guest.mac, guest.ip), b"untagged")
        assert await gets_through(far, near, frame, b"untagged")
    # And the host is told where an interface lacks.
    missing = OvnEngine(lab.engine.directory.parent, lab.engine.tag, physical={"lab": "nxph-none"})
    with pytest.raises(Exception, match="nxph-none"):
        await missing.up()
    assert links.exists(HERE)
