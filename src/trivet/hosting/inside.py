"""What this host is made of inside, and which of its CPUs the operator gives to servers."""

import logging
from pathlib import Path

import msgspec

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.hardware import Function, Hardware, HostNode
from trivet.drivers.hardware import pci, sysfs
from trivet.errors import Invalid
from trivet.settings import Settings

_logger = logging.getLogger(__name__)


class Given(msgspec.Struct, frozen=True):
    """The operator's words for it."""

    dedicated: str = ""
    shared: str = ""
    devices: str = ""


def given(settings: Settings) -> Given:
    return Given(settings.cpu_dedicated_set, settings.cpu_shared_set, settings.pci_devices)


def found(given: Given, root: Path = sysfs.SYS, *, memory_mib: int | None = None, own_mib: int = 0) -> Hardware:
    """`memory_mib`: all that the machine has, if it is not what its nodes say. `own_mib`: what the host keeps."""
    nodes = sysfs.nodes(root)
    every = frozenset(cpu for node in nodes for cpu in node.cpus)
    dedicated = _named("cpu_dedicated_set", given.dedicated, every)
    shared = _named("cpu_shared_set", given.shared, every)
    if not given.shared and not dedicated:
        shared = every
    if both := dedicated & shared:
        raise Invalid("setting.invalid", f"CPU {min(both)} is in cpu_dedicated_set and in cpu_shared_set.")
    if memory_mib is not None and len(nodes) == 1:
        nodes = [_with_memory(nodes[0], memory_mib)]
    nodes[0] = msgspec.structs.replace(nodes[0], memory_mib=max(nodes[0].memory_mib - own_mib, 0))
    return Hardware(
        nodes=tuple(nodes),
        dedicated=tuple(sorted(dedicated)),
        shared=tuple(sorted(shared)),
        functions=tuple(_functions(given.devices, root)),
    )


def _functions(text: str, root: Path) -> list[Function]:
    rules = pci.rules(text)
    if rules is None:
        raise Invalid("setting.invalid", f"pci_devices must be like gpu=10de:20b0,nic=0000:81:*: not {text[:64]!r}.")
    found = pci.functions(rules, root)
    for function in found:
        if not function.isolated:
            _logger.warning("PCI function %s is given to no server: the host has no IOMMU for it", function.address)
    return found


def _named(setting: str, text: str, every: frozenset[int]) -> frozenset[int]:
    cpus = cpu_sets.parsed(text)
    if cpus is None:
        raise Invalid("setting.invalid", f"{setting} must be like 2-15,^8,18: not {text[:64]!r}.")
    if absent := cpus - every:
        raise Invalid(
            "setting.invalid",
            f"{setting} names CPU {min(absent)}, and this host has only {cpu_sets.written(every)}.",
        )
    return cpus


def _with_memory(node: HostNode, memory_mib: int) -> HostNode:
    """Of a machine that is one node: a kernel in a container's place may tell less of it, or more."""
    huge = sum(size * count for size, count in node.pages.items()) // 1024
    return msgspec.structs.replace(node, memory_mib=max(memory_mib - huge, 0))
