"""What goes on to the engine, in whose name, and what comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.one_service import MINE, Answer, OneService, ask, store_on
from tests.fake_metal import FakeEngine

from trivet.api.baremetal.service import SERVICE
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ironic.upstream import SocketUpstream

NODES = "/baremetal/v1/nodes"


class Cloud(OneService):
    def __init__(self) -> None:
        super().__init__(SERVICE, store_on(""))
        self.engine = self.parts.metal = FakeEngine()
        self.member = self.issue(MINE, "member")

    async def call(self, method: str, path: str, token: str | None, body: object = None, **headers: str) -> Answer:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {} if token is None else {"x-auth-token": token}
        return await ask(self.app, method, path, body, headers=said | shown)


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud() as cloud:
        yield cloud


def why(answer: Answer) -> str:
    return str(json.loads(answer.body["error_message"])["faultstring"])


async def test_a_call_reaches_the_engine_in_the_callers_name_and_with_its_version(cloud: Cloud) -> None:
    cloud.engine.headers += [(b"x-openstack-ironic-api-version", b"1.81"), (b"server", b"cheroot")]
    cloud.engine.body = [b'{"nodes"', b": []}"]
    answer = await cloud.call("GET", f"{NODES}?limit=5", cloud.member, x_openstack_ironic_api_version="1.81")
    assert answer.ok() == {"nodes": []}
    assert answer.headers["x-openstack-ironic-api-version"] == "1.81"
    assert answer.headers.get("server") is None
    ((method, target, headers, body, who),) = cloud.engine.asked
    assert (method, target, body) == ("GET", "/v1/nodes?limit=5", b"")
    assert headers["x-openstack-ironic-api-version"] == "1.81"
    assert who is not None
    assert who["x-project-id"] == MINE
    assert who["x-roles"] == "member,reader"
    assert "openstack-system-scope" not in who


async def test_links_are_made_for_where_the_client_came_from(cloud: Cloud) -> None:
    await cloud.call("GET", NODES, cloud.member)
    headers = cloud.engine.asked[0][2]
    reached = {name: value for name, value in headers.items() if name.startswith("x-forwarded")}
    assert reached == {
        "x-forwarded-proto": "http",
        "x-forwarded-host": "cloud:8774",
        "x-forwarded-prefix": "/baremetal",
    }


async def test_an_operator_acts_on_the_whole_of_it(cloud: Cloud) -> None:
    await cloud.call("POST", NODES, cloud.issue(MINE, "admin"), {"driver": "redfish"})
    who = cloud.engine.asked[0][4]
    assert who is not None
    assert who["openstack-system-scope"] == "all"
    assert "admin" in who["x-roles"].split(",")
    assert "x-project-id" not in who


async def test_what_a_client_says_about_himself_does_not_reach_it(cloud: Cloud) -> None:
    lies = {
        "x_roles": "admin", "openstack_system_scope": "all", "x_user_id": "root", "x_project_id": "theirs",
        "x_trivet_secret": "guessed", "x_is_admin_project": "True", "x_forwarded_host": "elsewhere",
        "x_identity_status": "Confirmed",
    }  # fmt: skip
    await cloud.call("GET", NODES, cloud.member, **lies)
    _, _, headers, _, who = cloud.engine.asked[0]
    assert set(headers) == {
        "accept", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-openstack-request-id",
    }  # fmt: skip
    assert headers["x-forwarded-host"] == "cloud:8774"
    assert who is not None
    assert who["x-roles"] == "member,reader"


async def test_who_has_no_token_hears_the_versions_and_nothing_else(cloud: Cloud) -> None:
    for path in ("/baremetal", "/baremetal/", "/baremetal/v1"):
        assert (await cloud.call("GET", path, None)).status == 200
    assert [asked[4] for asked in cloud.engine.asked] == [None] * 3
    assert (await cloud.call("GET", NODES, None)).status == 401
    assert (await cloud.call("GET", NODES, "bad")).status == 401
    assert len(cloud.engine.asked) == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/lookup"),
        ("POST", "/v1/heartbeat/node"),
        ("POST", "/v1/continue_inspection"),
        ("GET", "/v1/nodes/../ports"),
        ("GET", "/v1/nodes/./bios"),
    ],
)
async def test_what_is_for_the_deploy_ramdisk_is_not_reached_from_here(cloud: Cloud, method: str, path: str) -> None:
    assert (await cloud.call(method, f"/baremetal{path}", cloud.issue(MINE, "admin"))).status == 404
    assert cloud.engine.asked == []


async def test_the_version_may_be_left_out_of_a_path(cloud: Cloud) -> None:
    for path in ("/nodes", "/nodes/n1/allocation", "/drivers/redfish/properties"):
        assert (await cloud.call("GET", f"/baremetal{path}", cloud.member)).status == 200
    assert [asked[1] for asked in cloud.engine.asked] == [
        "/nodes", "/nodes/n1/allocation", "/drivers/redfish/properties",
    ]  # fmt: skip
    for path in ("/lookup", "/heartbeat/n1", "/nonsense"):
        assert (await cloud.call("GET", f"/baremetal{path}", cloud.member)).status == 404


async def test_what_stands_in_a_path_is_one_segment_of_it_there_too(cloud: Cloud) -> None:
    await cloud.call("GET", f"{NODES}/a b?c%d", cloud.member)
    assert cloud.engine.asked[0][1] == "/v1/nodes/a%20b?c%d"


async def test_a_refusal_of_the_engine_is_given_as_it_is(cloud: Cloud) -> None:
    cloud.engine.status, cloud.engine.body = 409, [b'{"error_message": "locked"}']
    answer = await cloud.call("DELETE", f"{NODES}/n1/maintenance", cloud.member)
    assert (answer.status, answer.body) == (409, {"error_message": "locked"})
    cloud.engine.status, cloud.engine.body = 204, []
    assert (await cloud.call("DELETE", f"{NODES}/n1/maintenance", cloud.member)).status == 204


async def test_an_engine_that_is_away_is_told_in_words_that_clients_show(cloud: Cloud) -> None:
    cloud.engine.away = True
    answer = await cloud.call("GET", NODES, cloud.member)
    assert answer.status == 503
    assert "try again" in why(answer)
    assert answer.headers["retry-after"] == "1"


async def test_a_cloud_without_an_engine_says_that(cloud: Cloud) -> None:
    cloud.parts.metal = None
    answer = await cloud.call("GET", NODES, cloud.member)
    assert answer.status == 404
    assert "no engine" in why(answer)


async def test_a_long_answer_is_passed_on_as_it_comes(cloud: Cloud) -> None:
    cloud.engine.body = [b" " * 100_000] * 20 + [b"{}"]
    answer = await cloud.call("GET", f"{NODES}/detail", cloud.member)
    assert len(answer.raw) == 2_000_002
    assert cloud.engine.closed == 1


async def test_a_head_is_a_get_whose_body_nobody_reads(cloud: Cloud) -> None:
    answer = await cloud.call("HEAD", NODES, cloud.member)
    assert (answer.status, answer.raw) == (200, b"")
    assert cloud.engine.asked[0][0] == "GET"
    assert cloud.engine.closed == 1


async def test_one_project_does_not_take_all_places_at_a_slow_engine(cloud: Cloud) -> None:
    slow = cloud.engine.ask
    go = asyncio.Event()

    async def waiting(method, target, headers, body, who):  # type: ignore[no-untyped-def] # as the contract says
        if who is not None and dict(who)["x-project-id"] == MINE:
            await go.wait()
        return await slow(method, target, headers, body, who)

    cloud.engine.ask = waiting  # type: ignore[method-assign]
    held = [asyncio.create_task(cloud.call("GET", NODES, cloud.member)) for _ in range(20)]
    other = await cloud.call("GET", NODES, cloud.issue("2" * 32, "member"))
    assert other.status == 200
    go.set()
    assert {answer.status for answer in await asyncio.gather(*held)} == {200}


async def test_the_engine_is_asked_on_its_socket(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Openstack-Ironic-Api-Version: 1.1\r\n\r\n{}")
        writer.close()

    engine = SocketUpstream(tmp_path / "s")
    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    answer = await engine.ask("GET", "/v1", [], b"", [("x-roles", "admin")])
    assert [chunk async for chunk in answer.chunks] == [b"{}"]
    assert (b"x-openstack-ironic-api-version", b"1.1") in answer.headers
    assert b"x-roles: admin" in heard[0]
    with pytest.raises(ValueError, match="llegal"):
        await engine.ask("GET", "/v1\r\nx-roles: admin", [], b"", None)
    server.close()
    await server.wait_closed()
    with pytest.raises(DriverError):
        await engine.ask("GET", "/v1", [], b"", None)
