"""What a container is asked whose host has an agent of its own elsewhere: the question goes there, the answer back."""

import asyncio
import base64
from typing import Any

import msgspec
from tests.api.container.container_cloud import Containers, Project, cloud, mine, why
from tests.api.one_service import Answer

from trivet.domain.host_link.words import ConsoleAnswer
from trivet.domain.servers.orders import Orders, Report
from trivet.drivers.contracts.container import ARCHIVE_MAX, Archive, Executed

__all__ = ["cloud", "mine"]

FACTS = {
    "holder": "aa", "kinds": ["container"], "vcpus": 4, "memory_mib": 4096, "disk_gib": 100, "hypervisor_type": "test",
}  # fmt: skip
CAPACITY = {"vcpus": 4, "memory_mib": 4096, "disk_gib": 100}


class Far:
    """An agent elsewhere, played by the test."""

    def __init__(self, cloud: Containers) -> None:
        self._cloud = cloud
        self._headers: list[tuple[bytes, bytes]] = []

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        raw = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        return await self._cloud.whole.call(method, f"/v1/agent{path}", raw, headers=self._headers)

    async def enters(self, host: str) -> None:
        admin = self._cloud.whole.admin
        said = {"host": host, "capacity": CAPACITY}
        made = (await self._cloud.whole.call("POST", "/v1/agent/credentials", said, token=admin)).ok()
        self._headers = [(b"x-trivet-host-secret", made["secret"].encode())]
        session = (await self.call("POST", "/register", FACTS)).ok()["session"]
        self._headers.append((b"x-trivet-session", session.encode()))

    async def follows(self) -> Orders:
        """Everything is as it is wanted."""
        orders = msgspec.json.decode((await self.call("POST", "/orders", {})).raw, type=Orders)
        for order in orders.orders:
            report = Report(
                server_id=order.server_id, host_id=order.host_id, revision=order.revision, power="running",
                boots=order.boots, builds=order.builds, shape=order.shape,
            )  # fmt: skip
            (await self.call("POST", "/reports", [report])).ok()
        return orders

    async def question(self) -> Any:
        async with asyncio.timeout(30):
            while not (found := (await self.call("GET", "/console-reads")).ok()):
                await asyncio.sleep(0.01)
        return found[0]

    async def answers(self, id: str, output: bytes) -> Answer:
        return await self.call("POST", f"/console-reads/{id}", ConsoleAnswer(output=output))


async def on_far(cloud: Containers, mine: Project) -> tuple[Far, str]:
    far = Far(cloud)
    await far.enters("far-away")
    said: dict[str, Any] = {"environment": {"A": "b"}, "entrypoint": ["sh"], "cpu": 0.5, "memory": 64}
    id = str((await mine.create(run=True, host="far-away", role="admin", **said)).ok()["uuid"])
    (order,) = (await far.follows()).orders
    assert order.program is not None
    assert (order.program.environment, order.program.entrypoint, order.cpus) == ({"A": "b"}, ("sh",), 0.5)
    await mine.becomes(id, "Running")
    return far, id


async def test_a_question_goes_there_and_its_answer_comes_back(cloud: Containers, mine: Project) -> None:
    far, id = await on_far(cloud, mine)
    asking = asyncio.create_task(mine.act(id, "execute", {"command": "echo 'a b'"}))
    asked = await far.question()
    assert asked["question"] == {"type": "execute", "command": ["echo", "a b"]}
    assert (await far.answers(asked["id"], msgspec.json.encode(Executed(b"a b\n", 0)))).status == 204
    assert (await asking).ok()["output"] == "a b\n"


async def test_an_answer_may_be_as_long_as_an_archive_and_no_longer(cloud: Containers, mine: Project) -> None:
    far, id = await on_far(cloud, mine)
    asking = asyncio.create_task(mine.call("GET", f"/containers/{id}/get_archive", path="/big"))
    asked = await far.question()
    assert (await far.answers(asked["id"], bytes(4 * ARCHIVE_MAX))).status == 413
    archive = Archive(b"x" * ARCHIVE_MAX, "big", 1, 0o644, 0.0)
    assert (await far.answers(asked["id"], msgspec.json.encode(archive))).status == 204
    found = (await asking).ok()
    assert len(base64.b64decode(found["data"])) == ARCHIVE_MAX


async def test_an_older_agent_that_answers_something_else_is_said_to_be_older(cloud: Containers, mine: Project) -> None:
    far, id = await on_far(cloud, mine)
    asking = asyncio.create_task(mine.act(id, "execute", {"command": "true"}))
    asked = await far.question()
    (await far.answers(asked["id"], b"the console's output")).ok()
    assert "its agent is older" in why(await asking, 409)
