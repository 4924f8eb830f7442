"""The one process dies, or is asked to stop, in the middle of its work; nothing that was answered is lost."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baddays.alone import Alone

SERVERS = 100
DEATHS = 8


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    (tmp_path / "data").mkdir()
    alone = Alone(tmp_path / "data", tmp_path)
    alone.start()
    yield alone
    alone.stop()


def test_killed_during_a_hundred_creates_and_deletes(alone: Alone) -> None:
    """kill -9 at random, and started again at once: all end ACTIVE or gone, and the books balance."""
    tenant = alone.client()
    image, network = tenant.image(), tenant.network()
    made: list[str] = []
    deleted: list[str] = []
    wrong: list[str] = []
    done = threading.Event()

    def work() -> None:
        own = alone.client()
        try:
            for number in range(SERVERS):
                status, told = own.create(f"s{number}", image, network)
                assert status == 202, told
                made.append(told["server"]["id"])
                if number % 2:
                    gone = made[-2]
                    own.delete(gone)
                    deleted.append(gone)
        except (AssertionError, OSError) as error:
            wrong.append(repr(error))
        finally:
            done.set()

    worker = threading.Thread(target=work)
    worker.start()
    chance = random.Random(11)
    for death in range(1, DEATHS + 1):
        while len(made) < death * SERVERS // (DEATHS + 2) and not done.is_set():
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        assert not done.is_set(), ("it dies in the middle", wrong)
        alone.kill()
        alone.start()
    worker.join()
    assert wrong == [] and len(made) == SERVERS
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

    def work(number: int) -> None:
        own = alone.client()
        for index in range(200):
            try:
                status, told = own.create(f"s{number}-{index}", image, None, tries=1)
            except OSError:
                return
            if status == 202:
                made.append(told["server"]["id"])
            elif stopping.is_set():
                return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    while len(made) < 10:
        assert any(worker.is_alive() for worker in workers)
        time.sleep(0.02)
    stopping.set()
    assert alone.stop() == 0
    for worker in workers:
        worker.join()
    assert "Traceback" not in alone.log()
    alone.start()
    again = alone.client()
    assert {server["id"] for server in again.servers()} >= set(made)
    again.until("all ACTIVE", lambda: {server["status"] for server in again.servers()} == {"ACTIVE"})
    again.books_balance()
