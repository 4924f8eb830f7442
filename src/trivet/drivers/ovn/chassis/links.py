"""Kernel links and namespaces, by `ip` in batches, and the two things `ip` cannot do.

A link that we make carries an alias naming this Trivet, so that it can be found and removed even when the
databases that knew about it are lost.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ovn.commands import attempt, run

NAMESPACES = Path("/run/netns")
_SYS = Path("/sys/class/net")
T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_SET_TX_CHECKSUM = 0x17


async def batch(lines: list[str], netns: str | None = None) -> None:
    where = ("-n", netns) if netns else ()
    await run("ip", *where, "-batch", "-", given="\n".join(lines) + "\n")


def exists(device: str) -> bool:
    return (_SYS / device).exists()


def index(device: str) -> int | None:
    """A device that was made again has a new index, even under the same name."""
    try:
        return int((_SYS / device / "ifindex").read_text())
    except OSError:
        return None


async def delete(device: str) -> None:
    if exists(device):
        code, _, err = await attempt("ip", "link", "delete", device)
        if code != 0 and exists(device):
            raise DriverError(f"A network link could not be removed: {err.strip()}", again=True)


def with_alias(alias: str) -> list[str]:
    found = []
    for link in _SYS.iterdir():
        try:
            if (link / "ifalias").read_text().strip() == alias:
                found.append(link.name)
        except OSError:
            continue  # it went away while we looked
    return found


def has_namespace(name: str) -> bool:
    return (NAMESPACES / name).exists()


async def add_namespace(name: str) -> None:
    if has_namespace(name) and not _usable(name):
        await attempt("ip", "netns", "delete", name)
    if not has_namespace(name):
        code, _, err = await attempt("ip", "netns", "add", name)
        if code != 0 and not has_namespace(name):
            raise DriverError(f"A network namespace could not be made: {err.strip()}", again=True)


async def delete_namespace(name: str) -> None:
    if has_namespace(name):
        code, _, err = await attempt("ip", "netns", "delete", name)
        if code != 0 and has_namespace(name):
            raise DriverError(f"A network namespace could not be removed: {err.strip()}", again=True)


async def addresses(netns: str, device: str) -> set[str]:
    """The addresses of a link with prefix length, without those that the kernel adds by itself."""
    shown: list[dict[str, Any]] = json.loads(await run("ip", "-n", netns, "-j", "address", "show", "dev", device))
    found = [entry for link in shown for entry in link.get("addr_info", []) if entry.get("scope") != "link"]
    return {f"{entry['local']}/{entry['prefixlen']}" for entry in found}


def checksum_off(device: str) -> None:
    """The user-space datapath forwards frames as it got them, so the sender must finish its checksums.

    Without this, ping works and TCP hangs.
    """
    value = ctypes.create_string_buffer(struct.pack("=II", _SET_TX_CHECKSUM, 0))
    request = struct.pack("@16sP", device.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


async def inside(netns: str, work: Callable[[], T]) -> T:
    """Run `work` in a thread that has entered the namespace, and ends with it: no other work is led astray."""

    def enter_and_work() -> T:
        _enter(netns)
        return work()

    with ThreadPoolExecutor(1) as thread:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, enter_and_work)
        except OSError as error:
            raise DriverError(f"Work in a network namespace failed: {error.strerror}.", again=True) from error


def _enter(netns: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with (NAMESPACES / netns).open() as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _usable(name: str) -> bool:
    """After a reboot a name may be left that is only an empty file."""
    return (NAMESPACES / name).stat().st_dev != NAMESPACES.stat().st_dev
