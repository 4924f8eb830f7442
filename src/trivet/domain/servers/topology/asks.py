"""Asks: what a flavor and an image want of the inside of a host, by the rules that Nova has for which of them wins.

A flavor is the operator's and an image the tenant's: an image may ask for more, or choose where the flavor leaves a
choice, but never take back what the flavor says. What contradicts is refused before anything is looked for.
"""

import re
from collections.abc import Mapping
from typing import Literal, NoReturn

import msgspec

from trivet.domain.numbers import whole_number
from trivet.domain.servers.servers import FlavorOf
from trivet.domain.servers.topology import devices
from trivet.domain.servers.topology.devices import Affinity, DeviceAsk
from trivet.domain.servers.topology.guest_nodes import GuestCell, cells_of
from trivet.domain.servers.topology.words import Words
from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.hardware import SMALL_KIB
from trivet.errors import Invalid

Policy = Literal["shared", "dedicated", "mixed"]
Threads = Literal["prefer", "isolate", "require"]
Pages = Literal["small", "large", "any"] | int
"""Or a size in KiB."""
_POLICIES: dict[str, Policy] = {"shared": "shared", "dedicated": "dedicated", "mixed": "mixed"}
_THREADS: dict[str, Threads] = {"prefer": "prefer", "isolate": "isolate", "require": "require"}
_HYPERTHREADING = "trait:HW_CPU_HYPERTHREADING"
_PAGES: dict[str, Pages] = {"small": "small", "large": "large", "any": "any"}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d{1,12})(?:([kKMGT])i?)?(b|bit|B)?", re.ASCII)
_LARGEST_KIB = 1 << 30
_ON = ("true", "yes", "on", "t", "y", "1")


class Ask(msgspec.Struct, frozen=True):
    cells: tuple[GuestCell, ...]
    policy: Policy = "shared"
    threads: Threads = "prefer"
    pages: Pages | None = None
    """None: whatever is ordinary."""
    devices: tuple[DeviceAsk, ...] = ()
    affinity: Affinity = "legacy"
    isolated_emulator: bool = False
    shares_emulator: bool = False

    @property
    def pinned(self) -> int:
        """How many of the machine's CPUs have one of the host for themselves."""
        return sum(len(cell.pinned) for cell in self.cells)

    @property
    def chooses_pages(self) -> bool:
        """Its memory may be of another kind than the host's ordinary one."""
        return bool(self.cells) and self.pages not in (None, "small", SMALL_KIB)


def of(flavor: FlavorOf, properties: Mapping[str, str]) -> Ask | None:
    """None: it wants nothing of the kind. What is refused by now may have been made before it was."""
    try:
        return read(flavor, properties)
    except Invalid:
        return None


def read(flavor: FlavorOf, properties: Mapping[str, str]) -> Ask | None:
    """Refused with Nova's words where it cannot be meant."""
    words = Words(flavor.extra_specs, properties)
    policy, threads = _policy(flavor, words), _threads(words)
    emulator = words.flavor("emulator_threads_policy")
    mask = words.flavor("cpu_dedicated_mask")
    if policy in (None, "shared"):
        _check_shared(words, threads, emulator, mask)
    elif policy == "dedicated" and mask:
        _refuse_mask()
    pages = _pages(words)
    wanted, near = devices.asked(words), devices.affinity(words)
    plain = policy in (None, "shared") and pages in (None, "small", "any") and not words.has_nodes
    if plain and not wanted:
        return None
    return Ask(
        cells=() if plain else cells_of(flavor, words, _pinned(flavor, words, policy, mask)),
        devices=wanted,
        affinity=near,
        policy=policy or "shared",
        threads=threads or "prefer",
        pages=pages,
        isolated_emulator=emulator == "isolate",
        shares_emulator=emulator == "share",
    )


def said(flavor: FlavorOf, properties: Mapping[str, str]) -> list[str]:
    """The words of it, as they were written."""
    return Words(flavor.extra_specs, properties).written()


# -- CPUs


def _policy(flavor: FlavorOf, words: Words) -> Policy | None:
    ours, theirs = words.flavor("cpu_policy"), words.image("cpu_policy")
    for source, text in (("flavor extra specs", ours), ("image properties", theirs)):
        if text and text not in _POLICIES:
            raise Invalid(
                "flavor.cpu_policy",
                f"CPU policy requested from '{source}' is invalid, given: '{text[:64]}', available: "
                f"'{', '.join(_POLICIES)}'.",
            )
    if (ours == "mixed" and theirs == "dedicated") or (ours == "shared" and theirs in ("mixed", "dedicated")):
        raise Invalid(
            "image.cpu_policy",
            "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor",
        )
    policy = _POLICIES.get(ours or theirs)
    return _by_resources(flavor, words, policy) or policy


