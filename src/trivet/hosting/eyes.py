"""Eyes: the probes that this process can look at hosts with, ours and those that others have installed."""

import logging
from importlib.metadata import entry_points

from trivet.drivers.contracts.power import PowerDriver
from trivet.drivers.contracts.probe import GROUP, Probe
from trivet.drivers.probes.echo import Echo
from trivet.drivers.probes.power import BmcPower

_logger = logging.getLogger(__name__)


def eyes(power: PowerDriver) -> list[Probe]:
    """One of a name that is ours takes the place of ours. One that cannot be made costs only itself."""
    found: dict[str, Probe] = {}
    for own in (Echo("management"), Echo("tenant"), BmcPower(power)):
        found[own.name] = own
    for entry in entry_points(group=GROUP):
        try:
            found[entry.name] = entry.load()()
        except (ImportError, AttributeError, TypeError, ValueError):
            _logger.exception("The probe %s cannot be used", entry.name)
    return list(found.values())
