"""What a container is asked while it runs: commands, its log, its processes, its files, its terminal.

Its host answers, so no transaction is open meanwhile.
"""

import asyncio
import binascii
import signal
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from trivet.api.container import said
from trivet.api.container.containers import CONTAINER
from trivet.api.container.said import Nothing, asked
from trivet.api.kit import bodies
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.numbers import whole_number
from trivet.domain.servers.containers import asking
from trivet.drivers.contracts.container import ARCHIVE_MAX, ReadLog, Stats
from trivet.errors import Invalid

resource = Resource()
_ENCODED_SINCE = 1025
_BODY_MAX = 2 * ARCHIVE_MAX
_MIB = 1 << 20
Flag = str | bool | None
Size = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Executing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: Annotated[str, msgspec.Meta(min_length=1)]
    run: Flag = None
    interactive: Flag = None


class Resizing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    w: Size
    h: Size


class ResizingSession(Resizing, frozen=True, forbid_unknown_fields=True):
    exec_id: Annotated[str, msgspec.Meta(pattern=r"^[a-f0-9]{64}\Z")]


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stdout: Flag = None
    stderr: Flag = None
    timestamps: Flag = None
    tail: str | int | None = None
    since: str | int | float | None = None


class Topping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ps_args: str | None = None


class Killing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signal: str | int | None = None


class Copying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str


