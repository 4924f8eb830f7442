"""What a host elsewhere may sell. The class: a credential that was stolen says what it likes about its machine, and
what it says decides whose servers, with their secrets, come to it. The operator's word is the most that counts.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.api.compute.server_cloud import Cloud
from tests.api.host_link.test_agent_access import CAPACITY, FACTS, Agent
from tests.api.one_service import ask

from trivet.api.compute.service import SERVICE as COMPUTE
from trivet.api.host_link.service import SERVICE as AGENT
from trivet.api.kit.app import App
from trivet.drivers.files import FileBlobs

MILLION = {"vcpus": 1 << 20, "memory_mib": 1 << 30, "disk_gib": 1 << 30}
CLASSES = {"VCPU": "vcpus", "MEMORY_MB": "memory_mib", "DISK_GB": "disk_gib"}
NOTHING = dict.fromkeys(CAPACITY, 0)


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud() as made:
        made.parts.blobs = FileBlobs(tmp_path / "blobs")
        made.app = App(made.parts, [COMPUTE, AGENT])
        yield made


async def far(cloud: Cloud, **said: Any) -> Agent:
    made = await Agent(cloud, "", "aa").call("POST", "/credentials", {"host": "far", **said})
    return Agent(cloud, made.ok()["secret"], "aa")


async def registered(agent: Agent, **facts: int) -> dict[str, int]:
    """What the host then sells, as placement has it."""
    answer = await agent.call("POST", "/register", FACTS | facts | {"holder": agent.holder})
    agent.session, agent.host_id = answer.ok()["session"], answer.body["host_id"]
    return await sold(agent)


async def sold(agent: Agent) -> dict[str, int]:
    sql = "SELECT class, total FROM inventories WHERE provider_id = ?"
    return NOTHING | {CLASSES[name]: total for name, total in await agent.cloud.rows(sql, agent.host_id)}


async def test_a_host_sells_no_more_than_was_approved_for_it(cloud: Cloud) -> None:
    agent = await far(cloud, capacity=CAPACITY)
    assert await registered(agent, **MILLION) == CAPACITY
    shown = (await agent.call("GET", "/capacities")).ok("capacities")
    assert shown == [{"host": "far", "said": MILLION, "approved": CAPACITY, "sold": CAPACITY}]
    details = await cloud.call("GET", f"/os-hypervisors/{agent.host_id}", token=cloud.token("admin"), version="2.79")
    assert details.ok("hypervisor")["vcpus"] == CAPACITY["vcpus"], "as the operator sees it"


async def test_a_host_for_which_nothing_was_approved_sells_nothing_until_it_is(cloud: Cloud) -> None:
    agent = await far(cloud)
    assert await registered(agent, **MILLION) == NOTHING
    assert (await agent.call("PUT", "/capacities/far", CAPACITY)).ok()["sold"] == CAPACITY
    assert await sold(agent) == CAPACITY, "at once"
    assert (await agent.call("PUT", "/capacities/far")).ok()["approved"] == MILLION, "or all that it says"


async def test_a_stolen_credential_draws_no_servers(cloud: Cloud) -> None:
    thief = await far(cloud)
    await registered(thief, **MILLION)
    for _ in range(4):
        await cloud.create()
    on = await cloud.rows("SELECT DISTINCT host_id FROM servers")
    assert on, "the servers are somewhere"
    assert (thief.host_id,) not in [tuple(row) for row in on]


async def test_a_host_that_shrinks_and_grows_again_keeps_within_its_approval(cloud: Cloud) -> None:
    agent = await far(cloud, capacity=CAPACITY)
    small = CAPACITY | {"vcpus": 1}
    assert await registered(agent, **small) == small
    assert await registered(agent, **CAPACITY) == CAPACITY
    assert await registered(agent, **CAPACITY | {"memory_mib": CAPACITY["memory_mib"] + 1}) == CAPACITY


async def test_another_credential_for_the_host_changes_nothing_unless_it_says_so(cloud: Cloud) -> None:
    await registered(await far(cloud, capacity=CAPACITY))
    assert await registered(await far(cloud), **MILLION) == CAPACITY
    assert await registered(await far(cloud, capacity=MILLION), **MILLION) == MILLION


@pytest.mark.parametrize("role", ["reader", "member", "manager"])
async def test_only_the_operator_approves(cloud: Cloud, role: str) -> None:
    agent = await far(cloud)
    await registered(agent, **MILLION)
    token = cloud.token(role)
    for method, path, body in (("PUT", "/capacities/far", MILLION), ("GET", "/capacities", None)):
        said = {"x-auth-token": token, "x-trivet-host-secret": agent.secret, "x-trivet-session": agent.session}
        answer = await ask(cloud.app, method, f"/v1/agent{path}", body, headers=said)
        assert answer.status == 403
    assert await sold(agent) == NOTHING


async def test_nobody_approves_a_host_that_nobody_named(cloud: Cloud) -> None:
    agent = await far(cloud)
    assert (await agent.call("PUT", "/capacities/elsewhere", CAPACITY)).status == 404
