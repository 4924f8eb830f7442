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


async def registered(agent: Agent, **facts: Any) -> dict[str, int]:
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
    (shown,) = (await agent.call("GET", "/capacities")).ok("capacities")
    kinds = {"kinds": FACTS["kinds"]}
    assert (shown["said"], shown["sold"]) == (MILLION | kinds, CAPACITY | kinds)
    details = await cloud.call("GET", f"/os-hypervisors/{agent.host_id}", token=cloud.token("admin"), version="2.79")
    assert details.ok("hypervisor")["vcpus"] == CAPACITY["vcpus"], "as the operator sees it"


async def test_a_host_for_which_nothing_was_approved_sells_nothing_until_it_is(cloud: Cloud) -> None:
    agent = await far(cloud)
    assert await registered(agent, **MILLION) == NOTHING
    assert (await agent.call("PUT", "/capacities/far", CAPACITY)).ok()["sold"].items() >= CAPACITY.items()
    assert await sold(agent) == CAPACITY, "at once"
    assert (await agent.call("PUT", "/capacities/far")).ok()["approved"].items() >= MILLION.items(), (
        "or all that it says"
    )


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


async def kinds_of(agent: Agent) -> set[str]:
    """For which placement would choose the host."""
    sql = "SELECT trait FROM provider_traits WHERE provider_id = ? AND trait LIKE 'CUSTOM_KIND_%'"
    return {trait.removeprefix("CUSTOM_KIND_").lower() for (trait,) in await agent.cloud.rows(sql, agent.host_id)}


async def test_a_host_runs_no_kind_that_was_not_approved_for_it(cloud: Cloud) -> None:
    """A host for containers drew virtual machines by saying that it runs them."""
    agent = await far(cloud, capacity=CAPACITY | {"kinds": ["container"]})
    await registered(agent, kinds=["vm", "container", "metal"])
    assert await kinds_of(agent) == {"container"}
    (row,) = await cloud.rows("SELECT kinds FROM hosts WHERE id = ?", agent.host_id)
    assert row[0] == '["container"]', "as operators see it"
    for said in (["vm"], ["metal"], []):
        await registered(agent, kinds=said)
        assert await kinds_of(agent) == set()
    assert (await agent.call("PUT", "/capacities/far", CAPACITY | {"kinds": ["metal"]})).ok()["approved"]["kinds"] == [
        "metal"
    ]
    await registered(agent, kinds=["vm", "metal"])
    assert await kinds_of(agent) == {"metal"}


async def test_kinds_that_nobody_named_are_those_of_before_or_the_ordinary_ones(cloud: Cloud) -> None:
    agent = await far(cloud, capacity=CAPACITY)
    await registered(agent, kinds=["vm", "container", "metal"])
    assert await kinds_of(agent) == {"vm", "container"}
    (await agent.call("PUT", "/capacities/far", CAPACITY)).ok()
    assert await kinds_of(agent) == {"vm", "container"}, "another size widens no kinds"
    (await agent.call("PUT", "/capacities/far")).ok()
    assert await kinds_of(agent) == {"vm", "container", "metal"}, "all that it says"


@pytest.mark.parametrize(
    "words",
    [
        {"cpu_info": "no JSON"},
        {"cpu_info": "[1]"},
        {"cpu_info": "[" * 10_000},
        {"booted_at": 1e300},
        {"booted_at": -1.0},
        {"kinds": ["vm"] * 4},
        {"kinds": ["anything"]},
        {"vcpus": -1},
        {"vcpus": 1 << 60},
        {"hypervisor_type": "x" * 256},
        {"address": "x" * 256},
    ],
)
async def test_what_an_agent_says_of_its_machine_breaks_no_list_of_hosts(cloud: Cloud, words: dict[str, Any]) -> None:
    """What the operator is shown is what it said: a word that cannot be shown would hide every other host, too."""
    agent = await far(cloud, capacity=CAPACITY)
    answer = await agent.call("POST", "/register", FACTS | words | {"holder": agent.holder})
    assert answer.status == 400, answer.raw
    shown = await cloud.call("GET", "/os-hypervisors/detail", token=cloud.token("admin"), version="2.79")
    assert shown.status == 200


async def test_what_a_host_says_of_servers_is_cut_to_what_people_read(cloud: Cloud) -> None:
    agent = await far(cloud, capacity=CAPACITY | {"vcpus": 1 << 20})
    await registered(agent)
    async with cloud.store.write() as tx:
        await tx.run("UPDATE hosts SET enabled = 0 WHERE id <> ?", agent.host_id)
    id = (await cloud.create(networks="none")).ok("server")["id"]
    (order,) = await agent.orders()
    report = {"server_id": id, "host_id": agent.host_id, "revision": order["revision"], "error": "x" * 100_000}
    (await agent.call("POST", "/reports", [report | {"again": True}])).ok()
    (row,) = await cloud.rows("SELECT fault FROM servers WHERE id = ?", id)
    assert 0 < len(row[0]) < 3_000
    assert (await agent.call("POST", "/reports", [report] * 1_001)).status in (400, 413)
