"""The fabric: the cables and switches between the lab's hosts, in a network namespace of their own.

There is a network for management, where the API answers and where the machine that runs the lab takes part, and one
between the hosts, over which servers' packets go. A cable can be cut and mended.
"""

import subprocess
from zlib import crc32

import msgspec

MTU = 1500
_BRIDGES = ("mgmt", "tenant")
"""Also the names that a host's own ends of the cables have."""
_OWN = 254
"""Of the machine that runs the lab, where hosts have their numbers."""


class Fabric(msgspec.Struct, frozen=True):
    name: str
    """What its namespace and its end on this machine begin with: at most 8 letters."""

    @property
    def namespace(self) -> str:
        return f"{self.name}-fabric"

    @property
    def own_end(self) -> str:
        return f"{self.name}-mgmt"

    def address(self, number: int) -> str:
        """Of a host, for management. Labs of other names, on the same machine, have other addresses."""
        return f"172.31.{crc32(self.name.encode()) % 256}.{number}"

    @property
    def own_address(self) -> str:
        """Of the machine that runs the lab; the hosts' BMCs answer there."""
        return self.address(_OWN)

    def tenant_address(self, number: int) -> str:
        return f"10.255.{crc32(self.name.encode()) % 256}.{number}"

    def lay(self) -> None:
        """Again is the same as once."""
        if self.namespace in _run("ip", "netns", "list").split():
            return
        _run("ip", "netns", "add", self.namespace)
        for bridge in _BRIDGES:
            _run("ip", "-n", self.namespace, "link", "add", bridge, "type", "bridge")
            _run("ip", "-n", self.namespace, "link", "set", bridge, "up")
        _run("ip", "link", "add", self.own_end, "type", "veth", "peer", "name", "own", "netns", self.namespace)
        _run("ip", "-n", self.namespace, "link", "set", "own", "master", "mgmt", "up")
        _run("ip", "address", "add", f"{self.address(_OWN)}/24", "dev", self.own_end)
        _run("ip", "link", "set", self.own_end, "up")

    def unplug(self, number: int) -> None:
        """Both cables of a host: what the kernel has not cleared away yet of a world that lost its power would answer
        for a while."""
        for bridge in _BRIDGES:
            link = _cable(bridge, number)
            subprocess.run(["ip", "-n", self.namespace, "link", "delete", link], check=False, capture_output=True)

    def plug(self, number: int, pid: int) -> None:
        """A cable of each network into the host whose first process that is."""
        self.unplug(number)
        for bridge in _BRIDGES:
            cable = _cable(bridge, number)
            _run(
                *("ip", "-n", self.namespace, "link", "add", cable, "type", "veth"),
                *("peer", "name", f"{bridge}0", "netns", str(pid)),
            )
            _run("ip", "-n", self.namespace, "link", "set", cable, "master", bridge, "up")

    def set_cable(self, number: int, network: str, *, up: bool) -> None:
        _run("ip", "-n", self.namespace, "link", "set", _cable(network, number), "up" if up else "down")

    def remove(self) -> None:
        subprocess.run(["ip", "link", "delete", self.own_end], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False, capture_output=True)


def _cable(network: str, number: int) -> str:
    return f"{network}-h{number}"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
