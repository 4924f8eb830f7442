"""The simulated network: takes every spec, and a port is up once it is both described and plugged in.

Carries no packets. `delay_s` and `fault` make it slow or contrary; both may be changed at any time.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import get_args

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import (
    AddressesSpec,
    GroupSpec,
    NetworkSpec,
    Noun,
    PortSpec,
    RouterSpec,
    Wire,
)

Spec = NetworkSpec | PortSpec | AddressesSpec | GroupSpec | RouterSpec
Fault = Callable[[str, str], DriverError | None]
"""(verb, id) -> how it fails this time, if it does."""


class SimNetwork:
    """The central half, and what the wires of all simulated hosts are plugged into."""

    def __init__(self, delay_s: float = 0.0, fault: Fault | None = None) -> None:
        self.delay_s = delay_s
        self.fault = fault
        self.specs: dict[Noun, dict[str, Spec]] = {noun: {} for noun in get_args(Noun)}
        self.plugs: dict[str, int] = {}
        """Port id -> how many plugs it has: two while a machine moves."""
        self._said: set[str] = set()
        self.listeners: set[asyncio.Queue[tuple[str, bool]]] = set()

    async def ensure_network(self, spec: NetworkSpec) -> None:
        await self._ensure("network", spec)

    async def ensure_port(self, spec: PortSpec) -> None:
        await self._ensure("port", spec)
        self.look(spec.id)

    async def ensure_addresses(self, spec: AddressesSpec) -> None:
        await self._ensure("addresses", spec)

    async def ensure_group(self, spec: GroupSpec) -> None:
        await self._ensure("group", spec)

    async def ensure_router(self, spec: RouterSpec) -> None:
        await self._ensure("router", spec)

    async def remove(self, noun: Noun, id: str) -> None:
        await self.trouble(f"remove_{noun}", id)
        self.specs[noun].pop(id, None)
        self.look(id)

    async def observe(self) -> dict[Noun, set[str]]:
        return {noun: set(found) for noun, found in self.specs.items()}

    async def ports_up(self) -> set[str]:
        return set(self._said)

    async def watch(self) -> AsyncIterator[tuple[str, bool]]:
        heard: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.listeners.add(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self.listeners.discard(heard)

    def look(self, port_id: str) -> None:
        """Say so if the port went up or down."""
        spec = self.specs["port"].get(port_id)
        up = isinstance(spec, PortSpec) and spec.up and port_id in self.plugs
        if up == (port_id in self._said):
            return
        (self._said.add if up else self._said.discard)(port_id)
        for listener in self.listeners:
            listener.put_nowait((port_id, up))

    async def trouble(self, verb: str, id: str) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        error = self.fault(verb, id) if self.fault is not None else None
        if error is not None:
            raise error

    async def _ensure(self, noun: Noun, spec: Spec) -> None:
        await self.trouble(f"ensure_{noun}", spec.id)
        self.specs[noun][spec.id] = spec


class SimWires:
    """One simulated host's half."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._plugged: set[str] = set()
        self._metadata: dict[str, socket.socket] = {}

    def remember(self, port_id: str) -> None:
        """It was plugged in before the process that simulates it began."""
        if port_id not in self._plugged:
            self._plugged.add(port_id)
            self._network.plugs[port_id] = self._network.plugs.get(port_id, 0) + 1
        self._network.look(port_id)

    async def plug(self, wire: Wire) -> None:
        await self._network.trouble("plug", wire.port_id)
        self.remember(wire.port_id)

    async def unplug(self, port_id: str, netns: str | None = None) -> None:
        await self._network.trouble("unplug", port_id)
        if port_id in self._plugged:
            self._plugged.discard(port_id)
            left = self._network.plugs.get(port_id, 0) - 1
            if left > 0:
                self._network.plugs[port_id] = left
            else:
                self._network.plugs.pop(port_id, None)
        self._network.look(port_id)

    async def plugged(self) -> set[str]:
        return set(self._plugged)

    async def open_metadata(self, network_id: str) -> int:
        """Nobody calls here: a socket of this machine's loopback stands in."""
        listening = self._metadata.get(network_id)
        if listening is None:
            listening = self._metadata[network_id] = socket.create_server(("127.0.0.1", 0))
        return listening.fileno()

    async def close_metadata(self, network_id: str) -> None:
        listening = self._metadata.pop(network_id, None)
        if listening is not None:
            listening.close()
