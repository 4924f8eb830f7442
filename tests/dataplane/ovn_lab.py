"""A small cloud's worth of OVN for the tests: real daemons, and guests that are network namespaces.

Sockets are made inside a guest's namespace and then used from here, so a guest needs no program of its own.
"""

import asyncio
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.drivers.leftovers import FOLDER, clear_leftovers

from trivet.drivers.contracts.network import (
    FloatingSpec,
    GroupSpec,
    NetworkSpec,
    Noun,
    PortAddress,
    PortSpec,
    RouterPort,
    RouterSpec,
    RuleSpec,
    SubnetSpec,
    Wire,
)
from trivet.drivers.ovn.central.northbound import OvnNetwork
from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.chassis.wires import OvnWires
from trivet.drivers.ovn.engine import External, OvnEngine, missing

METADATA = "169.254.169.254"
PATIENCE_S = 120.0
SILENCE_S = 2.0
"""After that long nothing comes any more."""
_EACH_S = 1.0
_LAST_WORDS = 1500


def require_engine() -> None:
    lacks = missing()
    if lacks:
        pytest.skip("OVN cannot run here: " + "; ".join(lacks))


@contextmanager
def running_engine(directory: Path, tag: str, external: External | None) -> Iterator[OvnEngine]:
    require_engine()
    clear_leftovers()
    engine = OvnEngine(directory / FOLDER, tag, external)
    try:
        asyncio.run(engine.up())
        yield engine
    finally:
        asyncio.run(engine.down())


def new_id() -> str:
    return str(uuid.uuid4())


def allow(
    direction: str = "ingress",
    protocol: str | None = None,
    port: int | None = None,
    group: str | None = None,
    cidr: str | None = None,
    version: int = 4,
) -> RuleSpec:
    spec = {
        "id": new_id(),
        "direction": direction,
        "ip_version": version,
        "protocol": protocol,
        "port_min": port,
        "port_max": None if protocol == "icmp" else port,  # the code of an ICMP type; any
        "remote_group": group,
        "remote_cidr": cidr,
    }
    return msgspec.convert(spec, RuleSpec)


class Guest(msgspec.Struct, frozen=True):
    port: PortSpec
    netns: str

    @property
    def ip(self) -> str:
        return self.port.addresses[0].ip

    @property
    def mac(self) -> str:
        return self.port.mac

    async def run(self, *command: str) -> tuple[int, str]:
        return await run("ip", "netns", "exec", self.netns, *command)

    async def pings(self, ip: str) -> bool:
        """The only one has to be answered within a second."""
        return (await self.run("ping", "-c", "1", "-W", "1", ip))[0] == 0

    async def reaches(self, ip: str) -> bool:
        """One of many is answered."""
        await eventually(lambda: self.pings(ip))
        return True

    async def socket(self, kind: int = socket.SOCK_STREAM) -> socket.socket:
        return await socket_in(self.netns, kind)


