"""Starting, crashing, adopting and leaving: what OVN on this host goes through, and what it must not leave behind."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from tests.dataplane.ovn_lab import (
    Lab,
    allow,
    eventually,
    lab_on,
    must,
    new_id,
    router_port,
    run,
)
from tests.dataplane.own_engine import HOST, directory, engine, lab
from tests.drivers.leftovers import FOLDER, clear

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import NetworkSpec, Noun, PortAddress, RouterSpec, SubnetSpec, Wire
from trivet.drivers.ovn.central.northbound import OvnNetwork
from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.engine import External, OvnEngine
from trivet.drivers.ovn.ovsdb import Ovsdb

__all__ = ["directory", "engine", "lab"]

pytestmark = pytest.mark.dataplane

_STILL_S = 1.0


def daemon_pids(engine: OvnEngine) -> dict[str, int]:
    return {file.stem: int(file.read_text()) for file in engine.directory.glob("*.pid")}


def runs(pid: int) -> bool:
    """An ended process may wait for its parent as a zombie; then it has no command line."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and bool(command.read_bytes())


@pytest.mark.parametrize("name", ["ovn-northd", "ovn-controller", "ovs-vswitchd", "ovsdb-server"])
async def test_a_daemon_that_lives_but_does_not_answer_is_started_again(lab: Lab, name: str) -> None:
    """Stopped where it is, it has its pid and does nothing: what is made meanwhile never comes up."""
    engine = OvnEngine(lab.engine.directory.parent, lab.engine.tag, lab.engine.external, silence_s=1.0)
    network = await lab.network()
    group = await lab.open_group()
    first = await lab.guest(network, "10.5.0.10", (group,))
    frozen = daemon_pids(engine)[name]
    os.kill(frozen, signal.SIGSTOP)

    async def is_another() -> bool:
        await engine.up()
        return daemon_pids(engine)[name] != frozen and not runs(frozen)

    await eventually(is_another)
    await engine.up()
    second = await lab.guest(network, "10.5.0.11", (group,))
    assert await first.reaches(second.ip)


async def host_state() -> tuple[set[str], set[str], str, str, str]:
    devices = {path.name for path in Path("/sys/class/net").iterdir()}
    namespaces = {path.name for path in links.NAMESPACES.iterdir()} if links.NAMESPACES.exists() else set()
    _, filters = await run("iptables", "-w", "-S")
    _, nats = await run("iptables", "-w", "-t", "nat", "-S")
    return (
        {name for name in devices if name.startswith(("nx", "ve", "md", "tap"))},
        {name for name in namespaces if name.startswith("nxlf")},
        filters,
        nats,
        Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    )


async def test_down_leaves_the_host_as_it_was_found(directory: Path) -> None:
    before = await host_state()
    engine = OvnEngine(directory, "nxlf", External(f"{HOST}/24", masquerade=True))
    try:
        await engine.up()
        lab = Lab(engine)
        network = await lab.network()
        await lab.guest(network, "10.5.0.10", (await lab.open_group(),))
        os.close(await lab.wires.open_metadata(network.id))
        tap = Wire(port_id=new_id(), network_id=network.id, mac="fa:16:3e:00:00:01", mtu=1442, kind="tap")
        await lab.wires.plug(tap)
        pids = daemon_pids(engine)
        assert len(pids) == 4
        await lab.close()
    finally:
        await engine.down()

    assert await host_state() == before
    assert not engine.directory.exists()
    assert not [name for name, pid in pids.items() if runs(pid)]
    await engine.down()


async def test_what_a_killed_run_left_does_not_meet_the_next(directory: Path) -> None:
    """Neither its daemons, nor what they hold while they live and what the kernel keeps when they are dead."""
    before = await host_state()
    killed = OvnEngine(directory, "nxlf", External(f"{HOST}/24", masquerade=True))
    try:
        await killed.up()
        lab = Lab(killed)
        await lab.guest(await lab.network(), "10.5.0.10", (await lab.open_group(),))
        await lab.close()
        pids = daemon_pids(killed)
        os.kill(pids["ovs-vswitchd"], signal.SIGKILL)

        await asyncio.to_thread(clear)

        assert not [name for name, pid in pids.items() if runs(pid)]
        # Whether the host forwarded packets before is known to nobody but the dead.
        assert (await host_state())[:-1] == before[:-1]
    finally:
        await killed.down()


