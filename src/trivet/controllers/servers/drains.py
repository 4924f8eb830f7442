"""Drains: servers of hosts that are being emptied leave a few at a time, each in a transaction of its own."""

from contextlib import suppress
from functools import partial

from trivet.domain.servers import draining
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.errors import TrivetError
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import Store, transact
from trivet.store.tx import Tx


class Drains:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def step(self, lease: Lease) -> None:
        async with self._store.read() as tx:
            open = await draining.open_ones(tx)
        for host_id in open:
            with suppress(Unforeseen):
                await foreseen(f"draining host {host_id}", self._drain(lease, host_id), TrivetError)

    async def _drain(self, lease: Lease, host_id: str) -> None:
        async with self._store.read() as tx:
            ready = await draining.next_ones(tx, host_id)
        for id in ready:
            try:
                await transact(self._store, partial(_send_away, lease, host_id, id))
            except Lost:
                raise
            except TrivetError as error:
                await transact(self._store, partial(_stays, lease, host_id, id, error))
        await transact(self._store, partial(_close, lease, host_id))


async def _send_away(lease: Lease, host_id: str, id: str, tx: Tx) -> None:
    await fence(tx, lease)
    await draining.send_away(tx, host_id, id)


async def _stays(lease: Lease, host_id: str, id: str, error: TrivetError, tx: Tx) -> None:
    await fence(tx, lease)
    await draining.stays(tx, host_id, id, error)


async def _close(lease: Lease, host_id: str, tx: Tx) -> None:
    await fence(tx, lease)
    await draining.close_empty(tx, host_id)
