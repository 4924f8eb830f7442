"""Ports for servers that the tests start in processes of their own, which have to be named before they are bound.

Below the range from which outgoing connections take theirs, and claimed until this process ends: neither a
connection nor another run of the tests on this machine takes one between its choice and its use.
"""

import secrets
import socket
from pathlib import Path

_LOWEST = 10_000
_claims: list[socket.socket] = []


def free_port() -> int:
    """Nobody listens there, and nobody else is given it."""
    count = _ephemeral() - _LOWEST
    first = secrets.randbelow(count)
    for step in range(count):
        port = _LOWEST + (first + step) % count
        if _claimed(port) and _unused(port):
            return port
    raise AssertionError("every port is taken")


def _ephemeral() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def _claimed(port: int) -> bool:
    """By a name that only one process can have, and that goes with it however it ends."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0trivet-tests-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
