"""Claims under fire (HA-01, HA-02): many processes, one pool of capacity that they fill exactly.

None may over-commit, none may be refused while there is room, and after processes were killed in the
middle no claim may be without its owner.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.domain.placement import claimant
from tests.domain.placement.claimant import store_at
from tests.programs import PATIENCE_S
from tests.store.conftest import fresh_url

from trivet.domain.hosts import hosts
from trivet.store.store import Store

CLAIMANT = Path(__file__).with_name("claimant.py")
HOSTS = 100
EACH = 10
PROCESSES = 8


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "trivet.db") if request.param == "sqlite" else fresh_url(request)


async def prepare(where: str) -> Store:
    store = store_at(where)
    await store.open()
    await store.migrate()
    async with store.write() as tx:
        await tx.run("CREATE TABLE owners (id TEXT PRIMARY KEY, host_id TEXT NOT NULL)")
        for n in range(HOSTS):
            await hosts.register(
                tx,
                hosts.Host(
                    id=f"host-{n}",
                    name=f"host-{n}",
                    kinds=("vm",),
                    vcpus=EACH,
                    memory_mib=EACH * 512,
                    disk_gib=10,
                    hypervisor_type="sim",
                    created_at=0.0,
                    updated_at=0.0,
                ),
                {"VCPU": 1.0},
            )
    return store


Claimant = subprocess.Popen[str]
Start = Callable[[int], Claimant]


@pytest.fixture
def start(where: str) -> Iterator[Start]:
    """Whatever still runs at the end of the test is killed."""
    begun: list[Claimant] = []

    def start(n: int) -> Claimant:
        command = [sys.executable, str(CLAIMANT), where, str(n), str(PROCESSES), str(HOSTS * EACH), "4"]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        with process:
            process.kill()


def ended_well(process: Claimant) -> None:
    said, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert said == "0\n", f"{said} claims were refused though there was room"


async def check_exactly_full(store: Store) -> None:
    async with store.read() as tx:
        taken = await tx.rows("SELECT class, used, capacity, free FROM inventories WHERE class <> 'DISK_GB'")
        assert len(taken) == 2 * HOSTS
        assert all(used == capacity and free == 0 for _, used, capacity, free in taken)
        await check_nothing_leaked(store)


async def check_provider_sums(store: Store) -> None:
    async with store.read() as tx:
        differing = await tx.rows(
            "SELECT i.provider_id, i.class, i.used, COALESCE(SUM(c.used), 0) FROM inventories i"
            " LEFT JOIN claims c ON c.provider_id = i.provider_id AND c.class = i.class"
            " GROUP BY i.provider_id, i.class, i.used HAVING i.used <> COALESCE(SUM(c.used), 0)"
        )
        assert list(differing) == [], "used is the sum of the claims"
        wrong = await tx.rows("SELECT provider_id, class FROM inventories WHERE free <> capacity - used")
        assert list(wrong) == []


async def check_nothing_leaked(store: Store) -> None:
    await check_provider_sums(store)
    async with store.read() as tx:
        orphans = await tx.rows("SELECT id FROM consumers WHERE id NOT IN (SELECT id FROM owners)")
        assert list(orphans) == [], "no claim is without its owner"
        bare = await tx.rows("SELECT id FROM owners WHERE id NOT IN (SELECT consumer_id FROM claims)")
        assert list(bare) == [], "no owner is without its claim"
        over = await tx.rows("SELECT provider_id FROM inventories WHERE used > capacity")
        assert list(over) == []


async def test_claims_of_many_processes_fill_the_capacity_exactly(where: str, start: Start) -> None:
    store = await prepare(where)
    for process in [start(n) for n in range(PROCESSES)]:
        ended_well(process)
    await check_exactly_full(store)
    await store.close()


async def test_claims_of_many_threads_fill_the_capacity_exactly(where: str) -> None:
    store = await prepare(where)

    def claim(n: int) -> int:
        return asyncio.run(claimant.main(where, n, PROCESSES, HOSTS * EACH, 4))

    with ThreadPoolExecutor(PROCESSES) as threads:
        refused = await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(threads, claim, n) for n in range(PROCESSES))
        )
    assert sum(refused) == 0
    await check_exactly_full(store)
    await store.close()


async def test_killed_claimants_leave_nothing_behind_and_their_successors_finish(
    where: str, start: Start, chance: random.Random
) -> None:
    store = await prepare(where)
    processes = {n: start(n) for n in range(PROCESSES)}
    kills = 0
    while processes:
        time.sleep(chance.uniform(0.01, 0.15))
        for n, process in list(processes.items()):
            if process.poll() is not None:
                ended_well(process)
                del processes[n]
        if processes and kills < 40:
            n = chance.choice(sorted(processes))
            processes[n].kill()
            processes[n].communicate(timeout=PATIENCE_S)
            kills += 1
            processes[n] = start(n)
            await check_nothing_leaked(store)
    await check_exactly_full(store)
    await store.close()
