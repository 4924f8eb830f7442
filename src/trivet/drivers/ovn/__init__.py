"""OVN as the network engine: `OvnEngine` runs it, `OvnNetwork` tells it, `OvnWires` plugs machines into it."""

from trivet.drivers.ovn.engine import External, OvnEngine, missing
from trivet.drivers.ovn.northbound import OvnNetwork
from trivet.drivers.ovn.wires import OvnWires

__all__ = ["External", "OvnEngine", "OvnNetwork", "OvnWires", "missing"]
