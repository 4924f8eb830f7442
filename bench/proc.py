"""What the kernel says about a process: memory that is its own, and CPU that it used."""

import os
from pathlib import Path

_HZ = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_fields(entry / "stat")[1])
            except OSError:
                continue
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def pss_mib(pid: int) -> float:
    """Proportional set size: shared pages are counted once, by shares."""
    total = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def cpu_s(pid: int) -> float:
    """User and system time of the process, of its descendants, and of those that ended meanwhile."""
    return sum(sum(_times(Path(f"/proc/{member}/stat"))) for member in family(pid)) / _HZ


def _times(path: Path) -> list[int]:
    """User, system, and both of children that ended."""
    return [int(field) for field in _fields(path)[11:15]]


def _fields(path: Path) -> list[str]:
    text = path.read_text()
    return text[text.rindex(")") + 2 :].split()