class Archived(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str


@resource.on("POST", f"{CONTAINER}/execute", may="member", tx="none")
async def execute(request: Request) -> Reply:
    await said.present(request)
    wanted = said.words(request, Executing)
    run = said.flag(wanted.run, "run", otherwise=True)
    said.flag(wanted.interactive, "interactive", otherwise=False)
    if run:
        done = await asking.execute(request.parts, asked(request), wanted.command)
        output = done.output.decode("utf-8", "replace")
        return Reply(200, {"output": output, "exit_code": done.exit_code, "exec_id": None, "token": None})
    session, token = await asking.open_session(request.parts, asked(request), wanted.command)
    url = _socket_url(request, token)
    view = {"output": None, "exit_code": None, "exec_id": session, "token": None, "proxy_url": url}
    return Reply(200, view)


@resource.on("POST", f"{CONTAINER}/execute_resize", may="member", tx="none")
async def execute_resize(request: Request) -> Reply:
    await said.present(request)
    wanted = said.words(request, ResizingSession)
    await asking.resize_terminal(request.parts, asked(request), wanted.exec_id, rows=wanted.h, columns=wanted.w)
    return Reply(200)


@resource.on("GET", f"{CONTAINER}/attach", may="member", tx="write")
async def attach(request: Request) -> Reply:
    await said.found(request)
    said.words(request, Nothing)
    token = await asking.attach(request.tx, asked(request))
    return Reply(200, _socket_url(request, token))


@resource.on("POST", f"{CONTAINER}/resize", may="member", tx="none")
async def resize(request: Request) -> Reply:
    """Of the container's own terminal."""
    await said.present(request)
    wanted = said.words(request, Resizing)
    await asking.resize_terminal(request.parts, asked(request), None, rows=wanted.h, columns=wanted.w)
    return Reply(200)


def _socket_url(request: Request, token: str) -> str:
    base = request.url.removesuffix("/container")
    return f"ws{base.removeprefix('http')}/console/container?token={token}"


@resource.on("GET", f"{CONTAINER}/logs", may="reader", tx="none")
async def logs(request: Request) -> Reply:
    await said.present(request)
    wanted = said.words(request, Logging)
    text = await asking.log(
        request.parts,
        asked(request),
        ReadLog(
            stdout=said.flag(wanted.stdout, "stdout", otherwise=True),
            stderr=said.flag(wanted.stderr, "stderr", otherwise=True),
            timestamps=said.flag(wanted.timestamps, "timestamps", otherwise=False),
            tail=_tail(wanted.tail),
            since=_since(wanted.since),
        ),
    )
    return Reply(200, text.decode("utf-8", "replace"))


def _tail(said: str | int | None) -> int | None:
    if said is None or said == "all":
        return None
    number = said if isinstance(said, int) else whole_number(said)
    if number is None or number < 0:
        raise Invalid("query.invalid", "tail is a number of lines, or all.")
    return min(number, 1 << 30)


def _since(said: str | float | None) -> float | None:
    if said is None:
        return None
    if not isinstance(said, str):
        return float(said)
    number = whole_number(said)
    if number is not None:
        return float(number)
    try:
        return datetime.strptime(said, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise Invalid("query.invalid", "since is a number of seconds, or like 2006-01-02 15:04:05,0.") from error


@resource.on("GET", f"{CONTAINER}/top", may="reader", tx="none")
async def top(request: Request) -> Reply:
    await said.present(request)
    found = await asking.top(request.parts, asked(request), said.words(request, Topping).ps_args)
    return Reply(200, {"Titles": found.titles, "Processes": found.rows})


@resource.on("GET", f"{CONTAINER}/stats", may="reader", tx="none")
async def stats(request: Request) -> Reply:
    await said.present(request)
    found = await asking.stats(request.parts, asked(request))
    async with request.parts.store.read() as tx:
        request.within(tx)
        name = (await said.found(request)).name
    return Reply(200, _stats(name, found))


def _stats(name: str, found: Stats) -> dict[str, object]:
    most = found.memory_most_bytes
    return {
        "CONTAINER": name,
        "CPU %": round(found.cpu_percent, 2),
        "MEM USAGE(MiB)": round(found.memory_bytes / _MIB, 2),
        "MEM LIMIT(MiB)": round(most / _MIB, 2),
        "MEM %": round(found.memory_bytes / most * 100, 2) if most else 0.0,
        "BLOCK I/O(B)": f"{found.read_bytes}/{found.written_bytes}",
        "NET I/O(B)": f"{found.received_bytes}/{found.sent_bytes}",
    }


@resource.on("POST", f"{CONTAINER}/kill", may="member", tx="none")
async def kill(request: Request) -> Reply:
    await said.present(request)
    await asking.kill(request.parts, asked(request), _signal(said.words(request, Killing).signal))
    return Reply(202)


def _signal(said: str | int | None) -> str:
    if said is None or said == "None":
        return "SIGKILL"
    known = {one.name: one for one in signal.Signals}
    text = str(said).upper()
    number = whole_number(text)
    for name, one in known.items():
        if text in (name, name.removeprefix("SIG")) or number == int(one):
            return name
    raise Invalid("container.signal", f"There is no signal {text[:32]!r}.")


@resource.on("GET", f"{CONTAINER}/get_archive", may="member", tx="none")
async def get_archive(request: Request) -> Reply:
    await said.present(request)
    path = said.words(request, Copying).path
    found = await asking.copy_out(request.parts, asked(request), path)
    encoded = request.version >= _ENCODED_SINCE
    data = b64encode(found.archive).decode() if encoded else _as_text(found.archive)
    stat = {
        "name": found.name,
        "size": found.size,
        "mode": found.mode,
        "mtime": datetime.fromtimestamp(found.mtime, UTC).isoformat(),
        "linkTarget": found.link_target,
    }
    return Reply(200, {"data": data, "stat": stat})


def _as_text(archive: bytes) -> str:
    try:
        return archive.decode()
    except UnicodeDecodeError as error:
        raise Invalid(
            "container.not_text", "What is there is no text; ask for it at version 1.25, in base64."
        ) from error


@resource.on("POST", f"{CONTAINER}/put_archive", may="member", tx="none", stream=True)
async def put_archive(request: Request) -> Reply:
    # Nobody's bytes are taken in for what is not there.
    await said.present(request, "put_archive")
    path = request.asked("path")
    if path is None:
        raise Invalid("query.invalid", "path says in which folder of the container the archive is unpacked.")
    data = bodies.read(Archived, await _whole(request)).data
    archive = await asyncio.to_thread(_archive, data, encoded=request.version >= _ENCODED_SINCE)
    await asking.copy_in(request.parts, asked(request), path, archive)
    return Reply(200)


async def _whole(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > _BODY_MAX:
            raise Invalid("body.too_large", f"An archive has at most {ARCHIVE_MAX} bytes.", status=413)
    return bytes(found)


def _archive(data: str, *, encoded: bool) -> bytes:
    try:
        archive = b64decode(data, validate=True) if encoded else data.encode()
    except (binascii.Error, ValueError) as error:
        raise Invalid("container.archive", "The archive is not written in base64.") from error
    if len(archive) > ARCHIVE_MAX:
        raise Invalid("body.too_large", f"An archive has at most {ARCHIVE_MAX} bytes.", status=413)
    return archive
