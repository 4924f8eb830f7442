"""What a run that was killed left in this network namespace: daemons that hold bridges, addresses and rules.

Networks' engines that tests start have their folder below one of this name, by which their processes are found. Whoever
has the turn (turn.py) is alone with them, so before it starts the first of its own all that are there can go.
"""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.engine import OvnEngine

FOLDER = "real-engines"
_PROGRAMS = frozenset(
    ("trivet", "ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller", "qemu-system-x86_64", "conmon")
)


@cache
def clear_leftovers() -> None:
    """Once in a run."""
    clear()


def clear() -> None:
    found = dict(_processes())
    tags = {tag for pid, words in found.items() if (tag := _tag(pid, words)) is not None}
    for pid in found:
        for child in _children(pid):
            _kill(child)
        _kill(pid)
    for tag in sorted(tags):
        asyncio.run(_clear(tag))


async def _clear(tag: str) -> None:
    for namespace in links.NAMESPACES.glob(f"{tag}-*"):
        await links.delete_namespace(namespace.name)
    with tempfile.TemporaryDirectory() as folder:
        engine = OvnEngine(Path(folder), tag)
        engine.directory.mkdir()
        # As if it had found the host's forwarding as it is now: then it takes its rules away.
        forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        (engine.directory / "forwarding-before").write_text(forwarding)
        await engine.down()


def _processes() -> Iterator[tuple[int, list[str]]]:
    here = Path("/proc/self/ns/net").stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            ours = not _PROGRAMS.isdisjoint(Path(word).name for word in words[:2])
            named = any(f"/{FOLDER}/" in f"{word}/" for word in words)
            if ours and named and (process / "ns/net").stat().st_ino == here:
                yield int(process.name), words


def _tag(pid: int, words: list[str]) -> str | None:
    """As its bridge says, if this is an engine's database that still answers. It may have another root than we."""
    if not words[0].endswith("ovsdb-server"):
        return None
    remotes = [word.removeprefix("--remote=punix:") for word in words if word.startswith("--remote=punix:")]
    asked = subprocess.run(
        ("ovs-vsctl", "--timeout=10", f"--db=unix:/proc/{pid}/root{remotes[0]}", "get", "open", ".",
         "external_ids:ovn-bridge"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip().strip('"').removesuffix("-int") or None


def _children(pid: int) -> list[int]:
    """A container does not name its folder, but who watches it does."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "conmon":
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
