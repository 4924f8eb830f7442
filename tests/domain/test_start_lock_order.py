"""Hosts are registered again at every start. Who meets others halfway there begins again and is not stopped by it."""

import asyncio
from pathlib import Path

import asyncpg
from tests.postgres import PostgresCluster

from trivet.clock import SystemClock
from trivet.hosting.simulated import simulated
from trivet.ids import SystemIds
from trivet.process import make_parts, make_store
from trivet.settings import Settings

# Who waits looks for a circle once, after this: the start in good time, its rival never.
_START_LOOKS, _RIVAL_LOOKS = "3s", "280s"


async def test_who_met_somebody_halfway_begins_again(postgres_cluster: PostgresCluster, tmp_path: Path) -> None:
    url = postgres_cluster.migrated_database()
    rival = await asyncpg.connect(url)
    name = await rival.fetchval("SELECT current_database()")
    await rival.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '{_START_LOOKS}'")
    await rival.execute(f"SET deadlock_timeout = '{_RIVAL_LOOKS}'")
    settings = Settings(data=str(tmp_path), database=url, sim=True, sim_hosts=2)
    store = make_store(settings, SystemClock(), SystemIds())
    await store.open()
    parts = make_parts(settings, store, store.clock, store.ids)
    await simulated(parts)
    async with rival.transaction():
        await rival.execute("UPDATE hosts SET revision = revision WHERE name = 'sim-00002'")
        starting = asyncio.create_task(simulated(parts))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        while not await rival.fetchval(waits, name):
            await asyncio.sleep(0.02)
        await rival.execute("UPDATE hosts SET revision = revision WHERE name = 'sim-00001'")
    assert len((await starting).engines) == 2
    await rival.close()
    parts.passwords.close()
    await store.close()
