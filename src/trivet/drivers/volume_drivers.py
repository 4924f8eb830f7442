"""Which back ends for volumes there are: ours, and what other packages bring by the entry point `trivet.volumes`.

An entry point names something that is called with a folder for what the back end keeps, and gives a VolumeDriver.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from trivet.drivers.contracts.volume import VolumeDriver
from trivet.drivers.qsd.volumes import QsdVolumes
from trivet.drivers.sim.volumes import SimVolumes

Maker = Callable[[Path], VolumeDriver]


def volume_drivers() -> dict[str, Maker]:
    found: dict[str, Maker] = {"files": QsdVolumes, "sim": lambda _: SimVolumes()}
    return found | {entry.name: entry.load() for entry in entry_points(group="trivet.volumes")}
