"""A store that counts the circles in which transactions waited for each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trivet.errors import Stale
from trivet.store.postgres import PostgresStore
from trivet.store.tx import Tx


class Counting(PostgresStore):
    """Knows how often the database broke a circle."""

    circles = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        try:
            async with super().write() as tx:
                yield tx
        except Stale as error:
            self.circles += "transaction" in error.message
            raise
