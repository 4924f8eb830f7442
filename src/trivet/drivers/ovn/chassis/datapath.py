"""Which datapath OVS gets here: the kernel's where it can be ours alone, else the one in user space.

Both have a name that a network namespace can hold only once. The kernel's, "ovs-system", would be fought over
by two vswitchds, each removing the other's ports; so a running vswitchd that is not ours means user space.
The user-space one's device, "ovs-netdev", is not needed once it exists, so we rename ours out of the way
and the next vswitchd (a second Trivet, or the system's own) can make its own. OVS makes its devices persistent:
one whose vswitchd was killed stays, and only trying to attach tells it from one in use.
"""

import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.commands import attempt

Datapath = Literal["system", "netdev"]
USERSPACE_DEVICE = "ovs-netdev"
_GENERIC_NETLINK, _CONTROL, _GET_FAMILY, _ERROR = 16, 0x10, 3, 2
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_LOCK = Path("/run/lock/trivet-ovs.lock")


async def choose(own_vswitchd: int | None) -> Datapath:
    if _foreign_vswitchd(own_vswitchd):
        return "netdev"
    await attempt("modprobe", "-q", "openvswitch")
    return "system" if _kernel_has("ovs_datapath") else "netdev"


def in_use(tap: str) -> bool:
    """Whether a process holds that tap device."""
    if not links.exists(tap):
        return False
    with Path("/dev/net/tun").open("r+b", buffering=0) as tun:
        try:
            fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", tap.encode(), _IFF_TAP | _IFF_NO_PI))
        except OSError:
            return True
    return False


@contextmanager
def only_one_of_us() -> Iterator[None]:
    """Between a vswitchd's making of `ovs-netdev` and our renaming it, no other Trivet may start one."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kernel_has(family: str) -> bool:
    """Ask generic netlink, as OVS itself does; the list of modules does not tell of what is built in."""
    name = family.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(name), 2) + name + b"\0" * (-len(name) % 4)
    body = struct.pack("=BBH", _GET_FAMILY, 1, 0) + attribute
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC_NETLINK) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), _CONTROL, 1, 1, 0) + body)
        (kind,) = struct.unpack_from("=H", netlink.recv(4096), 4)
    return int(kind) != _ERROR


def _foreign_vswitchd(own: int | None) -> bool:
    here = Path("/proc/self/ns/net").stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        try:
            running = (process / "comm").read_text().strip() == "ovs-vswitchd"
            if running and int(process.name) != own and (process / "ns/net").stat().st_ino == here:
                return True
        except OSError:
            continue  # it ended while we looked
    return False
