"""PCI functions that the operator hands to servers, found by his rules in what the kernel shows.

A rule is ALIAS=VENDOR:PRODUCT or ALIAS=ADDRESS, where an address may have `*` and `?`. The first that fits counts.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from trivet.drivers.contracts.hardware import Function, FunctionKind
from trivet.drivers.hardware.sysfs import SYS

_RULE = re.compile(r"([A-Za-z0-9_-]{1,64})=(?:([0-9a-f]{4}):([0-9a-f]{4})|([0-9a-f*?]{1,4}:[0-9a-f*?:.]{1,16}))")
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_BRIDGE = "0x06"
"""Classes that begin so are what the machine is held together by."""


class Rule(NamedTuple):
    alias: str
    vendor_id: str
    product_id: str
    address: str

    def fits(self, address: str, vendor_id: str, product_id: str) -> bool:
        if self.address:
            return fnmatchcase(address, self.address)
        return (vendor_id, product_id) == (self.vendor_id, self.product_id)


def rules(text: str) -> list[Rule] | None:
    """None: it says none."""
    found = [_RULE.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    return None if None in found else [Rule(*(word or "" for word in one.groups())) for one in found if one]


def functions(wanted: Sequence[Rule], root: Path = SYS) -> list[Function]:
    devices = root / "bus/pci/devices"
    if not wanted or not devices.is_dir():
        return []
    return list(_found(wanted, sorted(path for path in devices.iterdir() if _ADDRESS.fullmatch(path.name))))


def _found(wanted: Sequence[Rule], folders: Iterable[Path]) -> Iterator[Function]:
    for folder in folders:
        vendor_id, product_id = _id(folder / "vendor"), _id(folder / "device")
        rule = next((rule for rule in wanted if rule.fits(folder.name, vendor_id, product_id)), None)
        if rule is None or _text(folder / "class").startswith(_BRIDGE):
            continue
        node = _text(folder / "numa_node")
        yield Function(
            address=folder.name,
            vendor_id=vendor_id,
            product_id=product_id,
            alias=rule.alias,
            kind=_kind(folder),
            node=None if node in ("", "-1") else int(node),
            isolated=(folder / "iommu_group").exists(),
        )


def _kind(folder: Path) -> FunctionKind:
    if (folder / "physfn").exists():
        return "type-VF"
    return "type-PF" if _text(folder / "sriov_totalvfs") not in ("", "0") else "type-PCI"


def _id(path: Path) -> str:
    return _text(path).removeprefix("0x")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
