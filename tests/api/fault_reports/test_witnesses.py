"""Whose words count as one: a domain's manager makes as many projects and users as he likes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.controllers import causes

IDENTITY = "/identity/v3"


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WholeCloud]:
    monkeypatch.setattr(causes, "_GATHER_S", 0.0)
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def domain(cloud: WholeCloud, name: str, *, managed: bool) -> str:
    """With a customer who may make projects in it, or without."""
    made = await cloud.made(f"{IDENTITY}/domains", {"domain": {"name": name}}, cloud.admin)
    user = {"user": {"name": "boss", "domain_id": made["id"]}}
    boss = await cloud.made(f"{IDENTITY}/users", user, cloud.admin)
    roles = (await cloud.call("GET", f"{IDENTITY}/roles", token=cloud.admin)).body["roles"]
    (role,) = [role["id"] for role in roles if role["name"] == ("manager" if managed else "member")]
    path = f"{IDENTITY}/domains/{made['id']}/users/{boss['id']}/roles/{role}"
    assert (await cloud.call("PUT", path, token=cloud.admin)).status == 204
    return str(made["id"])


async def complain(cloud: WholeCloud, network_id: str, domain_id: str, count: int) -> None:
    """So many projects of a domain, each with a user and a port of its own on the network."""
    for number in range(count):
        said = {"project": {"name": f"{domain_id} {number}", "domain_id": domain_id}}
        project = await cloud.made(f"{IDENTITY}/projects", said, cloud.admin)
        token = cloud.token("member", project["id"], f"user {project['id']}")
        port = await cloud.made("/network/v2.0/ports", {"port": {"network_id": network_id}}, token)
        report = {"object_type": "port", "object_id": port["id"], "symptom": "packet_loss"}
        await cloud.made("/v1/fault-reports", {"fault_report": report}, token)


async def shared_network(cloud: WholeCloud) -> str:
    said = {"network": {"name": "for all", "shared": True}}
    return str((await cloud.made("/network/v2.0/networks", said, cloud.admin))["id"])


async def open_causes(cloud: WholeCloud) -> list[Any]:
    answer = await cloud.call("GET", "/v1/alarms/root-causes", token=cloud.admin, query=b"open=true")
    return list(answer.body["root_causes"])


async def test_projects_of_one_who_can_make_them_are_one_witness(cloud: WholeCloud) -> None:
    network_id, other_id = await shared_network(cloud), await shared_network(cloud)
    await complain(cloud, network_id, await domain(cloud, "managed", managed=True), 6)
    await complain(cloud, other_id, await domain(cloud, "customers", managed=False), 6)
    async with asyncio.timeout(30):
        while not (found := await open_causes(cloud)):
            await asyncio.sleep(0.05)
    assert [cause["component"] for cause in found] == [f"network:{other_id}"]
    assert found[0]["independent_reporters"] >= 3
    # By now those of the managed domain, which came first, were looked at, too.
    async with cloud.process.parts.store.read() as tx:
        witnesses = {str(row[0]) for row in await tx.rows("SELECT DISTINCT witness FROM fault_reports")}
    assert len(witnesses) == 7
