"""What a running container is asked, over a simulation that answers; engines are asked in tests/drivers."""

import asyncio
import base64
import io
import tarfile
from typing import Any

import pytest
from tests.api.container.container_cloud import Containers, Project, cloud, mine, theirs, why

from trivet.domain.servers.containers import asking
from trivet.drivers.contracts.container import ARCHIVE_MAX

__all__ = ["cloud", "mine", "theirs"]


def tar_of(name: str, text: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return written.getvalue()


async def test_a_command_is_run_and_its_output_told(mine: Project) -> None:
    id = await mine.made()
    done = (await mine.act(id, "execute", {"command": "echo 'hello there'"})).ok()
    assert done == {"output": "hello there\n", "exit_code": 0, "exec_id": None, "token": None}
    assert (await mine.act(id, "execute", command="echo", run="true")).ok()["exit_code"] == 0
    assert (await mine.act(id, "execute", {"command": "false"})).ok()["exit_code"] == 127
    for wrong in ({}, {"command": ""}, {"command": "echo 'a"}, {"command": "x", "colour": "y"}, {"command": 7}):
        why(await mine.act(id, "execute", wrong), 400)
    why(await mine.act(id, "execute", {"command": "x" * (asking.COMMAND_MAX + 1)}), 400)


async def test_a_session_is_opened_for_whoever_has_its_token(mine: Project) -> None:
    id = await mine.made()
    done = (await mine.act(id, "execute", command="sh", run="false", interactive="true")).ok()
    assert len(done["exec_id"]) == 64 and done["output"] is None
    assert done["proxy_url"].startswith("ws://cloud:8774/console/container?token=")
    (await mine.act(id, "execute_resize", exec_id=done["exec_id"], w=80, h=24)).ok()
    for wrong in ({"exec_id": "x", "w": 80, "h": 24}, {"exec_id": done["exec_id"], "w": 0, "h": 24}, {"w": 1, "h": 1}):
        why(await mine.act(id, "execute_resize", **wrong), 400)


async def test_who_attaches_needs_a_container_that_listens(mine: Project) -> None:
    deaf = await mine.made()
    assert "interactive" in why(await mine.call("GET", f"/containers/{deaf}/attach"), 400)
    id = await mine.made(interactive=True, tty=True)
    url = (await mine.call("GET", f"/containers/{id}/attach")).ok()
    assert url.startswith("ws://cloud:8774/console/container?token=")
    (await mine.act(id, "resize", w=80, h=24)).ok()
    why(await mine.act(id, "resize", w="wide", h=24), 400)


async def test_the_log_is_told_as_it_was_asked(mine: Project) -> None:
    id = await mine.made()
    path = f"/containers/{id}/logs"
    whole = (await mine.call("GET", path)).ok()
    assert "Simulated" in whole
    assert (await mine.call("GET", path, tail=1)).ok() == whole.splitlines(keepends=True)[-1]
    assert (await mine.call("GET", path, stdout="false")).ok() == ""
    (await mine.call("GET", path, stdout="True", stderr="False", timestamps="False", tail="all", since="None")).ok()
    (await mine.call("GET", path, since="2020-01-01%2000:00:00,1")).ok()
    for wrong in ({"tail": "few"}, {"since": "yesterday"}, {"stdout": "perhaps"}, {"colour": "red"}):
        why(await mine.call("GET", path, **wrong), 400)


async def test_processes_and_what_they_use_are_told(mine: Project) -> None:
    id = await mine.made(name="busy")
    top = (await mine.call("GET", f"/containers/{id}/top", ps_args="None")).ok()
    assert top["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert len(top["Processes"][0]) == 8
    assert (await mine.call("GET", f"/containers/{id}/top", ps_args="-o%20pid,args")).ok()["Titles"] == ["PID", "CMD"]
    for wrong in ("--ppid 1", "-o%20uid=PID", "-o%20environ", "-p%201", "e"):
        assert "ps_args may be" in why(
            await mine.call("GET", f"/containers/{id}/top", ps_args=wrong.replace(" ", "%20")), 400
        )
    stats = (await mine.call("GET", f"/containers/{id}/stats")).ok()
    assert stats.keys() == {
        "CONTAINER", "CPU %", "MEM USAGE(MiB)", "MEM LIMIT(MiB)", "MEM %", "BLOCK I/O(B)", "NET I/O(B)",
    }  # fmt: skip
    assert stats["CONTAINER"] == "busy"


@pytest.mark.parametrize("said", [{}, {"signal": "None"}, {"signal": "SIGKILL"}, {"signal": "term"}, {"signal": "9"}])
async def test_a_signal_ends_it(mine: Project, said: dict[str, str]) -> None:
    id = await mine.made()
    assert (await mine.act(id, "kill", **said)).status == 202
    await mine.becomes(id, "Stopped")


async def test_other_signals_do_not_and_unknown_ones_are_refused(mine: Project) -> None:
    id = await mine.made()
    (await mine.act(id, "kill", {"signal": "SIGUSR1"})).ok()
    assert (await mine.show(id))["status"] == "Running"
    why(await mine.act(id, "kill", signal="SIGNAL"), 400)


async def test_files_go_in_and_come_out(mine: Project) -> None:
    id = await mine.made()
    archive = tar_of("test.txt", b"Random text")
    encoded = {"data": base64.b64encode(archive).decode()}
    assert (await mine.act(id, "put_archive", encoded, path="/tmp")).status == 200
    found = (await mine.call("GET", f"/containers/{id}/get_archive", path="/tmp/test.txt")).ok()
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(found["data"]))) as tar:
        file = tar.extractfile("test.txt")
        assert file is not None and file.read() == b"Random text"
    assert (found["stat"]["name"], found["stat"]["size"]) == ("test.txt", 11)
    (await mine.act(id, "put_archive", {"data": archive.decode()}, path="/old", version="1.24")).ok()
    old = (await mine.call("GET", f"/containers/{id}/get_archive", path="/old/test.txt", version="1.24")).ok()
    with tarfile.open(fileobj=io.BytesIO(old["data"].encode())) as tar:
        assert tar.getnames() == ["test.txt"]
    assert "no /nowhere" in why(await mine.call("GET", f"/containers/{id}/get_archive", path="/nowhere"), 409)
    why(await mine.call("GET", f"/containers/{id}/get_archive", path="tmp/test.txt"), 400)
    why(await mine.call("GET", f"/containers/{id}/get_archive"), 400)
    why(await mine.act(id, "put_archive", encoded), 400)
    why(await mine.act(id, "put_archive", {"data": "%%"}, path="/tmp"), 400)
    why(await mine.act(id, "put_archive", {"data": encoded["data"], "more": 1}, path="/tmp"), 400)
    why(await mine.act("no-such", "put_archive", encoded, path="/tmp"), 404)


