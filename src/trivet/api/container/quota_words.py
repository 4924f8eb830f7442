"""Quotas in this service's words. A container is a server, so what it takes is of one and the same limits."""

from typing import Annotated

import msgspec

NAMES = {
    "containers": "servers",
    "cpu": "class:VCPU",
    "memory": "class:MEMORY_MB",
    "disk": "class:DISK_GB",
}
"""Theirs -> ours. Processors are counted whole."""
Quota = Annotated[int, msgspec.Meta(ge=-1, le=0x7FFF_FFFF)] | None


class Quotas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    containers: Quota = None
    cpu: Quota = None
    memory: Quota = None
    disk: Quota = None


def wanted(said: Quotas) -> dict[str, int]:
    """By our names."""
    found = {our: getattr(said, name) for name, our in NAMES.items()}
    return {our: limit for our, limit in found.items() if limit is not None}


def shown(ours: dict[str, int]) -> dict[str, int]:
    return {name: ours.get(our, 0) for name, our in NAMES.items()}
