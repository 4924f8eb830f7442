"""Alarms: raised once and cleared once, told to those whose they are and to nobody else, in our words and in ETSI's."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.policies.records import Project, new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.api.alarms import stream
from trivet.controllers.alarms import AlarmDeliverer
from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Fault
from trivet.drivers.contracts.errors import DriverError
from trivet.store import leases
from trivet.store.leases import Sightings

SECRET = "a secret to sign with"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


def fault(project: Project | None = None, **said: Any) -> Fault:
    words: dict[str, Any] = {
        "key": "a fault", "object_type": "server", "object_id": "s1", "severity": "CRITICAL",
        "probable_cause": "Host failure", "project_id": project.id if project else None,
    }  # fmt: skip
    return Fault(**(words | said))


async def happen(cloud: WholeCloud, what: Fault) -> str:
    async with cloud.process.parts.store.write() as tx:
        return (await alarms.raise_(tx, what)).id


async def over(cloud: WholeCloud, key: str = "a fault") -> None:
    async with cloud.process.parts.store.write() as tx:
        await alarms.clear(tx, key)


class Web:
    """What is sent, and whether its receiver takes it."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Mapping[str, str]]] = []
        self.away = False

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Any:
        if self.away:
            raise DriverError("It is not there.", again=True)
        self.sent.append((body, headers))

        class Taken:
            status = 204

            def close(self) -> None:
                """Nothing to close."""

        return Taken()


async def deliverer(cloud: WholeCloud, web: Web) -> AlarmDeliverer:
    parts = cloud.process.parts
    async with parts.store.write() as tx:
        lease = await leases.take(tx, "alarms of the test", "me", 60.0, Sightings(parts.clock, 60.0))
    assert lease is not None
    return AlarmDeliverer(parts, lease, web)  # type: ignore[arg-type] # the verb that it uses


async def subscribe(cloud: WholeCloud, token: str, **said: Any) -> str:
    body = {"subscription": {"url": "http://receiver.example/", "secret": SECRET} | said}
    answer = await cloud.call("POST", "/v1/alarms/subscriptions", body, token=token)
    assert answer.status == 201, answer.raw
    assert SECRET not in answer.raw.decode()
    return str(answer.body["subscription"]["id"])


async def listed(cloud: WholeCloud, token: str, query: str = "") -> list[Any]:
    answer = await cloud.call("GET", "/v1/alarms", token=token, query=query.encode())
    assert answer.status == 200, answer.raw
    return list(answer.body["alarms"])


async def test_a_fault_is_one_alarm_from_its_begin_to_its_end(cloud: WholeCloud) -> None:
    first = await happen(cloud, fault())
    assert await happen(cloud, fault(severity="MAJOR")) == first
    (shown,) = await listed(cloud, cloud.admin)
    assert (shown["id"], shown["perceived_severity"], shown["alarm_cleared_time"]) == (first, "MAJOR", None)
    await over(cloud)
    await over(cloud)
    (shown,) = await listed(cloud, cloud.admin)
    assert (shown["perceived_severity"], shown["alarm_cleared_time"] is None) == ("CLEARED", False)
    assert await happen(cloud, fault()) != first
    assert len(await listed(cloud, cloud.admin, "open=true")) == 1


async def test_a_project_sees_its_own_alarms_only(cloud: WholeCloud) -> None:
    mine, theirs = await new_project(cloud, "mine"), await new_project(cloud, "theirs")
    root = await happen(cloud, fault(key="host", object_type="host", object_name="rack7-host3"))
    id = await happen(cloud, fault(mine, root_id=root))
    (shown,) = await listed(cloud, mine.tokens(cloud)["reader"])
    assert (shown["id"], shown["root_alarm_id"]) == (id, root)
    assert "rack7" not in str(shown)
    assert await listed(cloud, theirs.tokens(cloud)["reader"]) == []
    for path in (f"/v1/alarms/{id}", f"/vnffm/v1/alarms/{id}", f"/v1/alarms/{root}"):
        assert (await cloud.call("GET", path, token=theirs.tokens(cloud)["member"])).status == 404
    change = {"alarm": {"acknowledged": True}}
    path = f"/v1/alarms/{id}"
    assert (await cloud.call("PATCH", path, change, token=theirs.tokens(cloud)["member"])).status == 404
    answer = await cloud.call("PATCH", path, change, token=mine.tokens(cloud)["member"])
    assert answer.body["alarm"]["ack_state"] == "ACKNOWLEDGED"
    assert (await cloud.call("PATCH", path, change, token=mine.tokens(cloud)["member"])).status == 409


