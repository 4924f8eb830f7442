"""The engine for physical machines as this cloud has it: what it is told, who runs it, and what asks it.

One process runs it, and all that share its folder ask it.
"""

from pathlib import Path

from trivet.drivers.ironic.config import Wanted
from trivet.drivers.ironic.engine import Engine, missing
from trivet.drivers.ironic.upstream import SocketUpstream
from trivet.errors import Invalid
from trivet.parts import Parts
from trivet.settings import Settings


def wanted_by(settings: Settings) -> Wanted:
    return Wanted(
        folder=Path(settings.data).absolute() / "metal",
        hardware=tuple(settings.metal_hardware.split(",")),
        door=settings.metal_door,
        media=settings.metal_media,
        addresses=settings.metal_dhcp,
        ramdisk=Path(settings.metal_ramdisk).absolute(),
    )


def metal_engine(parts: Parts) -> Engine | None:
    """None where the cloud wants none. Refused, with what is missing, where it cannot run."""
    if not parts.settings.metal:
        return None
    wanted = wanted_by(parts.settings)
    if lacks := missing(wanted):
        raise Invalid("engine.missing", f"The engine for physical machines lacks: {', '.join(lacks)}.")
    parts.metal = SocketUpstream(wanted.socket)
    return Engine(wanted)
