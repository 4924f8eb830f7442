"""Topology: what operators declare of the machines, what follows from rows, and what monitors say of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.one_service import Answer
from tests.policies.records import new_project
from tests.policies.whole_cloud import WholeCloud, whole_cloud

LINKS, COMPONENTS = "/v1/topology/links", "/v1/topology/components"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[WholeCloud]:
    async with whole_cloud(tmp_path) as cloud:
        yield cloud


async def declare(cloud: WholeCloud, component: str, *on: Any) -> Answer:
    said = [one if isinstance(one, dict) else {"component": one} for one in on]
    return await cloud.call("PUT", f"{LINKS}/{component}", {"stands_on": said}, token=cloud.admin)


async def stands_on(cloud: WholeCloud, component: str) -> list[str]:
    answer = await cloud.call("GET", f"{COMPONENTS}/{component}", token=cloud.admin)
    assert answer.status == 200, answer.raw
    return list(answer.body["component"]["stands_on"])


async def host(cloud: WholeCloud) -> str:
    return str((await cloud.call("GET", "/v1/hosts", token=cloud.admin)).body["hosts"][0]["name"])


async def test_what_something_stands_on_is_declared_whole(cloud: WholeCloud) -> None:
    await declare(cloud, "host:h1", {"component": "feed:a", "redundant": True}, {"component": "feed:b"})
    answer = await declare(cloud, "host:h1", "feed:b", {"component": "feed:c", "redundant": True})
    assert [(link["stands_on"], link["redundant"]) for link in answer.ok("links")] == [
        ("feed:b", False),
        ("feed:c", True),
    ]
    await declare(cloud, "switch:s", "feed:b")
    answer = await cloud.call("GET", LINKS, token=cloud.admin, query=b"stands_on=feed:b")
    assert [link["component"] for link in answer.body["links"]] == ["host:h1", "switch:s"]
    assert (await declare(cloud, "host:h1")).ok("links") == []
    assert len((await cloud.call("GET", LINKS, token=cloud.admin)).body["links"]) == 1


async def test_what_rows_know_need_not_be_declared(cloud: WholeCloud) -> None:
    name = await host(cloud)
    assert await stands_on(cloud, f"chassis:{name}") == [f"host:{name}", f"nic:{name}:tenant"]
    await declare(cloud, f"chassis:{name}", f"nic:{name}:eno1")
    await declare(cloud, f"nic:{name}:eno1", "switch:left")
    await declare(cloud, "switch:left", "feed:a")
    expected = ["feed:a", f"host:{name}", f"nic:{name}:eno1", "switch:left"]
    assert await stands_on(cloud, f"chassis:{name}") == expected


async def test_a_circle_ends_somewhere(cloud: WholeCloud) -> None:
    await declare(cloud, "switch:a", "switch:b")
    await declare(cloud, "switch:b", "switch:a")
    assert await stands_on(cloud, "switch:a") == ["switch:b"]


async def test_what_makes_no_sense_is_refused(cloud: WholeCloud) -> None:
    name = await host(cloud)
    for component, on in (
        ("server:s", "host:h"),
        ("nic:h", "switch:s"),
        ("feed:a", "feed:a"),
        ("feed:a", "switch:s"),
        ("engine:h", "nic:h:a"),
        (f"chassis:{name}", "nic:other:eno1"),
        ("host:h", "feed:" + "x" * 300),
        ("host:h%20h", "feed:a"),
    ):
        assert (await declare(cloud, component, on)).status == 400, (component, on)
    assert (await declare(cloud, "host:h", "feed:a", "feed:a")).status == 400
    assert (await declare(cloud, "host:h", *(f"feed:{number}" for number in range(33)))).status == 400


async def test_a_monitor_says_how_a_component_is(cloud: WholeCloud) -> None:
    path = f"{COMPONENTS}/feed:a/state"
    said = {"state": {"value": "down", "detail": "fuse"}}
    told = (await cloud.call("PUT", path, said, token=cloud.admin)).body["state"]
    assert (told["value"], told["detail"]) == ("down", "fuse")
    shown = (await cloud.call("GET", f"{COMPONENTS}/feed:a", token=cloud.admin)).body["component"]
    assert shown["state"] == told
    assert (await cloud.call("PUT", path, {"state": {"value": "odd"}}, token=cloud.admin)).status == 400


async def test_it_is_the_operator_s(cloud: WholeCloud) -> None:
    token = (await new_project(cloud, "mine")).tokens(cloud)["manager"]
    assert (await cloud.call("GET", LINKS, token=token)).status == 403
    assert (await cloud.call("PUT", f"{LINKS}/host:h", {"stands_on": []}, token=token)).status == 403
    said = {"state": {"value": "down"}}
    assert (await cloud.call("PUT", f"{COMPONENTS}/feed:a/state", said, token=token)).status == 403
