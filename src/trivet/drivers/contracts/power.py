"""Contract for the power of a host: looked at and cut by its BMC, whatever that speaks."""

from typing import Literal, Protocol

import msgspec

from trivet.drivers.contracts.patience import within

Power = Literal["on", "off"]
CUT_S = 30.0
LOOK_S = 5.0


class BmcAt(msgspec.Struct, frozen=True):
    url: str
    username: str
    password: str
    certificate: str = ""


class PowerDriver(Protocol):
    @within(LOOK_S, about="at.url", looks=True)
    async def look(self, at: BmcAt) -> Power:
        """What the BMC says at this moment. DriverError: it does not answer, or says neither."""
        ...

    @within(CUT_S, about="at.url")
    async def cut(self, at: BmcAt) -> None:
        """Without a word to what runs there; back when the BMC has said that the power is off. Twice is once."""
        ...
