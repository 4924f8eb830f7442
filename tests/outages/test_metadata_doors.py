"""The sockets on which guests ask for metadata, when who opened them is cut off: an address has one listener."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.outages.test_poisoned_servers import FarSide
from tests.ports import free_port
from trivet.agent.agent import Agent
from trivet.agent.engines import Engines
from trivet.agent.metadata import MetadataService
from trivet.clock import SystemClock
from trivet.domain.servers.orders import ImageAt, Order
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import Wire
from trivet.drivers.sim.machines import SimMachines, Temper
from trivet.drivers.sim.network import SimNetwork, SimWires


class OneAddress(SimWires):
    """As in a real namespace: whoever listens has the address to himself."""

    def __init__(self) -> None:
        super().__init__(SimNetwork())
        self.address = ("127.0.0.1", free_port())
        self.asked = asyncio.Event()
        self.slow = asyncio.Event()
        self.slow.set()

    async def open_metadata(self, network_id: str) -> int:
        try:
            listening = socket.create_server(self.address)
        except OSError as error:
            raise DriverError("The address is taken.", again=True) from error
        self.asked.set()
        await self.slow.wait()
        return listening.detach()

    async def close_metadata(self, network_id: str) -> None:
        return None


async def nothing_known(network_id: str, ip: str) -> dict[str, bytes] | None:
    return None


async def nothing_kept(network_id: str, ip: str, password: str) -> bool:
    return False


def service() -> MetadataService:
    return MetadataService(nothing_known, nothing_kept)


async def answers(wires: OneAddress) -> bool:
    try:
        reader, writer = await asyncio.open_connection(*wires.address)
    except OSError:
        return False
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    said = await reader.read()
    writer.close()
    return said.startswith(b"HTTP/1.1 404")


def order(revision: int) -> Order:
    wire = Wire(port_id="p", network_id="n", mac="fa:16:3e:00:00:01", mtu=1442, kind="tap")
    return Order(
        server_id=f"s{revision}", host_id="h", revision=1, kind="vm", want="running", boots=1, builds=1, grace_s=0,
        hostname="s", vcpus=1, memory_mib=64, disk_gib=1, image=ImageAt("i", "i", "raw"), wires=(wire,),
    )  # fmt: skip


async def test_who_looks_after_a_host_again_in_the_same_process_answers_its_guests_again(tmp_path: Path) -> None:
    """A lease is lost and taken again, for instance since the database was away for some seconds."""
    wires = OneAddress()
    machines = SimMachines(SystemClock(), Temper())
    far = FarSide(tmp_path)
    for turn in (1, 2):
        far.wanted = {f"s{turn}": order(turn)}
        agent = Agent({"h": Engines({"vm": machines}, wires)}, far, SystemClock(), service())
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(60):
            while not machines.has(f"s{turn}"):
                await asyncio.sleep(0.01)
        assert await answers(wires)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not await answers(wires)


async def some_steps(count: int) -> None:
    """Of everybody who could go on."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("steps", range(6))
async def test_who_is_cancelled_while_a_door_opens_leaves_it_to_the_next(steps: int) -> None:
    wires = OneAddress()
    wires.slow.clear()
    first, again = service(), service()
    opening = asyncio.create_task(first.serve("n", wires))
    await wires.asked.wait()
    if steps:
        wires.slow.set()
    await some_steps(steps)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    wires.slow.set()
    await some_steps(20)
    # Whatever was opened to its end is known, and is closed.
    await first.close()
    await again.serve("n", wires)
    assert await answers(wires)
    await again.close()
