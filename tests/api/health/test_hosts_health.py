"""What is told of hosts: to operators, with all that the verdict was made from; and the BMC's password to nobody."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.policies.whole_cloud import WholeCloud, whole_cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def ask(cloud: WholeCloud, method: str, path: str, body: Any = None) -> Any:
    answer = await cloud.call(method, f"/v1/hosts{path}", body, token=cloud.admin)
    assert answer.status < 300, answer.raw
    return answer.body


async def test_hosts_that_are_looked_after_here_are_up_by_what_their_agent_says(cloud: WholeCloud) -> None:
    name = (await ask(cloud, "GET", ""))["hosts"][0]["name"]
    async with asyncio.timeout(30):
        while (health := (await ask(cloud, "GET", f"/{name}/health"))["health"])["verdict"] != "up":
            await asyncio.sleep(0.05)
    (agent,) = health["probes"]
    assert (agent["name"], agent["source"], agent["value"]) == ("agent", "lease", "up")
    assert health["failures"] == []


async def test_what_somebody_else_says_stands_beside_it_and_cannot_take_our_place(cloud: WholeCloud) -> None:
    name = (await ask(cloud, "GET", ""))["hosts"][0]["name"]
    pushed = {"probe": {"value": "down", "detail": "smoke"}}
    told = (await ask(cloud, "POST", f"/{name}/probes/room-sensor", pushed))["probe"]
    assert (told["source"], told["value"], told["detail"]) == ("external", "down", "smoke")
    for wrong in ("power", "agent"):
        answer = await cloud.call("POST", f"/v1/hosts/{name}/probes/{wrong}", pushed, token=cloud.admin)
        assert answer.status == 409
    health = (await ask(cloud, "GET", f"/{name}/health"))["health"]
    assert "room-sensor" in [probe["name"] for probe in health["probes"]]
    assert health["verdict"] != "lost"


async def test_a_bmc_s_password_is_sealed_and_told_to_nobody(cloud: WholeCloud) -> None:
    name = (await ask(cloud, "GET", ""))["hosts"][0]["name"]
    said = {"url": "https://10.0.0.7/redfish/v1/Systems/1", "username": "root", "password": "calvin-and-hobbes"}
    shown = await ask(cloud, "PUT", f"/{name}/bmc", {"bmc": said})
    assert shown["bmc"]["url"] == said["url"]
    assert "calvin" not in str(await ask(cloud, "GET", f"/{name}/bmc"))
    async with cloud.process.parts.store.read() as tx:
        (row,) = await tx.rows("SELECT sealed_password FROM host_bmcs")
    assert "calvin" not in str(row[0])
    wrong = {"bmc": {**said, "url": "http://10.0.0.7/"}}
    assert (await cloud.call("PUT", f"/v1/hosts/{name}/bmc", wrong, token=cloud.admin)).status == 400
    assert (await cloud.call("DELETE", f"/v1/hosts/{name}/bmc", token=cloud.admin)).status == 204
    assert (await cloud.call("GET", f"/v1/hosts/{name}/bmc", token=cloud.admin)).status == 404


async def test_hosts_are_no_tenant_s_business(cloud: WholeCloud) -> None:
    token = cloud.token("member", "1" * 32, "wei")
    assert (await cloud.call("GET", "/v1/hosts", token=token)).status == 403