async def test_what_was_removed_is_gone(lab: Lab) -> None:
    links_before, namespaces_before, *_ = await host_state()
    network = await lab.network(gateway="10.5.0.1")
    public = await lab.network("172.30.8.0/24", physical="public", metadata=False)
    guest = await lab.guest(network, "10.5.0.10", (await lab.open_group(),))
    await lab.router(
        RouterSpec(
            id=new_id(),
            up=True,
            interfaces=(router_port(network, "10.5.0.1/24"),),
            gateway=router_port(public, "172.30.8.20/24"),
            gateway_next_hop=HOST,
        )
    )
    os.close(await lab.wires.open_metadata(network.id))
    lab.metadata.append(network.id)
    seen = await lab.driver.observe()
    assert seen["network"] == {network.id, public.id}
    assert seen["port"] == {guest.port.id}
    assert len(seen["group"]) == len(seen["router"]) == 1
    assert await lab.wires.plugged() == {guest.port.id}

    await lab.clear()
    await lab.clear()

    assert await lab.driver.observe() == {noun: set() for noun in get_args(Noun)}
    assert await lab.wires.plugged() == set()
    links_after, namespaces_after, *_ = await host_state()
    assert (links_after, namespaces_after) == (links_before, namespaces_before)
    database = Ovsdb(lab.engine.database_socket, "OVN_Northbound")
    for table in ("DHCP_Options", "Logical_Switch_Port", "ACL", "NAT", "Logical_Router_Port"):
        left = await database.select(table, [], ["_uuid"])
        assert len(left) == (5 if table == "ACL" else 0), table  # the rules that every secure port is under stay
    await database.close()


async def test_a_deep_data_folder_is_no_trouble(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    with pytest.raises(OSError), socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(deep / "ovn" / "db.sock"))
    engine = OvnEngine(deep, "nxlf", None)
    try:
        await engine.up()
        async with lab_on(engine) as lab:
            network = await lab.network()
            group = await lab.open_group()
            one = await lab.guest(network, "10.5.0.10", (group,))
            two = await lab.guest(network, "10.5.0.11", (group,))
            assert await one.reaches(two.ip)
    finally:
        await engine.down()


async def test_daemons_that_still_run_are_adopted(lab: Lab, engine: OvnEngine) -> None:
    await lab.guest(await lab.network(), "10.5.0.10")  # all of them are well once it is up
    before = daemon_pids(engine)

    await OvnEngine(engine.directory.parent, engine.tag, engine.external).up()

    assert daemon_pids(engine) == before


async def test_traffic_flows_again_after_every_daemon_was_killed(lab: Lab) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    assert await one.reaches(two.ip)
    for pid in daemon_pids(lab.engine).values():
        os.kill(pid, signal.SIGKILL)

    async def all_dead() -> bool:
        return not any(lab.engine.alive().values())

    await eventually(all_dead)
    with pytest.raises(DriverError) as refused:
        await lab.driver.ensure_network(network)
    assert refused.value.again

    await lab.engine.up()
    await lab.driver.ensure_network(network)

    async def talking() -> bool:
        return await one.pings(two.ip) and (await run("ping", "-c", "1", "-W", "1", HOST))[0] == 0

    await eventually(talking)
    assert await lab.wires.plugged() == {one.port.id, two.port.id}


