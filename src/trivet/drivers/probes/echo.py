"""Echo: whether a host's kernel answers on a network (ICMP). It asks nothing of whatever runs there.

All hosts are asked at once. What came back while this process was busy waits in the socket, and is read before anybody
is called silent: a machine under load takes nobody for dead.
"""

import asyncio
import itertools
import os
import socket
import struct
from collections.abc import Mapping, Sequence

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.probe import Finding, Target

_WAIT_S = 0.15
_EVERY_S = 0.1
_MARK = b"trivet"
_TOLD = struct.Struct("!6sQH")
"""Our mark, the round, and which host."""
_BATCH = 60_000


class Echo:
    """`network`: management or tenant, which is also the probe's name."""

    source = "icmp"
    every_s = _EVERY_S
    downs = 3

    def __init__(self, network: str, wait_s: float = _WAIT_S) -> None:
        self.name = network
        self._wait_s = wait_s
        self._rounds = itertools.count(int.from_bytes(os.urandom(4), "big") << 16)
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}

    async def look(self, targets: Sequence[Target]) -> Mapping[str, Finding]:
        asked = [(target.host_id, address) for target in targets[:_BATCH] if (address := getattr(target, self.name))]
        if not asked:
            return {}
        round = next(self._rounds)
        heard: set[int] = set()
        for number, (_, address) in enumerate(asked):
            self._ask(address, round, number)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait_s
        while len(heard) < len(asked) and loop.time() < until:
            await asyncio.sleep(min(0.01, self._wait_s))
            self._read(round, heard)
        self._read(round, heard)
        return {
            host_id: Finding("up") if number in heard else Finding("down", f"{address} does not answer.")
            for number, (host_id, address) in enumerate(asked)
        }

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()

    def _ask(self, address: str, round: int, number: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = 128 if family == socket.AF_INET6 else 8
        message = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, number & 0xFFFF)
        message += _TOLD.pack(_MARK, round, number)
        if family == socket.AF_INET:
            message = message[:2] + struct.pack("!H", _checksum(message)) + message[4:]
        try:
            self._socket(family).sendto(message, (address, 0))
        except OSError:
            # No way there at all: it will not be heard.
            return

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        if family not in self._sockets:
            protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
            self._sockets[family] = _opened(family, protocol)
        return self._sockets[family]

    def _read(self, round: int, heard: set[int]) -> None:
        for opened in self._sockets.values():
            while True:
                try:
                    packet = opened.recv(256)
                except OSError:
                    break
                at = packet.find(_MARK)
                if at < 8 or len(packet) < at + _TOLD.size or packet[at - 8] not in (0, 129):
                    continue
                _, told, number = _TOLD.unpack_from(packet, at)
                if told == round:
                    heard.add(number)


def _opened(family: socket.AddressFamily, protocol: int) -> socket.socket:
    """As root, or as one to whom the machine allows echoes (net.ipv4.ping_group_range)."""
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
        try:
            opened = socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        opened.setblocking(False)
        return opened
    raise DriverError("This process may not send echoes: run it as root, or set net.ipv4.ping_group_range.", again=True)


def _checksum(message: bytes) -> int:
    words = struct.unpack(f"!{len(message) // 2}H", message)
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
