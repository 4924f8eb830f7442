"""Masakari's API: segments, hosts in them, notifications and moves, as its clients call it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.policies.whole_cloud import WholeCloud, whole_cloud

HA = "/instance-ha/v1"
V13 = [(b"openstack-api-version", b"instance-ha 1.3")]


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def ask(cloud: WholeCloud, method: str, path: str, body: Any = None, status: int = 200, query: str = "") -> Any:
    answer = await cloud.call(method, HA + path, body, token=cloud.admin, headers=V13, query=query.encode())
    assert answer.status == status, answer.raw
    return answer.body


async def segment(cloud: WholeCloud, name: str = "rack1", **said: Any) -> Any:
    body = {"segment": {"name": name, "recovery_method": "auto", "service_type": "COMPUTE"} | said}
    return (await ask(cloud, "POST", "/segments", body, 201))["segment"]


async def host_name(cloud: WholeCloud) -> str:
    answer = await cloud.call("GET", "/v1/hosts", token=cloud.admin)
    return str(answer.body["hosts"][0]["name"])


async def member(cloud: WholeCloud, made: Any, **said: Any) -> Any:
    body = {"host": {"name": await host_name(cloud), "type": "COMPUTE", "control_attributes": "SSH"} | said}
    return (await ask(cloud, "POST", f"/segments/{made['uuid']}/hosts", body, 201))["host"]


async def test_a_segment_is_made_shown_changed_and_removed(cloud: WholeCloud) -> None:
    made = await segment(cloud)
    assert (made["enabled"], made["recovery_method"]) == (True, "auto")
    await ask(cloud, "POST", "/segments", {"segment": {"name": "rack1", "recovery_method": "auto",
                                                       "service_type": "COMPUTE"}}, 409)  # fmt: skip
    await ask(cloud, "PUT", f"/segments/{made['uuid']}", {"segment": {"enabled": False}})
    assert (await ask(cloud, "GET", f"/segments/{made['uuid']}"))["segment"]["enabled"] is False
    await segment(cloud, "rack2")
    page = await ask(cloud, "GET", "/segments", query="limit=1&sort_key=name&sort_dir=asc")
    assert [one["name"] for one in page["segments"]] == ["rack1"]
    page = await ask(cloud, "GET", "/segments", query=f"sort_key=name&sort_dir=asc&marker={made['uuid']}")
    assert [one["name"] for one in page["segments"]] == ["rack2"]
    await ask(cloud, "DELETE", f"/segments/{made['uuid']}", status=204)
    await ask(cloud, "GET", f"/segments/{made['uuid']}", status=404)


async def test_a_segment_has_hosts_that_there_are(cloud: WholeCloud) -> None:
    made = await segment(cloud)
    found = await member(cloud, made, reserved="True")
    assert (found["reserved"], found["failover_segment_id"]) == (True, made["uuid"])
    path = f"/segments/{made['uuid']}/hosts"
    body = {"host": {"name": "nobody", "type": "COMPUTE", "control_attributes": "SSH"}}
    await ask(cloud, "POST", path, body, 400)
    await ask(cloud, "POST", path, {"host": {**body["host"], "name": found["name"]}}, 409)
    changed = await ask(cloud, "PUT", f"{path}/{found['uuid']}", {"host": {"on_maintenance": True}})
    assert changed["host"]["on_maintenance"] is True
    assert len((await ask(cloud, "GET", path, query="reserved=true"))["hosts"]) == 1
    assert (await ask(cloud, "GET", path, query="reserved=false"))["hosts"] == []
    await ask(cloud, "DELETE", f"{path}/{found['uuid']}", status=204)
    await ask(cloud, "GET", f"{path}/{found['uuid']}", status=404)


async def test_a_notification_about_a_host_that_answers_fences_nobody(cloud: WholeCloud) -> None:
    made = await segment(cloud)
    found = await member(cloud, made)
    said = {"type": "COMPUTE_HOST", "hostname": found["name"], "generated_time": "2026-01-31T12:00:00.000000",
            "payload": {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}}  # fmt: skip
    told = (await ask(cloud, "POST", "/notifications", {"notification": said}, 202))["notification"]
    assert (told["status"], told["source_host_uuid"]) == ("new", found["uuid"])
    await ask(cloud, "POST", "/notifications", {"notification": said}, 409)
    await ask(cloud, "POST", "/notifications", {"notification": {**said, "payload": {"event": "odd"}}}, 400)
    await ask(cloud, "POST", "/notifications", {"notification": {**said, "hostname": "nobody"}}, 400)
    path = f"/notifications/{told['notification_uuid']}"
    assert (await ask(cloud, "GET", f"{path}/vmoves"))["vmoves"] == []
    shown = (await ask(cloud, "GET", path))["notification"]
    assert "recovery_workflow_details" in shown
    await ask(cloud, "GET", f"{path}/vmoves/{told['notification_uuid']}", status=404)


async def test_only_the_operator_has_to_do_with_it(cloud: WholeCloud) -> None:
    token = cloud.token("member", "1" * 32, "wei")
    for path in ("/segments", "/notifications"):
        assert (await cloud.call("GET", HA + path, token=token)).status == 403
    answer = await cloud.call("GET", "/instance-ha/v1", token=token)
    assert answer.body["version"]["version"] == "1.3"
