"""Rows are locked in one order (PostgreSQL): whoever changes providers waits for others, but never in a circle.

A circle costs a second each time before the database breaks it, and the work runs again: a cloud whose agents
register while servers come and go would mostly wait.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.domain.placement.test_claims_races import check_provider_sums
from tests.store.conftest import fresh_url

from trivet.clock import SystemClock
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.placement import choosing, claims, inventories, providers, traits
from trivet.domain.placement.choosing import Want
from trivet.domain.placement.claims import Consumer
from trivet.domain.placement.inventories import Inventory
from trivet.errors import Conflict, NotFound, Stale
from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore
from trivet.store.store import Store
from trivet.store.tx import Tx

pytestmark = pytest.mark.postgres

CLASSES = ("DISK_GB", "MEMORY_MB", "VCPU")
HOST_COUNT = 4
CONSUMERS = 8
ROUNDS = 600
AT_ONCE = 8


@pytest.fixture
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    opened = PostgresStore(fresh_url(request), SystemClock(), SystemIds(), connections=AT_ONCE)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


def host(n: int, chance: random.Random) -> Host:
    return Host(
        id=f"host-{n}",
        name=f"host-{n}",
        kinds=chance.choice((("vm",), ("vm", "container"))),
        vcpus=chance.randint(50, 60),
        memory_mib=4096,
        disk_gib=chance.randint(90, 100),
        hypervisor_type="sim",
        created_at=0.0,
        updated_at=0.0,
    )


async def act(tx: Tx, chance: random.Random) -> None:
    """What any process may do to providers at any moment."""
    n = chance.randrange(HOST_COUNT)
    consumer = Consumer(f"consumer-{chance.randrange(CONSUMERS)}", "p", "u")
    kind = chance.choice(("place", "free", "replace", "register", "inventories", "traits", "forget", "delete"))
    if kind == "place":
        await choosing.place(tx, consumer, Want(resources=dict.fromkeys(CLASSES, 1)))
    elif kind == "free":
        await claims.free(tx, consumer.id)
    elif kind == "replace":
        some = chance.sample(range(HOST_COUNT), 2)
        await claims.replace(tx, [(consumer, {f"host-{m}": {chance.choice(CLASSES): 1} for m in some})])
    elif kind == "register":
        await hosts.register(tx, host(n, chance), {"VCPU": 1.0})
    elif kind == "forget" and (known := await tx.get(HOSTS, f"host-{n}")) is not None:
        await hosts.forget(tx, known)
    elif (provider := await providers.get(tx, f"host-{n}")) is None:
        return
    elif kind == "inventories":
        await providers.move_on(tx, provider)
        total = chance.randint(50, 60)
        await inventories.replace(tx, provider.id, {name: Inventory(total=total) for name in CLASSES})
    elif kind == "traits":
        await providers.move_on(tx, provider)
        await traits.set_of_provider(tx, provider.id, {hosts.kind_trait("vm")})
    else:
        await tx.run("DELETE FROM hosts WHERE id = ?", provider.id)
        await providers.delete(tx, provider.id)


async def test_whoever_changes_providers_at_once_never_waits_in_a_circle(store: Store, chance: random.Random) -> None:
    rounds = iter(range(ROUNDS))
    circles = 0

    async def worker() -> None:
        nonlocal circles
        for _ in rounds:
            try:
                async with store.write() as tx:
                    await act(tx, chance)
            except Stale as error:
                circles += "transaction" in error.message
            except (Conflict, NotFound):
                pass  # somebody was faster, or something is in use or gone

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert circles == 0
    await check_provider_sums(store)


async def until_someone_waits(store: Store) -> None:
    """For a row that another transaction holds."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(60):
        while True:
            async with store.read() as tx:
                if await tx.row(waiting) is not None:
                    return
            await asyncio.sleep(0.01)


async def test_a_host_that_registers_while_its_ratio_is_changed_takes_up_the_new_one(store: Store) -> None:
    small = host(0, random.Random(0))
    async with store.write() as tx:
        await hosts.register(tx, small)

    async def register_bigger() -> None:
        async with store.write() as tx:
            await hosts.register(tx, msgspec.structs.replace(small, vcpus=100))

    async with store.write() as tx:
        provider = await providers.move_on(tx, await providers.need(tx, small.id))
        inventory = Inventory(total=small.vcpus, reserved=10, allocation_ratio=1.0)
        await inventories.write(tx, provider.id, {"VCPU": inventory})
        registering = asyncio.create_task(register_bigger())
        await until_someone_waits(store)
    await registering
    async with store.read() as tx:
        row = await tx.row("SELECT total, reserved, capacity, free FROM inventories WHERE class = 'VCPU'")
        assert row is not None
        assert tuple(row) == (100, 10, 90, 90), "not with the ratio of 4 that hosts begin with"
