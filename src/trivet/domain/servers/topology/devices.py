"""Devices: PCI functions that a flavor asks for by the names that hosts' operators gave them, and how near they are
to be to the rest of the machine."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import msgspec

from trivet.domain.servers.topology.words import Words
from trivet.drivers.contracts.hardware import Function, Hardware, HostNode
from trivet.errors import Invalid

Affinity = Literal["required", "preferred", "legacy", "socket"]
_AFFINITIES: dict[str, Affinity] = {
    "required": "required", "preferred": "preferred", "legacy": "legacy", "socket": "socket",
}  # fmt: skip
_ALIAS = re.compile(r"([A-Za-z0-9_-]{1,64}):([1-9][0-9]?)", re.ASCII)
_MOST = 16
"""Of one machine: it has slots for other things, too."""


class DeviceAsk(msgspec.Struct, frozen=True):
    alias: str
    count: int


def asked(words: Words) -> tuple[DeviceAsk, ...]:
    text = words.alias
    found = [_ALIAS.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    devices = [DeviceAsk(one[1], int(one[2])) for one in found if one is not None]
    if len(devices) < len(found) or sum(device.count for device in devices) > _MOST:
        raise Invalid(
            "flavor.pci_alias", f"Invalid PCI alias definition: {text[:64]!r} is not NAME:COUNT,..., {_MOST} at most."
        )
    return tuple(devices)


def affinity(words: Words) -> Affinity:
    ours, theirs = words.flavor("pci_numa_affinity_policy"), words.image("pci_numa_affinity_policy")
    if ours and theirs and ours != theirs:
        raise Invalid(
            "image.pci_affinity",
            "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the "
            "'hw:pci_numa_affinity_policy' flavor extra spec.",
        )
    said = ours or theirs or "legacy"
    if said not in _AFFINITIES:
        raise Invalid("flavor.pci_affinity", f"Invalid PCI NUMA affinity configured: {said[:64]}")
    return _AFFINITIES[said]


def chosen(
    hardware: Hardware,
    taken: Collection[str],
    wanted: Sequence[DeviceAsk],
    near: Collection[HostNode] | None,
    policy: Affinity,
) -> tuple[str, ...] | None:
    """Addresses of functions that nobody has. `near`: nodes that bear the machine; None if it does not matter."""
    found: list[str] = []
    for device in wanted:
        free = _free(hardware, {*taken, *found}, device.alias)
        fitting = [one.address for one in free if near is None or _is_near(hardware, one, near, policy)]
        if len(fitting) < device.count:
            return None
        found += fitting[: device.count]
    return tuple(found)


def _free(hardware: Hardware, taken: Collection[str], alias: str) -> Iterator[Function]:
    for function in hardware.functions:
        if function.alias == alias and function.isolated and function.address not in taken:
            yield function


def _is_near(hardware: Hardware, function: Function, near: Collection[HostNode], policy: Affinity) -> bool:
    if function.node is None:
        return policy == "legacy"
    if policy == "socket":
        sockets = {node.socket for node in near}
        return any(node.number == function.node and node.socket in sockets for node in hardware.nodes)
    return any(node.number == function.node for node in near)