class Lab:
    """One test's networks, groups, ports, routers and guests, cleared away at its end."""

    def __init__(self, engine: OvnEngine) -> None:
        self.engine = engine
        self.driver = OvnNetwork(engine)
        self.wires = OvnWires(engine)
        self.subnets: dict[str, SubnetSpec] = {}
        self.guests: list[Guest] = []
        self.made: list[tuple[Noun, str]] = []
        self.metadata: list[str] = []

    async def network(
        self,
        cidr: str = "10.5.0.0/24",
        gateway: str | None = None,
        physical: str | None = None,
        **more: object,
    ) -> NetworkSpec:
        subnet = SubnetSpec(id=new_id(), cidr=cidr, ip_version=4, gateway=gateway, dhcp=True, dns=("9.9.9.9",))
        spec = NetworkSpec(id=new_id(), mtu=1442, subnets=(subnet,), physical=physical)
        spec = msgspec.structs.replace(spec, **more)
        self.made.append(("network", spec.id))
        await self.driver.ensure_network(spec)
        return spec

    async def group(self, *rules: RuleSpec, id: str | None = None) -> str:
        id = id or new_id()
        self.made.append(("group", id))
        await self.driver.ensure_group(GroupSpec(id=id, rules=rules))
        return id

    async def open_group(self) -> str:
        return await self.group(allow("egress"), allow("ingress"))

    async def guest(
        self,
        network: NetworkSpec,
        ip: str,
        groups: tuple[str, ...] = (),
        secure: bool = True,
        wait: bool = True,
        configured: bool = True,
        pairs: tuple[tuple[str, str], ...] = (),
    ) -> Guest:
        id = new_id()
        address = PortAddress(subnet_id=network.subnets[0].id, ip=ip)
        mac = "fa:16:3e:" + id[:6][:2] + ":" + id[2:4] + ":" + id[4:6]
        port = PortSpec(
            id=id,
            network_id=network.id,
            mac=mac,
            addresses=(address,),
            groups=groups,
            secure=secure,
            allowed_pairs=pairs,
        )
        guest = Guest(port, f"{self.engine.tag}-{id}")
        self.made.append(("port", id))
        self.guests.append(guest)
        await self.driver.ensure_port(port)
        await self.wires.plug(self.wire(guest, network, configured))
        if wait:
            await self.up(guest)
        return guest

    def wire(self, guest: Guest, network: NetworkSpec, configured: bool = True) -> Wire:
        prefix = network.subnets[0].cidr.split("/")[1]
        return Wire(
            port_id=guest.port.id,
            network_id=network.id,
            mac=guest.mac,
            mtu=network.mtu,
            kind="netns",
            netns=guest.netns,
            addresses=(f"{guest.ip}/{prefix}",) if configured else (),
            gateway=network.subnets[0].gateway if configured else None,
            routes=((f"{METADATA}/32", ""),) if configured else (),
        )

    async def up(self, guest: Guest) -> None:
        async def is_up() -> bool:
            # A daemon may die of itself (ovn-controller 23.03 does now and then, as it starts on a busy host): as in a
            # cloud, where a timer does it, it is begun again.
            await self.engine.up()
            return guest.port.id in await self.driver.ports_up()

        try:
            await eventually(is_up)
        except TimeoutError:
            raise AssertionError(f"the port never came up; {self._state()}") from None

    def _state(self) -> str:
        """Who lives, and what each said last: for a test that failed."""
        logs = sorted(self.engine.directory.glob("*.log"))
        ends = [f"{log.name}:\n{log.read_text(errors='replace')[-_LAST_WORDS:]}" for log in logs]
        return "\n".join((str(self.engine.alive()), *ends))

    async def router(self, spec: RouterSpec) -> RouterSpec:
        self.made.append(("router", spec.id))
        await self.driver.ensure_router(spec)
        return spec

    @asynccontextmanager
    async def metadata_served(self, network: NetworkSpec, answer: str) -> AsyncIterator[None]:
        """A server at 169.254.169.254 of that network; it says `answer` and who asked."""
        self.metadata.append(network.id)
        descriptor = await self.wires.open_metadata(network.id)
        async with serve(socket.socket(fileno=descriptor), answer):
            yield

    async def clear(self) -> None:
        for guest in self.guests:
            await self.wires.unplug(guest.port.id, guest.netns)
        for network_id in self.metadata:
            await self.wires.close_metadata(network_id)
        for noun, id in reversed(self.made):
            await self.driver.remove(noun, id)

    async def close(self) -> None:
        await self.driver.close()
        await self.wires.close()


@asynccontextmanager
async def lab_on(engine: OvnEngine) -> AsyncIterator[Lab]:
    lab = Lab(engine)
    try:
        yield lab
    finally:
        await lab.clear()
        await lab.close()


