"""Contract for what tells whether hosts live: a probe looks at many at once and says what it saw of each.

Others' probes come in by the entry point `trivet.probes`: a name there is a probe's name, and what it loads is called
without arguments and gives one. What a probe cannot tell it says so (`unknown`); it never guesses.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from trivet.drivers.contracts.patience import within
from trivet.drivers.contracts.power import BmcAt

GROUP = "trivet.probes"
LOOK_S = 10.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    host_id: str
    name: str
    management: str = ""
    """Its address on the network for management; empty: unknown, or this very machine."""
    tenant: str = ""
    """Its address between the hosts; the same."""
    bmc: BmcAt | None = None


class Finding(msgspec.Struct, frozen=True):
    value: Literal["up", "down", "unknown"]
    detail: str = ""


class Probe(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """By what it looks: icmp, redfish and the like."""
        ...

    @property
    def every_s(self) -> float:
        """How long from the end of one look to the next."""
        ...

    @property
    def downs(self) -> int:
        """How often in a row it must see a host down before that counts."""
        ...

    @within(LOOK_S, looks=True)
    async def look(self, targets: Sequence[Target]) -> Mapping[str, Finding]:
        """Host id -> what was seen; a host that is not in it was not looked at."""
        ...
