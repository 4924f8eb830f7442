"""The processor of this machine, as the compute API shows it of a host."""

from pathlib import Path
from typing import Any

import msgspec

_FILE = Path("/proc/cpuinfo")


def cpu_info(file: Path = _FILE) -> str:
    """JSON. Where a machine does not tell (another architecture), less is in it."""
    blocks = [_fields(block) for block in file.read_text().strip().split("\n\n")]
    first = blocks[0]
    sockets = {block.get("physical id", "0") for block in blocks}
    cores = {(block.get("physical id", "0"), block.get("core id", str(n))) for n, block in enumerate(blocks)}
    told: dict[str, Any] = {
        "arch": "x86_64" if "flags" in first else "",
        "vendor": _VENDORS.get(first.get("vendor_id", ""), first.get("vendor_id", "")),
        "model": first.get("model name", ""),
        "topology": {
            "cells": 1,
            "sockets": len(sockets),
            "cores": max(len(cores) // len(sockets), 1),
            "threads": max(len(blocks) // len(cores), 1),
        },
        "features": sorted(first.get("flags", "").split()),
    }
    return msgspec.json.encode(told).decode()


_VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): said.strip() for name, _, said in pairs}
