"""Engines: the drivers that serve one host."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from trivet.domain.servers.words import Kind
from trivet.drivers import durable
from trivet.drivers.contracts.machine import MACHINES, MachineDriver
from trivet.drivers.contracts.network import WireDriver
from trivet.drivers.contracts.patience import patient

_logger = logging.getLogger(__name__)


class Halted:
    """Servers that we stopped ourselves when the host went down: they come back with it.

    They lie in a file until each is back, so that dying in between leaves none of them off.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._file: Path | None = None

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def read(self, file: Path) -> None:
        """The ids of the machines that were halted last time."""
        self._file = file
        try:
            self._ids |= set(json.loads(file.read_text()))
        except FileNotFoundError:
            pass
        except (ValueError, TypeError):
            _logger.warning("It cannot be read which servers were stopped with this host; those stay off")

    def discard(self, id: str) -> None:
        """It is back, or never will be."""
        if id in self._ids:
            self._ids.discard(id)
            self._write()

    def add(self, ids: set[str], file: Path) -> None:
        self._file = file
        self._ids |= ids
        self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        if not self._ids:
            self._file.unlink(missing_ok=True)
            return
        durable.write(self._file, json.dumps(sorted(self._ids)).encode())


@dataclass(frozen=True, slots=True)
class Engines:
    machines: dict[Kind, MachineDriver]
    wires: WireDriver
    halted: Halted = field(default_factory=Halted)

    def __post_init__(self) -> None:
        """Every call of a driver is bounded, whoever makes it. A driver that serves several kinds is wrapped once."""
        known = {id(driver): patient(driver, MACHINES) for driver in self.machines.values()}
        object.__setattr__(self, "machines", {kind: known[id(driver)] for kind, driver in self.machines.items()})
        object.__setattr__(self, "wires", patient(self.wires, (WireDriver,)))
