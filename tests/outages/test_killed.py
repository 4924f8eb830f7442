"""The one process dies, or is asked to stop, in the middle of its work; nothing that was answered is lost."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.outages.alone import Alone
from tests.programs import until

SERVERS = 100
DEATHS = 8


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    (tmp_path / "data").mkdir()
    alone = Alone(tmp_path / "data", tmp_path)
    try:
        alone.start()
        yield alone
    finally:
        alone.stop()


def test_killed_during_a_hundred_creates_and_deletes(alone: Alone, chance: random.Random) -> None:
    """kill -9 at random, and started again at once: all end ACTIVE or gone, and the books balance."""
    tenant = alone.client()
    image, network = tenant.image(), tenant.network()
    made: list[str] = []
    deleted: list[str] = []
    died = threading.Event()

    def work() -> None:
        own = alone.client()
        for number in range(SERVERS):
            if number == SERVERS - 1:
                # However slowly it dies, it dies in the middle.
                died.wait()
            status, told = own.create(f"s{number}", image, network)
            assert status == 202, told
            made.append(told["server"]["id"])
            if number % 2:
                gone = made[-2]
                own.delete(gone)
                deleted.append(gone)

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)

        def went_on(count: int) -> None:
            until(f"{count} are made", lambda: len(made) >= count or working.done(), pause_s=0.002)

        try:
            for death in range(1, DEATHS + 1):
                went_on(death * SERVERS // (DEATHS + 2))
                time.sleep(chance.uniform(0, 0.02))
                assert not working.done(), working.exception()
                alone.kill()
                alone.start()
        finally:
            died.set()
        working.result()
    assert len(made) == SERVERS
    # What a broken connection left without an answer may be there a second time: it counts like any other.
    tenant.until("all ACTIVE", lambda: {server["status"] for server in tenant.servers()} == {"ACTIVE"})
    there = {server["id"] for server in tenant.servers()}
    assert there >= set(made) - set(deleted)
    tenant.until("what was deleted is gone", lambda: not {one["id"] for one in tenant.servers()} & set(deleted))
    tenant.books_balance()
    for id in {server["id"] for server in tenant.servers()}:
        tenant.delete(id)
    tenant.until("all gone", lambda: not tenant.servers())
    tenant.books_balance()


def test_asked_to_stop_under_load_it_ends_well_and_loses_nothing(alone: Alone) -> None:
    tenant = alone.client()
    image = tenant.image()
    made: list[str] = []
    stopping = threading.Event()
    clients = [alone.client() for _ in range(3)]

    def work(number: int) -> None:
        for index in range(200):
            try:
                status, told = clients[number].create(f"s{number}-{index}", image, None, once=True)
            except OSError:
                return
            if status == 202:
                made.append(told["server"]["id"])
            elif stopping.is_set():
                return

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(work, number) for number in range(3)]
        until("ten are made", lambda: len(made) >= 10 or all(one.done() for one in working))
        stopping.set()
        assert alone.stop() == 0
        for one in working:
            one.result()
    assert "Traceback" not in alone.log()
    alone.start()
    again = alone.client()
    assert {server["id"] for server in again.servers()} >= set(made)
    again.until("all ACTIVE", lambda: {server["status"] for server in again.servers()} == {"ACTIVE"})
    again.books_balance()
