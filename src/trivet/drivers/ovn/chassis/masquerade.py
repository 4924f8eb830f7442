"""The way from the provider network out into the world: forwarding and source NAT by the host's own kernel.

By iptables and not a table of our own, because only there can one pass the drop policy that other software
(Docker, ufw) gives to forwarded packets. Our rules carry a comment by which they are found again.
"""

import ipaddress
import shlex
from pathlib import Path

from trivet.drivers.ovn.commands import attempt, run

MARK = "trivet-"
"""What the comments of all Trivets' rules start with."""
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


async def open_door(name: str, directory: Path, device: str, address: str) -> None:
    network = str(ipaddress.ip_interface(address).network)
    before = directory / "forwarding-before"
    if not before.exists():
        before.write_text(_FORWARDING.read_text())
    _FORWARDING.write_text("1")
    await _have(name, "nat", "POSTROUTING", "-s", network, "!", "-d", network, "-j", "MASQUERADE")
    await _have(name, "filter", "FORWARD", "-i", device, "-j", "ACCEPT")
    await _have(name, "filter", "FORWARD", "-o", device, "-j", "ACCEPT")


async def close(name: str, directory: Path) -> None:
    before = directory / "forwarding-before"
    if not before.exists():
        return
    for table in ("nat", "filter"):
        listed = await run("iptables", "-w", "-t", table, "-S")
        for line in listed.splitlines():
            words = shlex.split(line)
            if words[0] == "-A" and name in words:
                await run("iptables", "-w", "-t", table, "-D", *words[1:])
    if not await _others_forward():
        _FORWARDING.write_text(before.read_text())


async def _others_forward() -> bool:
    """A second Trivet may have found forwarding on because of us."""
    return MARK in await run("iptables", "-w", "-S", "FORWARD")


async def _have(name: str, table: str, chain: str, *rule: str) -> None:
    words = (*rule, "-m", "comment", "--comment", name)
    code, _, _ = await attempt("iptables", "-w", "-t", table, "-C", chain, *words)
    if code != 0:
        await run("iptables", "-w", "-t", table, "-I", chain, *words)
