"""Port words: MAC addresses, allowed pairs and DHCP options, checked before a port is made of them."""

import re
from collections.abc import Sequence

from msgspec import Struct, structs

from trivet.domain.network import addresses
from trivet.domain.network.words import Number, Text
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

_OPTIONS_MAX = 20
MAC_BASE = "fa:16:3e"
_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")


class AddressPair(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    ip_address: Text
    mac_address: Text | None = None


class DhcpOption(Struct, frozen=True, forbid_unknown_fields=True):
    opt_name: Text
    opt_value: Text | None = None
    ip_version: Number = 4


async def mac(tx: Tx, network_id: str, asked: str | None) -> str:
    if asked is not None:
        mac = asked.lower().replace("-", ":")
        if not _MAC.match(mac) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
            raise Invalid(
                "port.mac", f"Invalid input for mac_address. Reason: '{asked[:32]}' is not a valid MAC address."
            )
        if await _mac_taken(tx, network_id, mac):
            raise Conflict(
                "port.mac_in_use",
                f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
            )
        return mac
    # Of so many that it is hardly ever taken; who inserts it is told.
    low = tx.ids.choice_below(1 << 24)
    return f"{MAC_BASE}:{low >> 16:02x}:{low >> 8 & 255:02x}:{low & 255:02x}"


async def _mac_taken(tx: Tx, network_id: str, mac: str) -> bool:
    return await tx.row("SELECT 1 FROM ports WHERE network_id = ? AND mac_address = ?", network_id, mac) is not None


def pairs(given: Sequence[AddressPair], *, secure: bool) -> tuple[AddressPair, ...]:
    if given and not secure:
        raise Conflict("port.pairs_insecure", "Port Security must be enabled in order to have allowed address pairs.")
    if len(given) > 10:
        raise Invalid("port.pairs_many", "Exceeded maximum amount of allowed address pairs: 10.")
    for pair in given:
        addresses.network_of(pair.ip_address)
        if pair.mac_address is not None and not _MAC.match(pair.mac_address.lower()):
            raise Invalid("port.mac", f"Invalid input for allowed_address_pairs. Reason: '{pair.mac_address[:32]}'.")
    if len(set(given)) != len(given):
        raise Invalid("port.pairs_twice", "Request contains duplicate address pair.")
    return tuple(given)


def with_mac(pairs: Sequence[AddressPair], mac: str) -> tuple[AddressPair, ...]:
    return tuple(structs.replace(pair, mac_address=(pair.mac_address or mac).lower()) for pair in pairs)


def dhcp_options(given: Sequence[DhcpOption]) -> tuple[DhcpOption, ...]:
    if len(given) > _OPTIONS_MAX:
        raise Invalid("port.dhcp_option", f"Invalid input for extra_dhcp_opts: more than {_OPTIONS_MAX} of them.")
    for option in given:
        if option.ip_version not in (4, 6) or not 0 < len(option.opt_name) <= 64:
            raise Invalid("port.dhcp_option", f"Invalid data format for extra DHCP option: '{option.opt_name[:64]}'.")
    return tuple(given)


def merged_options(old: Sequence[DhcpOption], new: Sequence[DhcpOption]) -> tuple[DhcpOption, ...]:
    """An update names what changes; a value of null takes the option away."""
    merged = {(option.opt_name, option.ip_version): option for option in (*old, *new)}
    return dhcp_options([option for option in merged.values() if option.opt_value is not None])


def once(groups: Sequence[str]) -> tuple[str, ...]:
    if len(set(groups)) != len(groups):
        raise Invalid("port.groups_twice", "Invalid input for security_groups. Reason: Duplicate items in the list.")
    return tuple(groups)
