"""What a killed process held is free for the next one of its data directory at once; of all others nothing is assumed.

The class: a holder that is believed dead, or alive, without being known to be.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store.conftest import HandClock, NewStore, clock, new_store

from trivet.controllers.holders import Holders
from trivet.store import leases
from trivet.store.leases import Sightings

__all__ = ["clock", "new_store"]

LIVES = """
import sys, pathlib
from trivet.controllers.holders import Holders
print(Holders(pathlib.Path(sys.argv[1]), sys.argv[2]).me, flush=True)
sys.stdin.read()
"""


def other(data: Path, name: str) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LIVES, str(data), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_who_was_killed_is_known_to_be_dead_and_who_lives_is_not(tmp_path: Path, end: signal.Signals) -> None:
    process, holder = other(tmp_path, "one")
    with process:
        mine = Holders(tmp_path, "two")
        assert not mine.died(holder) and not mine.died(mine.me)
        process.send_signal(end)
        process.wait()
    assert mine.died(holder)
    mine.close()


def test_of_a_stranger_or_of_a_copy_nothing_is_known(tmp_path: Path) -> None:
    process, holder = other(tmp_path / "here", "one")
    with process:
        # Somebody took the whole directory along to another machine.
        shutil.copytree(tmp_path / "here", tmp_path / "there")
        mine = Holders(tmp_path / "there", "two")
        for one in (holder, "host:1:abc", "", ":", "../here/holders/one:1"):
            assert not mine.died(one)
        mine.close()
        process.kill()


def test_the_files_of_the_dead_do_not_pile_up(tmp_path: Path) -> None:
    folder = tmp_path / "holders"
    folder.mkdir()
    for n in range(500):
        (folder / f"old-{n}").touch()
        os.utime(folder / f"old-{n}", (n, n))
    mine = Holders(tmp_path, "me")
    assert len(list(folder.iterdir())) < 100
    mine.close()


async def test_a_lease_of_one_who_is_known_to_be_dead_is_taken_at_once(new_store: NewStore, clock: HandClock) -> None:
    store = new_store()
    await store.open()
    await store.migrate()
    sightings = Sightings(clock, 10, {"dead"}.__contains__)
    async with store.write() as tx:
        for name, holder in (("a", "dead"), ("b", "alive")):
            assert await leases.take(tx, name, holder, 10) is not None
        taken = [await leases.take(tx, name, "me", 10, sightings) for name in ("a", "b")]
    assert taken[0] is not None and taken[0].token == 2
    assert taken[1] is None
    await store.close()
