"""Seats: what a host is to its cloud's OVN.

A cloud of one host has all of OVN on it, and nothing listens. Where hosts are elsewhere, one is the centre: it has the
northbound and southbound databases, and the southbound one listens on the network between the hosts. Every other host
is a chassis: it has a switch and a controller, and finds the centre's southbound database over TLS. What a chassis may
write there OVN itself holds it to, by the name in its certificate (the role "ovn-controller").
"""

import ipaddress
from pathlib import Path

import msgspec

PORT = 6642
"""Where OVN's users look for a southbound database."""


class Underlay(msgspec.Struct, frozen=True):
    """This host's place on the network between the hosts, over which servers' packets go in tunnels."""

    address: str
    """With prefix, such as 10.20.0.1/24."""
    interface: str
    """Of this host, that leads there."""

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]


class Keys(msgspec.Struct, frozen=True):
    """Files, as every daemon of OVN wants them."""

    private_key: Path
    certificate: Path
    authority: Path

    @classmethod
    def under(cls, directory: Path) -> "Keys":
        return cls(directory / "host.key", directory / "host.crt", directory / "authority.crt")

    def flags(self) -> tuple[str, ...]:
        return (
            f"--private-key={self.private_key}",
            f"--certificate={self.certificate}",
            f"--ca-cert={self.authority}",
        )


class Alone(msgspec.Struct, frozen=True):
    """All of OVN is here, and nobody else joins."""


class Centre(msgspec.Struct, frozen=True):
    underlay: Underlay
    keys: Keys
    name: str
    """As a chassis, which the centre is, too."""

    @property
    def southbound(self) -> str:
        """Where the others find it."""
        return f"ssl:{bracketed(self.underlay.ip)}:{PORT}"


class Chassis(msgspec.Struct, frozen=True):
    underlay: Underlay
    keys: Keys
    name: str
    """As in its certificate."""
    southbound: str


Seat = Alone | Centre | Chassis


def underlay_of(seat: Seat) -> Underlay | None:
    return None if isinstance(seat, Alone) else seat.underlay


def read_underlay(text: str) -> Underlay:
    """From ADDRESS/PREFIX@INTERFACE. Raises ValueError."""
    address, _, interface = text.partition("@")
    if not interface or "/" not in address or len(interface) > 15:
        raise ValueError("it is no ADDRESS/PREFIX@INTERFACE")
    return Underlay(str(ipaddress.ip_interface(address)), interface)


def bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