def _by_resources(flavor: FlavorOf, words: Words, policy: Policy | None) -> Policy | None:
    """The other way to ask: by the classes that are claimed."""
    shared, dedicated = _amount(flavor, "VCPU"), _amount(flavor, "PCPU")
    if policy and (shared or dedicated):
        _refuse(
            "It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the "
            "'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other"
        )
    if shared and dedicated:
        _refuse(
            "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other"
        )
    if dedicated:
        isolate = words.flavor("emulator_threads_policy") == "isolate"
        if isolate and dedicated != flavor.vcpus + 1:
            _refuse(
                "You have requested 'hw:emulator_threads_policy=isolate' but have not requested sufficient PCPUs to "
                "handle this policy; you must allocate exactly flavor.vcpus + 1 PCPUs."
            )
        if not isolate and dedicated != flavor.vcpus:
            _refuse(
                "There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); "
                "you must allocate exactly flavor.vcpus PCPUs"
            )
        return "dedicated"
    return "shared" if shared else None


def _amount(flavor: FlavorOf, name: str) -> int:
    return whole_number(flavor.extra_specs.get(f"resources:{name}", "0")) or 0


def _threads(words: Words) -> Threads | None:
    ours, theirs = words.flavor("cpu_thread_policy"), words.image("cpu_thread_policy")
    for source, text in (("flavor extra specs", ours), ("image properties", theirs)):
        if text and text not in _THREADS:
            raise Invalid(
                "flavor.thread_policy",
                f"CPU thread policy requested from '{source}' is invalid, given: '{text[:64]}', available: "
                f"'{', '.join(_THREADS)}'.",
            )
    if ours not in ("", "prefer") and theirs and theirs != ours:
        raise Invalid(
            "image.thread_policy",
            "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against "
            "the flavor",
        )
    policy = _THREADS.get((ours or theirs) if ours != "prefer" else (theirs or ours))
    trait = words.trait(_HYPERTHREADING)
    if policy and trait:
        _refuse(
            "It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the "
            "'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other"
        )
    if trait == "forbidden":
        return "isolate"
    return "require" if trait == "required" else policy


def _check_shared(words: Words, threads: Threads | None, emulator: str, mask: str) -> None:
    if threads:
        raise Invalid(
            "flavor.thread_policy", "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"
        )
    if emulator == "isolate":
        raise Invalid(
            "flavor.emulator_threads",
            "An isolated CPU emulator threads option requires a dedicated CPU policy option.",
        )
    if mask:
        _refuse_mask()
    if words.either("cpu_realtime").lower() in _ON:
        raise Invalid("flavor.realtime", "Cannot set realtime policy in a non dedicated cpu pinning policy")


def _refuse_mask() -> NoReturn:
    raise Invalid("flavor.dedicated_mask", "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy.")


def _pinned(flavor: FlavorOf, words: Words, policy: Policy | None, mask: str) -> frozenset[int]:
    every = frozenset(range(min(flavor.vcpus, cpu_sets.NUMBER_MAX)))
    if policy != "mixed":
        return every if policy == "dedicated" else frozenset()
    realtime = words.flavor("cpu_realtime_mask") if words.flavor("cpu_realtime").lower() in _ON else ""
    if bool(mask) == bool(realtime):
        raise Invalid(
            "flavor.dedicated_mask",
            "Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when "
            "using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the "
            "same time, or be specified with none of them.",
        )
    text = (mask or realtime).strip()
    pinned = cpu_sets.parsed(f"0-{flavor.vcpus - 1},{text}" if text.startswith("^") else text)
    if not pinned or not every - pinned:
        raise Invalid(
            "flavor.dedicated_mask",
            "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'.",
        )
    if not pinned <= every:
        raise Invalid(
            "flavor.dedicated_mask",
            'Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See "hw:cpu_dedicated_mask"',
        )
    return pinned


# -- memory


def _pages(words: Words) -> Pages | None:
    ours, theirs = words.flavor("mem_page_size"), words.image("mem_page_size")
    if not ours:
        if theirs:
            _forbid_pages(theirs, "<empty>")
        return None
    wanted = _page_size(ours)
    if not theirs:
        return wanted
    if wanted not in ("any", "large"):
        _forbid_pages(theirs, ours)
    return _page_size(theirs)


def _forbid_pages(size: str, against: str) -> NoReturn:
    raise Invalid("image.page_size", f"Page size {size[:64]} forbidden against '{against}'")


def _page_size(text: str) -> Pages:
    """A number alone is of KiB."""
    if text in _PAGES:
        return _PAGES[text]
    found = _SIZE.fullmatch(text)
    kib = 0
    if found is not None:
        number, unit, ending = int(found[1]), found[2] or "", found[3] or ""
        plain = not unit and not ending
        kib = number if plain else number * _UNITS[unit.lower()] // (8 if ending in ("b", "bit") else 1) // 1024
    if not SMALL_KIB <= kib <= _LARGEST_KIB:
        raise Invalid("flavor.page_size", f"Invalid memory page size '{text[:64]}'")
    return kib


def _refuse(why: str) -> NoReturn:
    raise Invalid("flavor.cpus_twice", why)
