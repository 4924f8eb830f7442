"""A real host whose API is elsewhere: a chassis of the cloud's network, with this machine's engines."""

import time
from pathlib import Path

import msgspec

from trivet.agent.engines import Engines
from trivet.agent.http_link import HttpLink
from trivet.domain.host_link.words import Facts, Registered
from trivet.domain.hosts import authority
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ovn.chassis.wires import OvnWires
from trivet.drivers.ovn.engine import OvnEngine
from trivet.drivers.ovn.seats import Chassis, Keys, Underlay
from trivet.hosting.this_machine import ThisMachine, keep_keys, tag_of


class RealWorld:
    has_guests = True

    def __init__(self, machine: ThisMachine, data: Path, underlay: Underlay) -> None:
        self._machine = machine
        self._data = data
        self._underlay = underlay
        self._keys = Keys.under(data / "overlay")
        self._ovn: OvnEngine | None = None
        self._wires: OvnWires | None = None
        self._engines: Engines | None = None

    @property
    def engines(self) -> Engines:
        if self._engines is None:
            raise RuntimeError("the host has not entered its cloud yet")
        return self._engines

    def facts(self, holder: str) -> Facts:
        said = msgspec.structs.asdict(self._machine.has)
        up_s = said.pop("up_s")
        return Facts(holder=holder, address=self._underlay.ip, booted_at=time.time() - up_s, **said)

    async def enter(self, registered: Registered, link: HttpLink) -> None:
        private_key, asked = authority.request(registered.host_id)
        admitted = await link.admitted(asked)
        keep_keys(self._keys, private_key, admitted)
        seat = Chassis(self._underlay, self._keys, admitted.chassis, admitted.southbound)
        if self._ovn is None:
            self._ovn = OvnEngine(self._data, tag_of(self._data), seat=seat)
            self._wires = OvnWires(self._ovn)
            self._engines = self._machine.engines(self._wires)
        self._ovn.take_seat(seat)
        await self._ovn.up()

    async def tend(self) -> None:
        if self._ovn is None:
            raise DriverError("The host has not entered its cloud's network yet.", again=True)
        await self._ovn.up()

    async def leave(self) -> None:
        if self._engines is not None:
            await self._machine.halt(self._engines)
        if self._wires is not None:
            await self._wires.close()
        if self._ovn is not None:
            await self._ovn.down()
