"""The door to the network between the hosts, where tunnels end.

The kernel's datapath takes tunnels at any address of the host. The one in user space takes them only at the address of
one of its own bridges, so there the interface goes into a bridge of ours, and the address with it.
"""

from trivet.drivers.ovn.chassis import links
from trivet.drivers.ovn.chassis.datapath import Datapath
from trivet.drivers.ovn.commands import attempt
from trivet.drivers.ovn.seats import Underlay


class Door:
    def __init__(self, bridge: str, underlay: Underlay) -> None:
        self._bridge = bridge
        self.underlay = underlay

    def is_open(self) -> bool:
        return links.exists(self.underlay.interface)

    def on_switch(self, datapath: Datapath) -> list[str]:
        """What ovs-vsctl is told."""
        if datapath == "system":
            return ["--", "--if-exists", "del-br", self._bridge]
        return [
            *("--", "--may-exist", "add-br", self._bridge),
            *("--", "set", "bridge", self._bridge, "datapath_type=netdev", "fail_mode=standalone"),
            *("--", "--may-exist", "add-port", self._bridge, self.underlay.interface),
        ]

    async def open(self, datapath: Datapath) -> None:
        address, interface = self.underlay.address, self.underlay.interface
        if datapath == "system":
            await links.batch([f"link set {interface} up", f"address replace {address} dev {interface}"])
            return
        await attempt("ip", "address", "delete", address, "dev", interface)  # it was the interface's until now
        await links.batch(
            [f"link set {interface} up", f"address replace {address} dev {self._bridge}", f"link set {self._bridge} up"]
        )
        links.checksum_off(self._bridge)

    async def close(self) -> None:
        await links.delete(self._bridge)  # left over if the switch was killed
