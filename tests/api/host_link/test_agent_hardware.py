"""What a host elsewhere says of its inside. The class: whoever has its credential says what it likes, and dedicated
CPUs and huge pages are capacity like any other: no more is sold than the operator approved, and nonsense is refused."""

from typing import Any

import msgspec
import pytest
from tests.api.compute.server_cloud import Cloud
from tests.api.compute.test_servers_inside import INSIDE, PINNED, flavor, inside_of
from tests.api.host_link.test_agent_access import FACTS, Agent
from tests.api.host_link.test_agent_capacity import cloud, far

__all__ = ["cloud"]
SIZE = {"vcpus": 16, "memory_mib": 12288, "disk_gib": 100}
SAID: dict[str, Any] = msgspec.to_builtins(INSIDE, str_keys=True)


async def registered(agent: Agent, hardware: dict[str, Any] | None) -> dict[str, int]:
    answer = await agent.call("POST", "/register", FACTS | SIZE | {"holder": agent.holder, "hardware": hardware})
    agent.session, agent.host_id = answer.ok()["session"], answer.body["host_id"]
    sql = "SELECT class, total FROM inventories WHERE provider_id = ? AND total > 0"
    return {str(name): int(total) for name, total in await agent.cloud.rows(sql, agent.host_id)}


async def test_it_sells_no_more_of_its_inside_than_was_approved(cloud: Cloud) -> None:
    agent = await far(cloud, capacity={"vcpus": 6, "memory_mib": 3072, "disk_gib": 100})
    assert await registered(agent, SAID) == {
        "PCPU": 6, "CUSTOM_MEMORY_MB_PAGES_2048KIB": 2048, "CUSTOM_MEMORY_MB_PAGES_1048576KIB": 1024, "DISK_GB": 100,
    }  # fmt: skip
    wider = {"capacity": SIZE}
    assert (await agent.call("PUT", "/capacities/far", wider["capacity"])).status < 300
    assert await registered(agent, SAID) == {
        "PCPU": 8, "VCPU": 4, "CUSTOM_MEMORY_MB_PAGES_2048KIB": 2048, "CUSTOM_MEMORY_MB_PAGES_1048576KIB": 2048,
        "MEMORY_MB": 8192, "DISK_GB": 100,
    }  # fmt: skip
    assert await registered(agent, None) == {"VCPU": 16, "MEMORY_MB": 12288, "DISK_GB": 100}


async def test_its_servers_orders_say_what_they_have_of_it(cloud: Cloud) -> None:
    agent = await far(cloud, capacity=SIZE)
    await registered(agent, SAID)
    made = (await cloud.create(networks="none", flavorRef=await flavor(cloud, **PINNED))).ok()["server"]["id"]
    orders = (await agent.call("POST", "/orders", {})).ok("orders")
    (order,) = [order for order in orders if order["server_id"] == made]
    pins = (await inside_of(cloud, made)).pins
    assert {int(cpu): at for cpu, at in order["topology"]["pins"].items()} == pins
    # An agent that registers again, with less, takes nothing from what is there.
    await registered(agent, SAID | {"dedicated": [12, 13]})
    assert (await inside_of(cloud, made)).pins == pins


@pytest.mark.parametrize(
    "wrong",
    [
        {"shared": [2]},
        {"dedicated": [4000]},
        {"nodes": []},
        {"nodes": [SAID["nodes"][0], SAID["nodes"][0]]},
        {"nodes": [SAID["nodes"][0] | {"memory_mib": -1}]},
        {"nodes": [SAID["nodes"][0] | {"pages": {"4": 1}}]},
        {"dedicated": list(range(5000))},
        {"functions": [{"address": "../../x", "vendor_id": "8086", "product_id": "1521"}]},
    ],
)
async def test_what_cannot_be_is_refused(cloud: Cloud, wrong: dict[str, Any]) -> None:
    agent = await far(cloud, capacity=SIZE)
    said = FACTS | SIZE | {"holder": agent.holder, "hardware": SAID | wrong}
    assert (await agent.call("POST", "/register", said)).status == 400
