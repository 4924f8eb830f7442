"""Workers behind one port: whichever of them the kernel gives a client to, it is served all the same."""

import os
import signal
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from tests.outages.alone import COMPUTE, Alone
from tests.processes.consoles import console_token, speaks
from tests.programs import until

WORKERS = 4
TRIES = 12
"""So often that some of them come to a worker without hosts, but for one run in a million."""


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Alone]:
    team = Alone(tmp_path / "data", tmp_path, workers=WORKERS)
    try:
        team.start()
        yield team
    finally:
        team.stop()


def test_a_console_opens_through_any_worker_and_again_when_one_has_died(team: Alone) -> None:
    """HA-10, HA-11: only one of them has the hosts."""
    tenant = team.client()
    status, made = tenant.create("talker", tenant.image(), None)
    assert status == 202, made
    path = f"{COMPUTE}/servers/{made['server']['id']}"
    until("ACTIVE", lambda: tenant.ok("GET", path)["server"]["status"] == "ACTIVE")
    token = console_token(tenant, made["server"]["id"])

    words = (f"word-{number}" for number in count())

    def opens_wherever_it_comes() -> bool:
        return all(speaks(team.url, token, word) for word in islice(words, TRIES))

    until("it opens", opens_wherever_it_comes)
    for worker in workers_of(team):
        os.kill(worker, signal.SIGKILL)
        until("it opens again", opens_wherever_it_comes)


def workers_of(team: Alone) -> list[int]:
    children = Path(f"/proc/{team.process.pid}/task/{team.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]
