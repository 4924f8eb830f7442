"""Sinks: the blobs that one image is written to, one in each store, side by side; so its bytes come once."""

import asyncio

from trivet.domain.images import stores
from trivet.domain.images.stores import Targets
from trivet.drivers.contracts.blobs import Blobs, Sink
from trivet.drivers.contracts.errors import DriverError


class Sinks:
    def __init__(self, sinks: dict[str, Sink], key: str, *, must_succeed: bool) -> None:
        self._sinks = sinks
        self._key = key
        self._must_succeed = must_succeed
        self.failed: list[str] = []

    @property
    def copies(self) -> dict[str, str]:
        """Store -> key, of those that went well so far."""
        return {store: stores.key_in(store, self._key) for store in self._sinks}

    async def write(self, chunk: bytes) -> None:
        if len(self._sinks) == 1:
            (sink,) = self._sinks.values()
            await sink.write(chunk)
        else:
            await self._each({store: sink.write(chunk) for store, sink in self._sinks.items()})

    async def finish(self) -> None:
        await self._each({store: sink.finish() for store, sink in self._sinks.items()})

    async def abandon(self) -> None:
        for sink in self._sinks.values():
            await sink.abandon()

    async def _each(self, doing: "dict[str, asyncio._CoroutineLike[None]]") -> None:
        """A store that cannot take them ends all of it, or is left out while there is another."""
        ended = await asyncio.gather(*doing.values(), return_exceptions=True)
        for store, error in zip(doing, ended, strict=True):
            if error is None:
                continue
            if not isinstance(error, DriverError) or self._must_succeed or len(self._sinks) == 1:
                raise error
            await self._sinks.pop(store).abandon()
            self.failed.append(store)


async def open_all(blobs: Blobs, key: str, to: Targets) -> Sinks:
    opened: dict[str, Sink] = {}
    sinks = Sinks(opened, key, must_succeed=to.must_succeed)
    try:
        for store in to.stores:
            try:
                opened[store] = await blobs.create(stores.key_in(store, key))
            except DriverError:
                if to.must_succeed or (store == to.stores[-1] and not opened):
                    raise
                sinks.failed.append(store)
    except BaseException:
        await sinks.abandon()
        raise
    return sinks
