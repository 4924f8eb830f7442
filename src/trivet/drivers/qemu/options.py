"""What an operator may choose about QEMU, and what this host lacks to run it at all."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import msgspec

_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "prlimit": "util-linux",
}
"""Program -> the Debian package that has it."""


class Options(msgspec.Struct, frozen=True):
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """auto: KVM where a probe guest really ran under it, else TCG."""
    host_checksum: bool = True
    """Whether the network under the guests finishes checksums that they leave open. Open vSwitch's
    user-space datapath does not: with True there, ping and DHCP work and TCP hangs."""


def version() -> int:
    """7.2.22 is 7002022; 1 if it does not say."""
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", said.stdout)
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