async def test_a_webhook_is_told_of_each_once_in_order_and_signed(cloud: WholeCloud) -> None:
    mine, theirs = await new_project(cloud, "mine"), await new_project(cloud, "theirs")
    web = Web()
    sender = await deliverer(cloud, web)
    await cloud.process.duties.give_back()
    await subscribe(cloud, mine.tokens(cloud)["member"])
    await subscribe(cloud, theirs.tokens(cloud)["member"], url="http://others.example/")
    await happen(cloud, fault(mine))
    await over(cloud)
    while await sender.step():
        pass
    events = [json.loads(body) for body, _ in web.sent]
    assert [event["type"] for event in events] == ["trivet.alarm.raised", "trivet.alarm.cleared"]
    body, headers = web.sent[0]
    told = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    proof = base64.b64encode(hmac.digest(SECRET.encode(), told, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{proof}"
    assert headers["webhook-id"] == events[0]["id"]
    (listed_,) = await listed(cloud, mine.tokens(cloud)["reader"])
    assert events[1]["data"] == {name: said for name, said in listed_.items() if name != "correlated_alarm_ids"}


async def test_who_does_not_listen_is_asked_again_later_and_keeps_nobody_waiting(cloud: WholeCloud) -> None:
    mine = await new_project(cloud, "mine")
    web = Web()
    sender = await deliverer(cloud, web)
    await cloud.process.duties.give_back()
    id = await subscribe(cloud, mine.tokens(cloud)["member"])
    web.away = True
    await happen(cloud, fault(mine))
    assert await sender.step() == 1
    assert await sender.step() == 0
    answer = await cloud.call("GET", f"/v1/alarms/subscriptions/{id}", token=mine.tokens(cloud)["reader"])
    assert answer.body["subscription"]["last_error"] == "It is not there."
    web.away = False
    await asyncio.sleep(1.1)
    assert await sender.step() == 1
    assert len(web.sent) == 1


async def test_a_filter_narrows_what_is_told_but_the_end_of_what_was_told_is_told(cloud: WholeCloud) -> None:
    mine = await new_project(cloud, "mine")
    web = Web()
    sender = await deliverer(cloud, web)
    await cloud.process.duties.give_back()
    await subscribe(cloud, mine.tokens(cloud)["member"], filter={"object_ids": ["s1"], "severities": ["CRITICAL"]})
    await happen(cloud, fault(mine, key="other", object_id="s2"))
    await happen(cloud, fault(mine))
    await over(cloud)
    while await sender.step():
        pass
    assert len(web.sent) == 2


async def test_etsi_s_words_say_the_same(cloud: WholeCloud) -> None:
    mine = await new_project(cloud, "mine")
    root = await happen(cloud, fault(mine, key="cause"))
    child = await happen(cloud, fault(mine, root_id=root, object_id="s2"))
    token = mine.tokens(cloud)["member"]
    answer = await cloud.call("GET", "/vnffm/v1/alarms", token=token, query=b"filter=(eq,perceivedSeverity,CRITICAL)")
    by_id = {one["id"]: one for one in answer.body}
    assert by_id[root]["isRootCause"] is True
    assert by_id[root]["correlatedAlarmIds"] == [child]
    assert (by_id[child]["isRootCause"], by_id[child]["managedObjectId"]) == (False, "s2")
    answer = await cloud.call("PATCH", f"/vnffm/v1/alarms/{child}", {"ackState": "ACKNOWLEDGED"}, token=token)
    assert (answer.status, answer.body) == (200, {"ackState": "ACKNOWLEDGED"})
    said = {"authType": ["BASIC"], "paramsBasic": {"userName": "u", "password": SECRET}}
    wanted = {"callbackUri": "http://receiver.example/", "authentication": said}
    answer = await cloud.call("POST", "/vnffm/v1/subscriptions", wanted, token=token)
    assert (answer.status, answer.body["callbackUri"]) == (201, "http://receiver.example/")
    answer = await cloud.call("GET", "/vnffm/v1/alarms", token=token, query=b"filter=nonsense")
    assert answer.status == 400


async def test_the_stream_begins_where_the_last_one_ended(cloud: WholeCloud) -> None:
    mine = await new_project(cloud, "mine")
    token = mine.tokens(cloud)["reader"]
    async with cloud.process.parts.store.read() as tx:
        before = await alarms.newest_event(tx)
        caller = cloud.process.parts.tokens.caller(token)
    id = await happen(cloud, fault(mine))
    await happen(cloud, fault(key="another's"))
    async with cloud.process.parts.store.read() as tx:
        at, found = await alarms.since(tx, caller, before)
        assert [alarm.id for _, alarm in found] == [id]
        assert (await alarms.since(tx, caller, at))[1] == []


async def test_a_stream_is_sent_to_who_asks_for_one(cloud: WholeCloud) -> None:
    token = cloud.admin
    assert (await cloud.call("GET", "/v1/alarms/stream", token=token)).status == 406
    wrong = [(b"last-event-id", b"x"), (b"accept", b"text/event-stream")]
    assert (await cloud.call("GET", "/v1/alarms/stream", token=token, headers=wrong)).status == 400


async def test_a_stream_tells_what_happens_while_it_is_listened_to(cloud: WholeCloud) -> None:
    parts = cloud.process.parts
    async with parts.store.read() as tx:
        told = stream._told(parts, cloud.admin, await alarms.newest_event(tx))
    assert (await anext(told)).startswith(b":")
    id = await happen(cloud, fault())
    async with asyncio.timeout(30):
        text = (await anext(told)).decode()
    assert "event: raised" in text
    assert id in text
    await told.aclose()  # type: ignore[attr-defined] # a generator
