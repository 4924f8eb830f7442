"""Networks: the wiring that joins machines, in two halves.

`NetworkDriver` is told what should exist, from one place, for the whole cloud. `WireDriver` plugs a
machine of this host into it. All specs are whole: applying one makes the engine equal to it, so it
may be applied twice, and a lost update is repaired by the next.
"""

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

from trivet.drivers.contracts.patience import LOOK_S, PLAIN_S, REMOVE_S, within


class SubnetSpec(msgspec.Struct, frozen=True):
    id: str
    cidr: str
    ip_version: Literal[4, 6]
    gateway: str | None
    """The gateway's address, which is the router's if one is plugged; None: the subnet has no way out."""
    dhcp: bool
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    """(destination, next hop), given to guests by DHCP."""
    ipv6_mode: Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None = None


class NetworkSpec(msgspec.Struct, frozen=True):
    """A network with its subnets. `physical` names the provider network it is bridged to, if any."""

    id: str
    mtu: int
    subnets: tuple[SubnetSpec, ...]
    physical: str | None = None
    vlan: int | None = None
    segments: tuple[tuple[str, int], ...] = ()
    """(physical network, VLAN) where physical machines are on it, too."""
    metadata: bool = True
    """Answer at 169.254.169.254 (see WireDriver.open_metadata)."""
    up: bool = True


class PortAddress(msgspec.Struct, frozen=True):
    subnet_id: str
    ip: str


class PortSpec(msgspec.Struct, frozen=True):
    id: str
    network_id: str
    mac: str
    addresses: tuple[PortAddress, ...]
    groups: tuple[str, ...]
    secure: bool
    """port security: drop spoofed addresses and obey groups. With it and no group, nothing enters or leaves."""
    allowed_pairs: tuple[tuple[str, str], ...] = ()
    """Further (mac, cidr) that may be used as source."""
    up: bool = True
    host: str | None = None
    outside: bool = False
    """A physical machine's: it is reached by the network's segment on the switches."""


class RuleSpec(msgspec.Struct, frozen=True):
    id: str
    direction: Literal["ingress", "egress"]
    ip_version: Literal[4, 6]
    protocol: str | None
    """A name or number as IANA has it; None is any."""
    port_min: int | None = None
    """For ICMP the type."""
    port_max: int | None = None
    """For ICMP the code."""
    remote_cidr: str | None = None
    remote_group: str | None = None
    remote_addresses: str | None = None
    """An AddressesSpec, of which the addresses of this IP version are meant."""


class AddressesSpec(msgspec.Struct, frozen=True):
    """Blocks that rules name by one id, however many they are."""

    id: str
    cidrs: tuple[str, ...]


class GroupSpec(msgspec.Struct, frozen=True):
    """A security group. Rules only allow; what no rule allows is dropped. Answers are always let back."""

    id: str
    rules: tuple[RuleSpec, ...]
    stateful: bool = True


class RouterPort(msgspec.Struct, frozen=True):
    port_id: str
    network_id: str
    mac: str
    cidrs: tuple[str, ...]
    """Its own addresses with prefix length, such as 10.0.0.1/24."""
    announces: bool = True
    """It is the way out of the network, and tells guests so where they ask; others on the network say nothing."""


class FloatingSpec(msgspec.Struct, frozen=True):
    """One-to-one NAT of a port's fixed address."""

    id: str
    floating_ip: str
    fixed_ip: str
    port_id: str


class RouterSpec(msgspec.Struct, frozen=True):
    id: str
    up: bool
    interfaces: tuple[RouterPort, ...]
    gateway: RouterPort | None = None
    """The port on the external network."""
    gateway_next_hop: str | None = None
    snat: bool = True
    """Source NAT for all interface subnets (IPv4) to the first gateway address."""
    floating: tuple[FloatingSpec, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()


Noun = Literal["network", "port", "addresses", "group", "router"]


class NetworkDriver(Protocol):
    """The central half. Order does not matter: what refers to something not there yet is mended when it comes."""

    @within(PLAIN_S, about="spec.id")
    async def ensure_network(self, spec: NetworkSpec) -> None: ...
    @within(PLAIN_S, about="spec.id")
    async def ensure_port(self, spec: PortSpec) -> None: ...
    @within(PLAIN_S, about="spec.id")
    async def ensure_addresses(self, spec: AddressesSpec) -> None: ...
    @within(PLAIN_S, about="spec.id")
    async def ensure_group(self, spec: GroupSpec) -> None: ...
    @within(PLAIN_S, about="spec.id")
    async def ensure_router(self, spec: RouterSpec) -> None: ...
    @within(REMOVE_S, about="id")
    async def remove(self, noun: Noun, id: str) -> None: ...

    @within(LOOK_S, looks=True)
    async def observe(self) -> dict[Noun, set[str]]:
        """Ids of all that is there and ours, for the sweep."""
        ...

    @within(LOOK_S, looks=True)
    async def ports_up(self) -> set[str]:
        """Ids of ports that are plugged in and reachable now."""
        ...

    def watch(self) -> AsyncIterator[tuple[str, bool]]:
        """(port id, up) as it changes. A hint; may miss."""
        ...


class Wire(msgspec.Struct, frozen=True):
    """One plug on this host. A VM gets a tap; a container gets a link in a named network namespace; a physical
    machine has a cable to a switch, and `mac` is its card's own."""

    port_id: str
    network_id: str
    mac: str
    mtu: int
    kind: Literal["tap", "netns", "switch"]
    netns: str | None = None
    device: str = "eth0"
    """Inside the namespace; a tap's name follows from the port id (see `tap_name`)."""
    addresses: tuple[str, ...] = ()
    """Addresses with prefix length; they are set inside the namespace, where nothing runs a DHCP client."""
    gateway: str | None = None
    routes: tuple[tuple[str, str], ...] = ()
    """(destination, next hop; an empty next hop means on the link)."""
    vlan: int = 0
    """Of a switch: what the network is called there."""


def chassis_of(host_id: str) -> str:
    """What the network calls a host, where there are several."""
    return f"host-{host_id}"


def tap_name(port_id: str) -> str:
    """The kernel allows 15 characters; 11 of a UUID are as good as unique on one host, and neutron does the same."""
    return f"tap{port_id[:11]}"


def netns_name(server_id: str) -> str:
    """The name of a container's network namespace; the namespaces of one host share one directory."""
    return f"tv-{server_id[:18]}"


class WireDriver(Protocol):
    """The host's half."""

    @within(PLAIN_S, about="wire.port_id")
    async def plug(self, wire: Wire) -> None: ...

    @within(PLAIN_S, about="port_id")
    async def unplug(self, port_id: str, netns: str | None = None) -> None:
        """Take the plug away; with `netns`, the namespace too once it holds no other link of ours."""
        ...

    @within(LOOK_S, looks=True)
    async def plugged(self) -> set[str]:
        """Port ids that have a plug on this host."""
        ...

    @within(PLAIN_S, about="network_id")
    async def open_metadata(self, network_id: str) -> int:
        """A listening TCP socket (its file descriptor) at 169.254.169.254:80 as that network's servers see it.

        Who calls there is known by the source address, which port security makes trustworthy.
        """
        ...

    @within(PLAIN_S, about="network_id")
    async def close_metadata(self, network_id: str) -> None: ...
