"""The host's half: links for machines, and their ports on the integration bridge.

A machine's link is found by its OVN port id, which the switch keeps beside the port (iface-id); the index of the
link is kept there too, because a switch port whose link was made again is deaf until it is deleted and added anew.
"""

import asyncio
import re
import socket
from weakref import WeakValueDictionary

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import Wire, tap_name
from trivet.drivers.ovn.central.networks import METADATA_IP, made_mac, metadata_port
from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.chassis.switch import Plug, Switch
from trivet.drivers.ovn.engine import OvnEngine

_BACKLOG = 512
_IP_MAX_MTU = 65535


class OvnWires:
    """WireDriver on OVN's own switch."""

    def __init__(self, engine: OvnEngine) -> None:
        self._engine = engine
        self._switch = Switch(engine.database_socket, engine.bridge)
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def plug(self, wire: Wire) -> None:
        async with self._alone(wire.port_id):
            device = tap_name(wire.port_id) if wire.kind == "tap" else veth_name(wire.port_id)
            if wire.kind == "tap":
                await self._make_tap(device, wire)
            else:
                await self._make_veth(device, wire)
            await self._connect(device, wire.port_id, wire.netns or "")

    async def unplug(self, port_id: str, netns: str | None = None) -> None:
        async with self._alone(port_id):
            for plug in await self._switch.plugs(port_id):
                await self._switch.remove(plug)
            for device in (tap_name(port_id), veth_name(port_id)):
                await links.delete(device)
            if netns is not None and not any(plug.netns == netns for plug in await self._switch.plugs()):
                await links.delete_namespace(netns)
                self._engine.note_namespace(netns, mine=False)

    async def plugged(self) -> set[str]:
        whole = (plug for plug in await self._switch.plugs() if links.index(plug.device) == plug.index)
        return {plug.port_id for plug in whole if not plug.port_id.startswith("metadata-")}

    async def open_metadata(self, network_id: str) -> int:
        """Further calls give further sockets only after the earlier one is closed: the address is taken."""
        netns, device = self._metadata_namespace(network_id), f"md{network_id[:11]}"
        async with self._alone(metadata_port(network_id)):
            wire = Wire(
                port_id=metadata_port(network_id),
                network_id=network_id,
                mac=made_mac(f"metadata/{network_id}"),
                mtu=_IP_MAX_MTU,
                kind="netns",
                netns=netns,
                addresses=(f"{METADATA_IP}/32",),
                # Guests may have any address, also the same as on other networks; all are on this link.
                routes=(("default", ""),),
            )
            await self._make_veth(device, wire)
            await self._connect(device, wire.port_id, netns)
            return await links.inside(netns, _listen)

    async def close_metadata(self, network_id: str) -> None:
        port_id = metadata_port(network_id)
        async with self._alone(port_id):
            for plug in await self._switch.plugs(port_id):
                await self._switch.remove(plug)
            await links.delete(f"md{network_id[:11]}")
            await links.delete_namespace(self._metadata_namespace(network_id))
            self._engine.note_namespace(self._metadata_namespace(network_id), mine=False)

    async def close(self) -> None:
        await self._switch.close()

    def _alone(self, port_id: str) -> asyncio.Lock:
        """One at a time for a port; the lock goes with the last who holds or awaits it."""
        return self._busy.setdefault(port_id, asyncio.Lock())

    def _metadata_namespace(self, network_id: str) -> str:
        return f"{self._engine.tag}-metadata-{network_id}"

    async def _connect(self, device: str, port_id: str, netns: str) -> None:
        index = links.index(device)
        if index is None:
            raise DriverError("The link went away while it was being plugged in.", again=True)
        wanted = Plug(device=device, port_id=port_id, netns=netns, index=index)
        for plug in await self._switch.plugs(port_id):
            if plug == wanted:
                return
            await self._switch.remove(plug)
        await self._switch.add(wanted)

    async def _make_tap(self, device: str, wire: Wire) -> None:
        """It stays when its machine ends. The machine's own card has a different end, so its MAC is not the tap's."""
        make = [] if links.exists(device) else [f"tuntap add dev {device} mode tap vnet_hdr"]
        settle = f"link set dev {device} mtu {wire.mtu} alias {self._engine.alias} up"
        await links.batch([*make, settle])

    async def _make_veth(self, device: str, wire: Wire) -> None:
        netns, inner = wire.netns, wire.device
        if netns is None:
            raise DriverError("A container's wire needs a network namespace.", again=False)
        self._engine.note_namespace(netns, mine=True)
        await links.add_namespace(netns)
        there = await links.inside(netns, lambda: {name for _, name in socket.if_nameindex()})
        stale: set[str] = set()
        if links.exists(device) and inner not in there:
            await links.delete(device)  # its other end is in a namespace that is gone or another's
        if links.exists(device):
            stale = await links.addresses(netns, inner) - set(wire.addresses)
        else:
            peer = f"peer name {inner} address {wire.mac} netns {netns}"
            await links.batch([f"link add {device} type veth {peer}", f"link set {device} alias {self._engine.alias}"])
        await links.inside(netns, lambda: links.checksum_off(inner))
        mtu = min(wire.mtu, _IP_MAX_MTU)
        await links.batch([f"link set dev {device} mtu {mtu} up"])
        await links.batch(_inside_lines(wire, mtu, stale), netns)


def veth_name(port_id: str) -> str:
    return f"ve{port_id[:11]}"


def _inside_lines(wire: Wire, mtu: int, stale: set[str]) -> list[str]:
    device = wire.device
    number = re.search(r"[0-9]{1,9}\Z", device)
    metric = 100 + (int(number[0]) if number else 0)
    lines = ["link set lo up", f"link set dev {device} mtu {mtu} address {wire.mac} up"]
    lines += [f"address delete {address} dev {device}" for address in sorted(stale)]
    # Without duplicate detection an IPv6 address can be used at once; OVN vouches that it is the only one.
    lines += [f"address replace {a} dev {device}" + (" nodad" if ":" in a else "") for a in wire.addresses]
    ways = [("default", wire.gateway), *wire.routes] if wire.gateway else wire.routes
    for destination, via in ways:
        # Every card may have a way to the same place; the first card's is taken, and the others' stay for when it goes.
        lines.append(f"route replace {destination} {f'via {via} ' if via else ''}dev {device} metric {metric}")
    return lines


def _listen() -> int:
    """Made inside the namespace, a socket stays there, whichever thread uses it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((METADATA_IP, 80))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        return listener.detach()
