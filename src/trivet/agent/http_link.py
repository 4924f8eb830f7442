"""The link of an agent on another machine: the same verbs, over HTTP, with the host's own credential.

It remembers one thing, the session that registering gave. Once the far side says that the session or the
credential is no longer good, `over` is set and the agent begins again.
"""

import asyncio
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from trivet.agent.http_client import Ask, HttpClient
from trivet.agent.scratch import Scratch, handed_over
from trivet.domain.host_link.words import (
    Changes,
    ConsoleAnswer,
    ConsoleQuestion,
    Facts,
    GuestPassword,
    OrdersAsked,
    Registered,
)
from trivet.domain.hosts.admission import Admitted
from trivet.domain.servers.orders import DiskAt, ImageAt, Orders, Report
from trivet.drivers import durable
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, TrivetError

_PREFIX = "/v1/agent"
_POLL_WAIT_S = 40.0
"""Longer than the API lets us wait for something to happen."""
_FILL_WAIT_S = 600.0
"""After the last byte of a snapshot the API still looks it over."""
_PIECE = 1 << 20
_KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\Z")
_KEEP_S = 3600.0
_FETCH_WAIT_S = 60.0
"""For the next piece, not for all of it."""
T = TypeVar("T")


class HttpLink:
    def __init__(self, api: str, secret: str, data: Path) -> None:
        self._http = HttpClient(api, [("X-Trivet-Host-Secret", secret)])
        self._session = ""
        self._images = data / "images"
        self._images.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scratch = Scratch(data)
        self._fetching: dict[str, asyncio.Lock] = {}
        self.over = asyncio.Event()

    # -- the session

    async def register(self, facts: Facts) -> Registered:
        facts = msgspec.structs.replace(facts, management_address=await self._http.own_address())
        found = await self._post("/register", facts, Registered)
        self._session = found.session
        self.over.clear()
        return found

    async def leave(self) -> None:
        await self._call("POST", "/leave")

    async def admitted(self, request: str) -> Admitted:
        """What makes this host a chassis of the cloud's network, for a key of its own that is asked about."""
        return await self._post("/overlay", {"request": request}, Admitted)

    async def changes(self, after: int | None) -> Changes:
        query = f"?after={after}" if after is not None else ""
        return await self._get(f"/changes{query}", Changes, wait_s=_POLL_WAIT_S)

    async def close(self) -> None:
        self._http.close()

    # -- Link

    async def orders(self, hosts: Collection[str], servers: Collection[str] | None = None) -> Orders:
        asked = OrdersAsked(tuple(servers) if servers is not None else None)
        found = await self._post("/orders", asked, Orders)
        if servers is None:
            wanted = {order.image.blob_key for order in found.orders if order.image is not None}
            self._drop_images(wanted | {disk.blob_key for order in found.orders for disk in order.brings})
        return found

    async def report(self, reports: list[Report]) -> dict[str, int]:
        return await self._post("/reports", reports, dict[str, int])

    async def confirm(self) -> None:
        await self._call("GET", "/session")

    async def heartbeat(self, hosts: Collection[str]) -> None:
        await self._call("POST", "/heartbeat")

    async def files(self, server_id: str) -> dict[str, bytes]:
        return await self._get(f"/servers/{quote(server_id, safe='')}/files", dict[str, bytes])

    async def image_path(self, image: ImageAt) -> str:
        target = f"/images/{quote(image.id, safe='')}/file?{urlencode({'key': image.blob_key})}"
        return await self._cached(image.blob_key, target, f"image {image.id}")

    async def moved_disk(self, server_id: str, disk: DiskAt) -> str:
        target = f"{_disk_path(server_id, disk.name)}?{urlencode({'key': disk.blob_key})}"
        return await self._cached(disk.blob_key, target, f"disk {disk.name}")

    async def hand_over(self, server_id: str, name: str, path: str, format: str) -> None:
        target = f"{_PREFIX}{_disk_path(server_id, name)}?{urlencode({'format': format})}"
        with handed_over(server_id, path), self._noticing():
            await self._http.call(Ask("PUT", target, self._headers(), _pieces(path), _FILL_WAIT_S))

    async def upload(self, image_id: str, path: str, format: str) -> None:
        target = f"{_PREFIX}/images/{quote(image_id, safe='')}/file?{urlencode({'format': format})}"
        with handed_over(image_id, path), self._noticing():
            await self._http.call(Ask("PUT", target, self._headers(), _pieces(path), _FILL_WAIT_S))

    def scratch(self, name: str) -> str:
        return self._scratch.path(name)

    # -- guests

    async def instance_at(self, network_id: str, ip: str) -> dict[str, bytes] | None:
        """None for an address that no server of this host has."""
        query = urlencode({"network_id": network_id, "ip": ip})
        return await self._get(f"/metadata?{query}", dict[str, bytes]) or None

    async def keep_password(self, network_id: str, ip: str, password: str) -> bool:
        said = GuestPassword(network_id, ip, password)
        return (await self._post("/metadata/password", said, dict[str, bool]))["kept"]

    async def console_questions(self) -> list[ConsoleQuestion]:
        return await self._get("/console-reads", list[ConsoleQuestion])

    async def answer_console(self, id: str, answer: ConsoleAnswer) -> None:
        await self._call("POST", f"/console-reads/{quote(id, safe='')}", msgspec.json.encode(answer))

    # -- calls

    async def _get(self, path: str, kind: type[T], *, wait_s: float = 30.0) -> T:
        return _read(await self._call("GET", path, wait_s=wait_s), kind)

    async def _post(self, path: str, said: object, kind: type[T]) -> T:
        return _read(await self._call("POST", path, msgspec.json.encode(said)), kind)

    async def _call(self, method: str, path: str, body: bytes = b"", *, wait_s: float = 30.0) -> bytes:
        with self._noticing():
            return await self._http.call(Ask(method, _PREFIX + path, self._headers(), body, wait_s))

    def _headers(self) -> list[tuple[str, str]]:
        return [("X-Trivet-Session", self._session)] if self._session else []

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Whether it is over: the credential is no longer good, or somebody else has the host."""
        try:
            yield
        except TrivetError as error:
            if error.http_status == 401 or error.code in ("lease.lost", "agent.unregistered"):
                self.over.set()
            raise

    # -- the cache of images

    async def _cached(self, key: str, target: str, what: str) -> str:
        """The path in the cache, where a file gets its name only when it is whole and was checked."""
        if not _KEY.match(key):
            raise DriverError(f"The data of {what} has a name that cannot be a file's.", again=False)
        path = self._images / key
        async with self._fetching.setdefault(key, asyncio.Lock()):
            if not path.exists():
                await self._fetch(_PREFIX + target, path, what)
        self._fetching.pop(key, None)
        return str(path)

    async def _fetch(self, target: str, path: Path, what: str) -> None:
        part = durable.part_of(path)
        digest = hashlib.sha512()
        with self._noticing():
            async with self._http.asking(Ask("GET", target, self._headers(), wait_s=_FETCH_WAIT_S)) as answer:
                with part.open("wb") as file:
                    async for chunk in answer.chunks():
                        await asyncio.to_thread(_take, file, digest, chunk)
                    await asyncio.to_thread(durable.sync, file)
        if answer.headers.get("x-trivet-sha512") != digest.hexdigest():
            part.unlink()
            raise DriverError(f"The data of {what} arrived damaged.", again=True)
        await asyncio.to_thread(durable.move, part, path)

    def _drop_images(self, wanted: set[str]) -> None:
        """What no order names for an hour. A machine that was made from it holds its own link to the bytes."""
        with os.scandir(self._images) as entries:
            for entry in entries:
                if (
                    entry.name.removesuffix(durable.PART) not in wanted
                    and time.time() - entry.stat().st_mtime > _KEEP_S
                ):
                    Path(entry.path).unlink(missing_ok=True)


def _disk_path(server_id: str, name: str) -> str:
    return f"/servers/{quote(server_id, safe='')}/disks/{quote(name, safe='')}"


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise Busy("api.answer", f"The API's answer cannot be read: {error}.") from error


def _take(file: IO[bytes], digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


async def _pieces(path: str) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(Path(path).open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
