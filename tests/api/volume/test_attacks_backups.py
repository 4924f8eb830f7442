"""What a hostile tenant tried with backups. The class: work that takes hours, at places that all projects share."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.policies.records import new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.controllers.volumes.backups import BackupWork


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path, **({"database": database} if database else {})) as cloud:
        yield cloud


class Slow:
    """Copies that take as long as the test does."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends = asyncio.Event()

    async def one(self, id: str) -> None:
        self.begun.append(id)
        await self.ends.wait()


async def volumes_of(cloud: WholeCloud, token: str, count: int) -> list[str]:
    found = [(await cloud.made("/volume/v3/volumes", {"volume": {"size": 1}}, token))["id"] for _ in range(count)]
    async with asyncio.timeout(60):
        for id in found:
            while True:
                volume = (await cloud.call("GET", f"/volume/v3/volumes/{id}", token=token)).body["volume"]
                if volume["status"] == "available":
                    break
                await asyncio.sleep(0.05)
    return found


async def test_who_copies_all_he_has_leaves_a_place_for_others(cloud: WholeCloud) -> None:
    greedy, modest = [(await new_project(cloud, name)).tokens(cloud)["member"] for name in ("greedy", "modest")]
    many, few = await volumes_of(cloud, greedy, 6), await volumes_of(cloud, modest, 1)
    await cloud.process.duties.give_back()
    asked = []
    for token, volumes in ((greedy, many), (modest, few)):
        for id in volumes:
            asked.append((await cloud.made("/volume/v3/backups", {"backup": {"volume_id": id}}, token))["id"])
    async with cloud.process.parts.store.read() as tx:
        ((backend_id,),) = await tx.rows("SELECT DISTINCT backend_id FROM volume_backups")
    slow = Slow()
    work = BackupWork(cloud.process.parts, slow, str(backend_id), lambda: None)  # type: ignore[arg-type] # one verb of it
    while await work.start():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (len(slow.begun), asked[-1] in slow.begun) == (3, True)
    slow.ends.set()
    await asyncio.gather(*work.tasks)
