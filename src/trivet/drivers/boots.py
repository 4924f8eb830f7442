"""Boots: whether the machine has started again since something was noted, so that what ran then runs no more."""

from pathlib import Path


def this_boot() -> str:
    """The kernel's own name for it, and when the first process began: a machine that is itself a container of another
    starts again without its kernel."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    began = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel} {began}\n"
