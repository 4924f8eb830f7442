"""What an operator may choose about QEMU, and what this host lacks to run it at all."""

import re
import shutil
from pathlib import Path
from typing import Literal

import msgspec

from trivet.drivers import programs

_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "prlimit": "util-linux",
    "mke2fs": "e2fsprogs",
}
"""Program -> the Debian package that has it."""


class Options(msgspec.Struct, frozen=True):
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """auto: KVM where a probe guest really ran under it, else TCG."""
    host_checksum: bool = True
    """Whether the network under the guests finishes checksums that they leave open. Open vSwitch's
    user-space datapath does not: with True there, ping and DHCP work and TCP hangs."""
    shared_cpus: frozenset[int] = frozenset()
    """CPUs of the host on which machines run that have none for themselves. None: on all."""


async def version() -> int:
    """7.2.22 is 7002022; 1 if it does not say."""
    said = await programs.run(("qemu-system-x86_64", "--version"))
    found = re.search(r"version ([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", said.out.decode(errors="replace"))
    if found is None:
        return 1
    major, minor, micro = map(int, found.groups())
    return major * 1_000_000 + minor * 1_000 + micro


def missing() -> list[str]:
    lacks = [
        f"{program} (Debian package {package})"
        for program, package in _PROGRAMS.items()
        if shutil.which(program) is None
    ]
    if not Path("/dev/net/tun").exists():
        lacks.append("/dev/net/tun (kernel module tun)")
    return lacks
