"""Which accelerator really runs guests on this host: /dev/kvm that opens proves nothing.

There are kernels whose KVM runs only guests that were made for it (PVM is one): it opens, it answers, it
starts a guest, and the guest hangs in its first 64-bit instructions. So a probe guest of 512 bytes
(probe.S) goes into 64-bit mode, takes exceptions there and leaves; only if it left is KVM believed.
"""

import base64
import logging
import os
import platform
import shutil
import tempfile
from pathlib import Path

import msgspec

from trivet.drivers import programs
from trivet.drivers.programs import Bounds
from trivet.drivers.qemu.layout import read, write

log = logging.getLogger(__name__)

_BOOT_SECTOR = (
    base64.b64decode(
        "+jHAjtiOwI7QvAB8vwAQuQAY/POrxwYAEAMgxwYAIAMwxwYAMIMAZg8BFvB8DyDgZoPIIA8i4Ga4ABAAAA8i2Ga5"
        "gAAAwA8yZg0AAQAADzAPIMBmDQEAAIAPIsBm6mR8AAAIALgQAAAAjtiOwI7QvAB8AAC/AEAAAEiNBU8AAABmiUcw"
        "ZsdHMggAZsdHNACOwegQiUc2x0c6AAAAAA8BHCX2fAAAMe276AMAAMwPINgPItgxwFMPolv/y3Xvgf3oAwAAdQe4"
        "IQAAAOf09Ov9/8VIzw8fRAAAAAAAAAAAAAD//wAAAJuvAP//AAAAk88AFwDYfAAAPwAAQA=="
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)
"""probe.S, assembled."""
_LEFT = 0x21 << 1 | 1
"""QEMU's exit status when the guest writes 0x21 to isa-debug-exit."""
_LONGEST_S = 20.0
"""Many times what it takes on a busy host: what is found once is believed until the kernel or QEMU changes."""


class Proof(msgspec.Struct, frozen=True):
    """What was found, and where: another kernel or another QEMU is asked again."""

    kernel: str
    qemu: str
    kvm: bool


async def accelerator(directory: Path) -> str:
    """kvm or tcg, remembered in the directory."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    proof = read(directory / "kvm.json", Proof)
    kernel, qemu = platform.release() + platform.version(), _fingerprint()
    if proof is None or (proof.kernel, proof.qemu) != (kernel, qemu):
        runs = await runs_guests("kvm", "host")
        log.info("Guests %s under KVM on this host", "run" if runs else "do not run")
        proof = Proof(kernel, qemu, runs)
        write(directory / "kvm.json", proof)
    return "kvm" if proof.kvm else "tcg"


async def runs_guests(accelerator: str, cpu: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="trivet-probe-") as room:
        disk = Path(room, "disk")
        disk.write_bytes(_BOOT_SECTOR)
        words = (
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "pc", "-accel", accelerator, "-cpu", cpu, "-m", "16"),
            *("-drive", f"file={disk},format=raw,if=ide"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
        )
        try:
            return (await programs.run(words, bounds=Bounds(seconds=_LONGEST_S))).code == _LEFT
        except programs.Exceeded:
            return False


def _fingerprint() -> str:
    """Of the program file: its version would take a run of it."""
    path = shutil.which("qemu-system-x86_64")
    if path is None:
        return "none"
    found = Path(path).stat()
    return f"{found.st_size}:{found.st_mtime_ns}"