def router_port(network: NetworkSpec, cidr: str) -> RouterPort:
    id = new_id()
    mac = "fa:16:3d:" + id[:2] + ":" + id[2:4] + ":" + id[4:6]
    return RouterPort(port_id=id, network_id=network.id, mac=mac, cidrs=(cidr,))


def floating(ip: str, guest: Guest) -> FloatingSpec:
    return FloatingSpec(id=new_id(), floating_ip=ip, fixed_ip=guest.ip, port_id=guest.port.id)


async def must(*command: str) -> str:
    code, said = await run(*command)
    assert code == 0, f"{' '.join(command)}: {said}"
    return said


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_so():
            await asyncio.sleep(0.05)


async def socket_in(netns: str, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
    made = await links.inside(netns, lambda: socket.socket(family, kind))
    made.setblocking(False)
    return made


@asynccontextmanager
async def serve(listener: socket.socket, answer: str) -> AsyncIterator[None]:
    """Says `answer` and the caller's address to each caller, then echoes what it says."""
    callers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.add(writer)
        try:
            writer.write(f"{answer} {writer.get_extra_info('peername')[0]}\n".encode())
            while data := await reader.read(65536):
                writer.write(data)
        finally:
            writer.close()

    server = await asyncio.start_server(talk, sock=listener)
    try:
        yield
    finally:
        server.close()
        for caller in callers:
            caller.transport.abort()  # a caller that was cut off would be waited for
        await asyncio.sleep(0)
        await server.wait_closed()


@asynccontextmanager
async def serve_in(guest: Guest, port: int, answer: str = "hello") -> AsyncIterator[None]:
    listener = await guest.socket()
    listener.bind(("0.0.0.0", port))
    async with serve(listener, answer):
        yield


Opening = Callable[[], Awaitable[socket.socket]]


async def connected(opening: Opening, ip: str, port: int) -> socket.socket:
    """As soon as there is a way: the kernel gives up on a neighbour that is silent for three seconds."""
    while True:
        client = await opening()
        try:
            await asyncio.get_running_loop().sock_connect(client, (ip, port))
        except OSError:
            client.close()
            await asyncio.sleep(0.05)
        except BaseException:
            client.close()
            raise
        else:
            return client


async def ask(opening: Opening, ip: str, port: int, within_s: float = PATIENCE_S) -> str | None:
    """The first line that a server says; None if there is no way to it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            with await connected(opening, ip, port) as client:
                return (await asyncio.get_running_loop().sock_recv(client, 1000)).decode().strip()
    return None


async def ask_from(guest: Guest, ip: str, port: int, within_s: float = PATIENCE_S) -> str | None:
    return await ask(guest.socket, ip, port, within_s)


def udp_frame(source: tuple[str, str], target: tuple[str, str], payload: bytes) -> bytes:
    """An Ethernet frame from (mac, ip) to (mac, ip)."""
    udp = struct.pack("!HHHH", 7777, 7778, 8 + len(payload), 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(udp),
        1,
        0,
        64,
        17,
        0,
        socket.inet_aton(source[1]),
        socket.inet_aton(target[1]),
    )
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    macs = bytes.fromhex(target[0].replace(":", "")) + bytes.fromhex(source[0].replace(":", ""))
    return macs + b"\x08\x00" + head + udp


async def raw_socket(guest: Guest) -> socket.socket:
    """Sends and sees whole frames, at the guest's own card."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("eth0", 0x0003))
        made.setblocking(False)
        return made

    return await links.inside(guest.netns, make)


async def gets_through(sender: socket.socket, receiver: socket.socket, frame: bytes, payload: bytes) -> bool:
    """One of many arrives."""

    async def sent_arrives() -> bool:
        sender.send(frame)
        return await arrives(receiver, payload, _EACH_S)

    await eventually(sent_arrives)
    return True


async def arrives(receiver: socket.socket, payload: bytes, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            while payload not in await asyncio.get_running_loop().sock_recv(receiver, 65536):
                pass
            return True
    except TimeoutError:
        return False
