"""QEMU's complaints, told as DriverErrors: what a tenant can use goes to him, the rest to the log."""

import logging
import re

from trivet.drivers.contracts.errors import DriverError

log = logging.getLogger(__name__)

_KNOWN: tuple[tuple[str, str, bool], ...] = (
    (
        r"unable to map backing store|os_mem_prealloc|preallocate memory|cannot bind memory|mbind",
        "The host has no such memory left on the NUMA node that is to bear it.",
        False,
    ),
    (r"[Cc]annot (allocate|set up guest) memory|cannot allocate", "The host has no memory left for it.", True),
    (r"No space left on device|Disk quota exceeded", "The host has no room left on its disks.", True),
    (r"/dev/net/tun|could not configure|could not open.*tap", "Its network is not ready on the host.", True),
    (r"Failed to get .*lock", "Its disk is in use by another process.", True),
    (r"Cannot lock pid file|cannot create PID file", "It is running already.", True),
    (r"unsupported machine type", "The host's QEMU does not have its machine type.", False),
    (r"Invalid SMP CPUs|Number of SMP CPUs", "It has more vCPUs than a machine of its type can have.", False),
    (r"[Ii]mage is corrupt|Image is not in qcow2 format", "Its disk or image is damaged.", False),
)
"""QEMU's words -> ours, and whether another try may help."""


def refusal(what_failed: str, complaint: str) -> DriverError:
    log.warning("%s QEMU said: %s", what_failed, complaint.strip()[-2000:])
    for pattern, words, again in _KNOWN:
        if re.search(pattern, complaint):
            return DriverError(f"{what_failed} {words}", again=again)
    return DriverError(what_failed, again=True)