@pytest.mark.parametrize("size", [ARCHIVE_MAX + 1, 3 * ARCHIVE_MAX])
async def test_an_archive_is_bounded(mine: Project, size: int) -> None:
    id = await mine.made()
    said = {"data": base64.b64encode(bytes(size)).decode()}
    why(await mine.act(id, "put_archive", said, path="/tmp"), 413)


async def test_a_project_asks_so_much_at_a_time_and_no_more(cloud: Containers, mine: Project, theirs: Project) -> None:
    """What waits is megabytes in the database, and takes the time of hosts that are everybody's."""
    id, other = await mine.made(), await theirs.made()
    held = asyncio.Event()

    async def never(id: str, command: tuple[str, ...]) -> Any:
        await held.wait()
        raise AssertionError

    hosting = cloud.whole.process.hosting
    assert hosting is not None
    for engines in hosting.engines.values():
        hanging: Any = engines.machines["container"]
        hanging.execute = never
    waiting = [asyncio.create_task(mine.act(id, "execute", {"command": "sleep"})) for _ in range(asking.AT_ONCE)]
    async with asyncio.timeout(30):
        while True:
            async with cloud.whole.process.parts.store.read() as tx:
                row = await tx.row("SELECT COUNT(*) FROM console_reads")
            if row is not None and row[0] == asking.AT_ONCE:
                break
            await asyncio.sleep(0.01)
    assert "are being answered" in why(await mine.act(id, "execute", {"command": "sleep"}), 503)
    assert (await theirs.call("GET", f"/containers/{other}/logs")).status == 200
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_of_others_containers_nothing_is_asked(mine: Project, theirs: Project) -> None:
    id = await theirs.made(interactive=True, tty=True)
    for method, action, said in (
        ("POST", "execute", {"command": "x"}), ("GET", "logs", {}), ("GET", "top", {}), ("GET", "stats", {}),
        ("POST", "kill", {}), ("GET", "get_archive", {"path": "/x"}), ("GET", "attach", {}),
        ("POST", "execute_resize", {"exec_id": "a" * 64, "w": 1, "h": 1}), ("POST", "resize", {"w": 1, "h": 1}),
        ("POST", "put_archive", {"path": "/x"}),
    ):  # fmt: skip
        why(await mine.call(method, f"/containers/{id}/{action}", **said), 404)


class Socket:
    """A client of a websocket of the cloud's application, as the server would carry it."""

    def __init__(self, cloud: Containers, url: str) -> None:
        path, _, query = url.partition("cloud:8774")[2].partition("?")
        self._scope = {"type": "websocket", "path": path, "query_string": query.encode(), "subprotocols": ["binary"]}
        self._app = cloud.whole.process.app
        self.outward: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inward: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outward.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._app(self._scope, self.outward.get, self.inward.put))

    def says(self, text: bytes) -> None:
        self.outward.put_nowait({"type": "websocket.receive", "bytes": text})

    async def hears(self, text: bytes) -> None:
        heard = b""
        async with asyncio.timeout(30):
            while text not in heard:
                message = await self.inward.get()
                assert message["type"] in ("websocket.accept", "websocket.send"), message
                heard += message.get("bytes") or b""

    async def leaves(self) -> None:
        self.outward.put_nowait({"type": "websocket.disconnect"})
        await self._task


async def test_who_has_the_address_talks_over_a_websocket_and_nobody_else(cloud: Containers, mine: Project) -> None:
    id = await mine.made(name="talker", interactive=True, tty=True)
    attached = (await mine.call("GET", f"/containers/{id}/attach")).ok()
    session = (await mine.act(id, "execute", command="sh", run="false", interactive="true")).ok()["proxy_url"]
    for url in (attached, session):
        socket = Socket(cloud, url)
        await socket.hears(b"Simulated console of talker")
        socket.says(b"hello\n")
        await socket.hears(b"hello")
        await socket.leaves()
    stranger = Socket(cloud, attached[:-4] + "xxxx")
    async with asyncio.timeout(30):
        assert (await stranger.inward.get()) == {"type": "websocket.close", "code": 4401}
    (await mine.call("DELETE", f"/containers/{id}", stop="true")).ok()
    await mine.gone(id)
    late = Socket(cloud, attached)
    async with asyncio.timeout(30):
        assert (await late.inward.get())["type"] == "websocket.close"
