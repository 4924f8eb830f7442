"""Switches: the boxes that physical servers are plugged into.

A driver sets what a port carries and reads back what it carries now; that they are equal is for the caller to see.
Setting what is set already is fine.
"""

from typing import Protocol

import msgspec

from trivet.drivers.contracts.patience import LOOK_S, PLAIN_S, within


class Carries(msgspec.Struct, frozen=True):
    """What a port carries: its own VLAN without a tag, and further ones with theirs."""

    vlan: int | None
    """None: nothing comes or goes without a tag."""
    tagged: tuple[int, ...] = ()
    """In order."""


class SwitchDriver(Protocol):
    @within(LOOK_S, looks=True)
    async def ports(self) -> dict[str, Carries]:
        """All of them, by the names that the switch has for them."""
        ...

    @within(LOOK_S, about="port", looks=True)
    async def read(self, port: str) -> Carries:
        """DriverError, never again, if there is no such port."""
        ...

    @within(PLAIN_S, about="port")
    async def carry(self, port: str, carries: Carries) -> None:
        """Set it. It is in force when this comes back, or an error says otherwise."""
        ...

    async def close(self) -> None: ...


SWITCHES = (SwitchDriver,)
