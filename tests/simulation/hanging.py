"""Machines whose engine, on request, never answers; or answers so late that nobody waits any more."""

import asyncio
from contextlib import suppress
from typing import Literal

from trivet.drivers.contracts.machine import MachineSpec, Seen
from trivet.drivers.sim.machines import SimMachines


class HangingMachines(SimMachines):
    hanging: frozenset[str] = frozenset()
    """Verbs, ids, or both (`start s7`): whoever calls meanwhile gets no answer, ever."""
    deaf = False
    """What hangs does not end when it is cancelled: it takes effect when nothing hangs any more."""

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        await self._hang("observe", only or "")
        return await super().observe(only)

    async def create(self, spec: MachineSpec) -> None:
        await self._hang("create", spec.id)
        await super().create(spec)

    async def start(self, id: str, marks: dict[str, str]) -> None:
        await self._hang("start", id)
        await super().start(id, marks)

    async def stop(self, id: str, grace_s: float) -> bool:
        await self._hang("stop", id)
        return await super().stop(id, grace_s)

    async def remove(self, id: str) -> None:
        await self._hang("remove", id)
        await super().remove(id)

    async def pause(self, id: str) -> None:
        await self._hang("pause", id)
        await super().pause(id)

    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        await self._hang("snapshot", id)
        return await super().snapshot(id, path)

    async def _hang(self, verb: str, id: str) -> None:
        words = {verb, id, f"{verb} {id}"}
        if self.deaf:
            while words & self.hanging:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.5)
        elif words & self.hanging:
            await asyncio.get_running_loop().create_future()
