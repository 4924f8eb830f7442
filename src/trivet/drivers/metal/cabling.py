"""Cabling: which network each card of a machine is in, at each step of its life.

A machine is in the parking VLAN, which leads nowhere; in the deploy VLAN while Ironic's ramdisk runs; or its cards are
in the tenant's networks. Whatever is set is read back from the switch, and what was not taken is an error for good:
a machine in a wrong network must not run.
"""

from collections.abc import Mapping, Sequence

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.switch import Carries, SwitchDriver
from trivet.drivers.metal.nodes import Card


class Vlans(msgspec.Struct, frozen=True):
    deploy: int
    parking: int


class Cabling:
    def __init__(self, switches: Mapping[str, SwitchDriver], vlans: Vlans) -> None:
        self._switches = switches
        self._vlans = vlans

    async def park(self, cards: Sequence[Card]) -> None:
        await self.put(cards, {})

    async def deploy(self, cards: Sequence[Card]) -> None:
        """The first card boots the ramdisk; the others wait."""
        await self.put(cards, {card.mac: self._vlans.deploy for card in cards[:1]})

    async def put(self, cards: Sequence[Card], vlans: Mapping[str, int]) -> None:
        """Each card into its VLAN, by MAC; those without one are parked. Parked first: no two networks meet on the
        way."""
        for card in sorted(cards, key=lambda card: card.mac in vlans):
            await self._put(card, vlans.get(card.mac, self._vlans.parking))

    async def _put(self, card: Card, vlan: int) -> None:
        switch = self._switches.get(card.switch)
        if switch is None:
            raise DriverError(f"The card {card.mac} is on a switch that nobody told us how to reach.", again=False)
        wanted = Carries(vlan=vlan)
        if await switch.read(card.port) != wanted:
            await switch.carry(card.port, wanted)
        found = await switch.read(card.port)
        if found != wanted:
            raise DriverError(
                f"The switch was told to put the card {card.mac} into VLAN {vlan}, and has it in {found.vlan}.",
                again=False,
            )
