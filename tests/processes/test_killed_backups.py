"""Backups of real files, while the process that copies them is killed at any moment: all are whole, nothing is left."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.outages.alone import Tenant
from tests.processes.test_killed_volumes import Crew
from tests.programs import until
from trivet.drivers.qsd.volumes import missing

MIB = 1 << 20
MIBS = 150
KILLS = 4
VOLUMES, BACKUPS = "/volume/v3/volumes", "/volume/v3/backups"


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    if missing():
        pytest.skip(f"no storage daemon here: missing {missing()}")
    made = Crew(tmp_path, 1, "")
    with ExitStack() as stack:
        stack.callback(made.balancer.stop)
        stack.callback(made.members[0].stop)
        made.members[0].start()
        made.balancer.start([made.members[0].port])
        yield made


def settled(client: Tenant, path: str, noun: str) -> Any:
    def there() -> Any:
        found = client.ok("GET", path)[noun]
        assert not found["status"].startswith("error"), found
        return found if found["status"] == "available" else None

    return until(f"{path} available", there, lambda: client.ok("GET", path), pause_s=0.05)


def killed(crew: Crew, chance: random.Random, times: int) -> None:
    for _ in range(times):
        time.sleep(chance.uniform(0.05, 0.6))
        crew.members[0].kill()
        crew.members[0].start()


@pytest.mark.timeout(600)
def test_backups_and_restores_end_as_asked_however_often_the_process_is_killed(
    crew: Crew, chance: random.Random
) -> None:
    client = crew.client()
    _, told, _ = client.call("POST", VOLUMES, {"volume": {"size": 1}})
    volume = settled(client, f"{VOLUMES}/{told['volume']['id']}", "volume")["id"]
    content = [os.urandom(MIB) for _ in range(MIBS)]
    with crew.layout(volume).disk.open("r+b") as disk:
        for at, data in enumerate(content):
            disk.seek(at * 2 * MIB)
            disk.write(data)
    made = []
    for incremental in (False, True):
        said = {"backup": {"volume_id": volume, "incremental": incremental}}
        status, told, _ = client.call("POST", BACKUPS, said)
        assert status == 202, told
        killed(crew, chance, KILLS)
        made.append(settled(client, f"{BACKUPS}/{told['backup']['id']}", "backup"))
        content[7] = b"7" * MIB
        with crew.layout(volume).disk.open("r+b") as disk:
            disk.seek(14 * MIB)
            disk.write(content[7])
    assert [one["object_count"] for one in made] == [-(-MIBS // 32), 1]
    until("no snapshot is left", lambda: not list((crew.volumes / "_snapshots").iterdir()))
    status, told, _ = client.call("POST", f"{BACKUPS}/{made[1]['id']}/restore", {"restore": {}})
    assert status == 202, told
    new = told["restore"]["volume_id"]
    killed(crew, chance, KILLS)
    settled(client, f"{VOLUMES}/{new}", "volume")
    with crew.layout(new).disk.open("rb") as disk:
        for at, data in enumerate(content):
            disk.seek(at * 2 * MIB)
            assert disk.read(MIB) == data, at
    assert crew.layout(new).disk.stat().st_blocks * 512 < (MIBS + 20) * MIB, "holes stay holes"
    assert not crew.layout(new).part.exists()
    for one in reversed(made):
        client.call("DELETE", f"{BACKUPS}/{one['id']}")
        until("it is gone", lambda one=one: client.call("GET", f"{BACKUPS}/{one['id']}")[0] == 404)  # type: ignore[misc]
    used = client.ok("GET", "/volume/v3/limits")["limits"]["absolute"]
    assert (used["totalBackupsUsed"], used["totalBackupGigabytesUsed"]) == (0, 0)