async def test_order_does_not_matter(lab: Lab) -> None:
    """Ports before their network and groups, a router before its network; all is mended when they come."""
    network = await lab.network(gateway="10.5.0.1")
    group = await lab.open_group()
    rules = lab.made[-1]
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    router = await lab.router(RouterSpec(id=new_id(), up=True, interfaces=(router_port(network, "10.5.0.1/24"),)))
    await lab.driver.remove("network", network.id)
    await lab.driver.remove(*rules)

    async def silent() -> bool:
        return not await one.pings(two.ip)

    await eventually(silent)
    await lab.driver.ensure_router(router)
    await lab.driver.ensure_port(one.port)
    await lab.driver.ensure_port(two.port)
    await lab.driver.ensure_network(network)
    await lab.up(one)
    code, _ = await one.run(*["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "30", "-s", "/bin/true"])
    assert code == 0
    assert not await one.pings("10.5.0.1")
    await lab.group(allow("egress"), allow("ingress"), id=group)

    async def talking() -> bool:
        return await one.pings(two.ip) and await one.pings("10.5.0.1")

    await eventually(talking)


async def test_the_same_again_changes_nothing(lab: Lab) -> None:
    network = await lab.network(gateway="10.5.0.1")
    guest = await lab.guest(network, "10.5.0.10", (await lab.open_group(),))
    router = RouterSpec(id=new_id(), up=True, interfaces=(router_port(network, "10.5.0.1/24"),))
    await lab.router(router)
    before = await _settled_versions(lab)

    await lab.driver.ensure_router(router)
    await lab.driver.ensure_port(guest.port)
    await lab.driver.ensure_network(network)
    await lab.wires.plug(lab.wire(guest, network))

    assert await _versions(lab) == before


Versions = list[tuple[str, str, str]]


async def _settled_versions(lab: Lab) -> Versions:
    """What OVN and the switch still had to write is written; counts of packets they write no more."""
    database = f"--db=unix:{lab.engine.database_socket}"
    await must("ovs-vsctl", database, "--timeout=60", "set", "open", ".", "other_config:stats-update-interval=86400000")
    found = [await _versions(lab)]

    async def settled() -> bool:
        await asyncio.sleep(_STILL_S)
        found.append(await _versions(lab))
        return found[-1] == found[-2]

    await eventually(settled)
    return found[-1]


async def _versions(lab: Lab) -> Versions:
    """Of every row: one that was written again has a new one."""
    tables = {
        "OVN_Northbound": (
            *("Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port", "Port_Group"),
            *("ACL", "DHCP_Options"),
        ),
        "Open_vSwitch": ("Port", "Interface"),
    }
    found: Versions = []
    for name, its_tables in tables.items():
        database = Ovsdb(lab.engine.database_socket, name)
        for table in its_tables:
            rows = await database.select(table, [], ["_uuid", "_version"])
            assert rows, table
            found += [(table, row["_uuid"][1], row["_version"][1]) for row in rows]
        await database.close()
    return sorted(found)


async def test_two_clouds_live_on_one_host(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    network = await lab.network()
    group = await lab.open_group()
    one = await lab.guest(network, "10.5.0.10", (group,))
    two = await lab.guest(network, "10.5.0.11", (group,))
    engine = OvnEngine(tmp_path_factory.mktemp("other") / FOLDER, "nxlf2", External("172.30.9.1/24"))
    try:
        await engine.up()
        async with lab_on(engine) as other:
            there = await other.network()
            open_there = await other.open_group()
            three = await other.guest(there, "10.5.0.10", (open_there,))
            four = await other.guest(there, "10.5.0.12", (open_there,))
            assert await three.reaches(four.ip)
            assert await one.reaches(two.ip)
            assert not await one.pings("10.5.0.12")
    finally:
        await engine.down()
    assert await one.reaches(two.ip)


async def test_many_writers_at_once_lose_nothing(lab: Lab) -> None:
    """As many processes do: each with its own connection, on the same switch and groups."""
    writers = [OvnNetwork(lab.engine) for _ in range(8)]
    network = NetworkSpec(
        id=new_id(),
        mtu=1442,
        subnets=(SubnetSpec(id=new_id(), cidr="10.5.0.0/16", ip_version=4, gateway=None, dhcp=True),),
    )
    group = new_id()
    lab.made += [("network", network.id), ("group", group)]
    await asyncio.gather(*(writer.ensure_network(network) for writer in writers))
    guest = await lab.guest(network, "10.5.0.10", (group,))
    ports = [
        msgspec.structs.replace(
            guest.port,
            id=new_id(),
            mac=f"fa:16:3e:01:00:{number:02x}",
            addresses=(PortAddress(subnet_id=network.subnets[0].id, ip=f"10.5.1.{number}"),),
        )
        for number in range(64)
    ]
    lab.made += [("port", port.id) for port in ports]

    await asyncio.gather(*(writers[number % 8].ensure_port(port) for number, port in enumerate(ports)))

    assert (await lab.driver.observe())["port"] == {guest.port.id, *(port.id for port in ports)}
    await asyncio.gather(*(writer.close() for writer in writers))
