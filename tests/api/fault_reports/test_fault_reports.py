"""Fault reports: of one's own things only, bounded, and read by those whose they are and by the operator."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.one_service import Answer
from tests.policies.records import Project, new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.domain.causes import fault_reports

NETWORKS, PORTS, VOLUMES = "/network/v2.0/networks", "/network/v2.0/ports", "/volume/v3/volumes"
REPORTS = "/v1/fault-reports"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


class Tenant:
    def __init__(self, cloud: WholeCloud, project: Project) -> None:
        self.cloud = cloud
        self.id = project.id
        self.token = project.tokens(cloud)["member"]
        self.reader = project.tokens(cloud)["reader"]
        self.port = self.volume = ""

    async def fill(self) -> None:
        network = await self.cloud.made(NETWORKS, {"network": {"name": "n"}}, self.token)
        port = {"port": {"network_id": network["id"], "name": "uplink"}}
        self.port = str((await self.cloud.made(PORTS, port, self.token))["id"])
        volume = {"volume": {"size": 1, "name": "data"}}
        self.volume = str((await self.cloud.made(VOLUMES, volume, self.token))["id"])

    async def report(self, **said: Any) -> Answer:
        words = {"object_type": "port", "object_id": self.port, "symptom": "packet_loss"} | said
        return await self.cloud.call("POST", REPORTS, {"fault_report": words}, token=self.token)

    async def listed(self, query: str = "") -> list[Any]:
        answer = await self.cloud.call("GET", REPORTS, token=self.reader, query=query.encode())
        assert answer.status == 200, answer.raw
        return list(answer.body["fault_reports"])


async def tenant(cloud: WholeCloud, name: str) -> Tenant:
    found = Tenant(cloud, await new_project(cloud, name))
    await found.fill()
    return found


async def test_a_tenant_reports_and_he_and_the_operator_read_it_and_nobody_else(cloud: WholeCloud) -> None:
    mine, theirs = await tenant(cloud, "mine"), await tenant(cloud, "theirs")
    made = await mine.report(detail="lost since noon")
    assert made.status == 201, made.raw
    shown = made.body["fault_report"]
    assert shown["object"] == {"type": "port", "id": mine.port, "name": "uplink"}
    assert (shown["state"], shown["times"], shown["cause"], shown["detail"]) == ("open", 1, None, "lost since noon")
    path = f"{REPORTS}/{shown['id']}"
    assert (await cloud.call("GET", path, token=mine.reader)).body["fault_report"] == shown
    assert [one["id"] for one in await mine.listed()] == [shown["id"]]
    for_operators = await cloud.call("GET", REPORTS, token=cloud.admin)
    assert [one["project_id"] for one in for_operators.body["fault_reports"]] == [mine.id]
    assert await theirs.listed() == []
    assert await theirs.listed(f"project_id={mine.id}") == []
    assert (await cloud.call("GET", path, token=theirs.token)).status == 404
    assert (await cloud.call("DELETE", path, token=theirs.token)).status == 404
    assert (await cloud.call("DELETE", path, token=mine.reader)).status == 403
    assert (await cloud.call("POST", REPORTS, {"fault_report": {}}, token=mine.reader)).status == 403


async def test_what_is_another_s_is_to_him_as_what_is_not_there(cloud: WholeCloud) -> None:
    mine, theirs = await tenant(cloud, "mine"), await tenant(cloud, "theirs")
    for said in (
        {"object_id": theirs.port},
        {"object_id": "00000000-0000-4000-8000-000000000000"},
        {"object_type": "volume", "object_id": theirs.volume, "symptom": "io_error"},
        {"object_type": "volume", "object_id": mine.port, "symptom": "io_error"},
    ):
        answer = await mine.report(**said)
        assert (answer.status, answer.body["error"]["code"]) == (404, "fault_report.object")
    assert await mine.listed() == []


async def test_the_operator_reports_nothing_of_a_project_that_is_not_his(cloud: WholeCloud) -> None:
    mine = await tenant(cloud, "mine")
    said = {"object_type": "port", "object_id": mine.port, "symptom": "packet_loss"}
    assert (await cloud.call("POST", REPORTS, {"fault_report": said}, token=cloud.admin)).status == 404


async def test_what_is_said_is_of_a_closed_list_and_bounded(cloud: WholeCloud) -> None:
    mine = await tenant(cloud, "mine")
    for said in (
        {"symptom": "haunted"},
        {"object_type": "host"},
        {"detail": "x" * (fault_reports.DETAIL_MAX + 1)},
        {"object_id": "x" * 65},
        {"host": "host1"},
        {"symptom": "io_error"},
        {"object_type": "volume", "object_id": mine.volume},
    ):
        assert (await mine.report(**said)).status == 400, said
    assert (await mine.report(object_type="volume", object_id=mine.volume, symptom="slow_io")).status == 201


async def test_the_same_said_again_is_one_report_said_more_than_once(
    cloud: WholeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await tenant(cloud, "mine")
    first = (await mine.report()).body["fault_report"]
    answer = await mine.report()
    assert (answer.status, answer.body["fault_report"]) == (200, first)
    monkeypatch.setattr(fault_reports, "AGAIN_S", 0.0)
    answer = await mine.report(detail="still")
    told = answer.body["fault_report"]
    assert (answer.status, told["id"], told["times"], told["detail"]) == (200, first["id"], 2, "still")
    assert (await mine.report(symptom="unreachable")).status == 201
    assert len(await mine.listed()) == 2


async def test_quota_and_pace_bound_what_a_project_reports(cloud: WholeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = await tenant(cloud, "mine"), await tenant(cloud, "theirs")
    limits = (await cloud.call("GET", "/identity/v3/registered_limits", token=cloud.admin)).body["registered_limits"]
    (limit,) = [one for one in limits if one["resource_name"] == "fault_reports"]
    own = {"service_id": limit["service_id"], "project_id": mine.id, "resource_name": "fault_reports"}
    said = {"limits": [own | {"resource_limit": 1}]}
    assert (await cloud.call("POST", "/identity/v3/limits", said, token=cloud.admin)).status == 201
    made = (await mine.report()).body["fault_report"]
    answer = await mine.report(symptom="unreachable")
    assert answer.status == 403, answer.raw
    assert (await cloud.call("DELETE", f"{REPORTS}/{made['id']}", token=mine.token)).status == 204
    assert (await mine.report(symptom="unreachable")).status == 201
    monkeypatch.setattr(fault_reports, "HOURLY_MOST", 3)
    symptoms = ("packet_loss", "unreachable", "slow_network", "other")
    assert [(await theirs.report(symptom=symptom)).status for symptom in symptoms] == [201, 201, 201, 429]
    for one in await theirs.listed():
        await cloud.call("DELETE", f"{REPORTS}/{one['id']}", token=theirs.token)
    assert (await theirs.report(symptom="other")).status == 429


async def test_what_is_withdrawn_is_kept_and_is_over(cloud: WholeCloud) -> None:
    mine = await tenant(cloud, "mine")
    id = (await mine.report()).body["fault_report"]["id"]
    assert (await cloud.call("DELETE", f"{REPORTS}/{id}", token=mine.token)).status == 204
    assert (await cloud.call("DELETE", f"{REPORTS}/{id}", token=mine.token)).status == 409
    (shown,) = await mine.listed("state=withdrawn")
    assert shown["ended_at"] is not None
    assert await mine.listed("state=open") == []
    assert (await mine.report()).status == 201
    assert (await cloud.call("GET", REPORTS, token=mine.token, query=b"state=lost")).status == 400


async def test_of_what_is_over_a_bounded_number_is_kept(cloud: WholeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_reports, "KEPT", 2)
    mine = await tenant(cloud, "mine")
    for symptom in ("packet_loss", "unreachable", "slow_network", "other"):
        id = (await mine.report(symptom=symptom)).body["fault_report"]["id"]
        await cloud.call("DELETE", f"{REPORTS}/{id}", token=mine.token)
    assert sorted(one["symptom"] for one in await mine.listed()) == ["other", "slow_network"]


async def test_what_a_project_reported_goes_with_it(cloud: WholeCloud) -> None:
    project = await new_project(cloud, "mine")
    mine = Tenant(cloud, project)
    await mine.fill()
    await mine.report()
    assert (await cloud.call("DELETE", f"/identity/v3/projects/{mine.id}", token=cloud.admin)).status == 204
    assert (await cloud.call("GET", REPORTS, token=cloud.admin)).body["fault_reports"] == []


async def test_the_log_wakes_who_looks_for_causes(cloud: WholeCloud) -> None:
    """Through the whole process: a monitor says that a card is down, and a tenant whose volume is there reports."""
    name = (await cloud.call("GET", "/v1/hosts", token=cloud.admin)).body["hosts"][0]["name"]
    said = {"state": {"value": "down", "detail": "no carrier"}}
    path = f"/v1/topology/components/nic:{name}:tenant/state"
    assert (await cloud.call("PUT", path, said, token=cloud.admin)).status == 200
    async with asyncio.timeout(30):
        while True:
            answer = await cloud.call("GET", "/v1/alarms/root-causes", token=cloud.admin, query=b"open=true")
            if found := answer.body["root_causes"]:
                break
            await asyncio.sleep(0.05)
    (cause,) = found
    assert cause["component"] == f"nic:{name}:tenant"
    assert cause["evidence"] == [{"kind": "monitor", "component": f"nic:{name}:tenant"}]
    shown = (await cloud.call("GET", f"/v1/alarms/root-causes/{cause['id']}", token=cloud.admin)).body["root_cause"]
    assert shown == cause
    said = {"state": {"value": "up"}}
    assert (await cloud.call("PUT", path, said, token=cloud.admin)).status == 200
    async with asyncio.timeout(30):
        while True:
            answer = await cloud.call("GET", f"/v1/alarms/root-causes/{cause['id']}", token=cloud.admin)
            if answer.body["root_cause"]["ended_at"] is not None:
                break
            await asyncio.sleep(0.05)
    alarm = (await cloud.call("GET", f"/v1/alarms/{cause['alarm_id']}", token=cloud.admin)).body["alarm"]
    assert alarm["perceived_severity"] == "CLEARED"
