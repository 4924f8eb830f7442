"""From the kernel's own tree to nodes, cores and pages. The root is said, so that a recorded tree can be read."""

import re
from collections.abc import Iterator
from pathlib import Path

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.hardware import SMALL_KIB, HostNode

SYS = Path("/sys")
_NODE = re.compile("node[0-9]{1,5}")
_PAGES = re.compile("hugepages-([0-9]{1,10})kB")
_DIGITS = re.compile("[0-9]{1,15}")


def nodes(root: Path = SYS) -> list[HostNode]:
    """Those that have processors; without NUMA in the kernel, the machine is one."""
    system = root / "devices/system"
    online = _set(system / "cpu/online")
    found = [_node(system, folder, online) for folder in _folders(system / "node")]
    with_cpus = [node for node in found if node.cores]
    return with_cpus or [HostNode(0, 0, _cores(system, online), 0)]


def _folders(node: Path) -> list[Path]:
    if not node.is_dir():
        return []
    named = [path for path in node.iterdir() if _NODE.fullmatch(path.name) and path.is_dir()]
    return sorted(named, key=lambda path: int(path.name.removeprefix("node")))


def _node(system: Path, folder: Path, online: frozenset[int]) -> HostNode:
    cpus = _set(folder / "cpulist") & online
    pages = dict(_pages(folder / "hugepages"))
    huge = sum(size * count for size, count in pages.items())
    return HostNode(
        number=int(folder.name.removeprefix("node")),
        socket=_number(system / f"cpu/cpu{min(cpus)}/topology/physical_package_id") if cpus else 0,
        cores=_cores(system, cpus),
        memory_mib=max(_memory_kib(folder / "meminfo") - huge, 0) // 1024,
        pages={size: count for size, count in pages.items() if count},
    )


def _cores(system: Path, cpus: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """A CPU whose siblings the kernel does not tell is a core of its own."""
    cores = {tuple(sorted((_siblings(system, cpu) & cpus) | {cpu})) for cpu in cpus}
    return tuple(sorted(cores))


def _siblings(system: Path, cpu: int) -> frozenset[int]:
    return _set(system / f"cpu/cpu{cpu}/topology/thread_siblings_list")


def _pages(folder: Path) -> Iterator[tuple[int, int]]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            found = _PAGES.fullmatch(path.name)
            if found is not None and int(found[1]) > SMALL_KIB:
                yield int(found[1]), _number(path / "nr_hugepages")


def _memory_kib(meminfo: Path) -> int:
    for line in _text(meminfo).splitlines():
        name, _, said = line.partition(":")
        if name.endswith(" MemTotal"):
            return int(said.split()[0])
    return 0


def _set(path: Path) -> frozenset[int]:
    return cpu_sets.parsed(_text(path)) or frozenset()


def _number(path: Path) -> int:
    """Nothing below 0, which means that it is not known."""
    text = _text(path)
    return int(text) if _DIGITS.fullmatch(text) else 0


def _text(path: Path) -> str:
    """Nothing, where the kernel does not say it."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
