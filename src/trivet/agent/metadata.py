"""The metadata service: 169.254.169.254 as servers see it, one listening socket a network.

Who asks is known by the network and the source address, which port security makes trustworthy; nothing
that a guest says about itself is believed. It answers the OpenStack and the EC2 tree, read only but for the
guest's own password, one answer a connection, and is bounded: in what it reads, in how long it waits, and in
how many connections one guest may hold, so that a guest that hogs it hurts only itself.
"""

import asyncio
import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from trivet.drivers.contracts.network import WireDriver
from trivet.errors import TrivetError

_HEAD_MAX = 8 * 1024
_WAIT_S = 10.0
_AT_ONCE = 16
_logger = logging.getLogger(__name__)

Lookup = Callable[[str, str], Awaitable[dict[str, bytes] | None]]
"""(network id, source address) -> the tree of files of who asks (domain/servers/metadata.py)."""

KeepPassword = Callable[[str, str, str], Awaitable[bool]]
"""(network id, source address, password) -> whether it was kept."""

_PASSWORD = re.compile(rb"/openstack/[a-z0-9.-]+/password/?")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d{1,6}) *\r?$")
_PASSWORD_MAX = 1020


class MetadataService:
    def __init__(self, lookup: Lookup, keep_password: KeepPassword) -> None:
        self._lookup = lookup
        self._keep_password = keep_password
        self._doors: dict[str, asyncio.Server] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._held: Counter[tuple[str, str]] = Counter()
        """Connections by (network id, source address)."""

    async def serve(self, network_id: str, wires: WireDriver) -> None:
        """Answer on this network; answering already is fine."""
        if network_id in self._doors:
            return
        async with self._opening.setdefault(network_id, asyncio.Lock()):
            if network_id not in self._doors:
                listener = socket.socket(fileno=await _opened(wires, network_id))
                self._doors[network_id] = await self.answer_on(network_id, listener)

    async def answer_on(self, network_id: str, listener: socket.socket) -> asyncio.Server:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._handle(network_id, reader, writer)

        server = await asyncio.start_server(handle, sock=listener, limit=_HEAD_MAX, start_serving=False)
        try:
            await server.start_serving()
        except asyncio.CancelledError:
            # It listens by then, and nobody would ever close it.
            server.close()
            raise
        return server

    async def leave(self, network_id: str, wires: WireDriver) -> None:
        """No server of this network is here any more."""
        door = self._doors.pop(network_id, None)
        self._opening.pop(network_id, None)
        if door is not None:
            door.close()
            await wires.close_metadata(network_id)

    @property
    def networks(self) -> set[str]:
        return set(self._doors)

    async def close(self) -> None:
        for door in self._doors.values():
            door.close()
        self._doors.clear()

    # -- one connection

    async def _handle(self, network_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        guest = (network_id, str(writer.get_extra_info("peername")[0]).removeprefix("::ffff:"))
        if self._held[guest] >= _AT_ONCE:
            writer.transport.abort()
            return
        self._held[guest] += 1
        try:
            async with asyncio.timeout(_WAIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST "):
                    writer.write(await self._take_password(*guest, head, reader))
                else:
                    writer.write(await self._answer(*guest, head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # A guest that is too slow, too long or gone is not worth a word.
            pass
        finally:
            writer.close()
            self._held[guest] -= 1
            if not self._held[guest]:
                del self._held[guest]

    async def _take_password(self, network_id: str, source: str, head: bytes, reader: asyncio.StreamReader) -> bytes:
        """The one thing that a guest may say: its password, sealed for its owner, once."""
        path = head.split(b" ", 2)[1]
        if not _PASSWORD.fullmatch(path):
            return _reply(405, b"Only a password can be posted here.\n", "text/plain", "POST")
        length = _LENGTH.search(head)
        if length is None or int(length[1]) > _PASSWORD_MAX:
            return _reply(400, b"The password is too long.\n", "text/plain", "POST")
        password = (await reader.readexactly(int(length[1]))).decode("latin-1")
        try:
            kept = await self._keep_password(network_id, source, password)
        except TrivetError as error:
            _logger.warning("Password of %s on network %s: %s", source, network_id, error)
            return _reply(503, b"Try again.\n", "text/plain", "POST")
        return _reply(200 if kept else 409, b"", "text/plain", "POST")

    async def _answer(self, network_id: str, source: str, head: bytes) -> bytes:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        if method not in ("GET", "HEAD"):
            return _reply(405, b"Only GET and HEAD are answered here.\n", "text/plain", method)
        try:
            tree = await self._lookup(network_id, source)
        except TrivetError as error:
            _logger.warning("Metadata for %s on network %s: %s", source, network_id, error)
            return _reply(503, b"Try again.\n", "text/plain", method)
        if tree is None:
            return _reply(404, b"No server has this address.\n", "text/plain", method)
        path = unquote(rest.rpartition(" ")[0].partition("?")[0])
        found = look_up(tree, path)
        if found is None:
            return _reply(404, b"404 Not Found\n", "text/plain", method)
        kind = "application/json" if path.endswith(".json") else "text/plain; charset=utf-8"
        return _reply(200, found, kind, method)


async def _opened(wires: WireDriver, network_id: str) -> int:
    """A call that is cancelled while it opens leaves no socket behind: nobody else could have the address."""
    opening = asyncio.ensure_future(wires.open_metadata(network_id))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise


def _close_unused(opening: asyncio.Future[int]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _reply(status: int, body: bytes, kind: str, method: str) -> bytes:
    phrase = {
        200: "OK",
        404: "Not Found",
        400: "Bad Request",
        405: "Method Not Allowed",
        409: "Conflict",
        503: "Service Unavailable",
    }[status]
    said = (f"HTTP/1.1 {status} {phrase}", f"content-type: {kind}", f"content-length: {len(body)}", "connection: close")
    return "\r\n".join((*said, "", "")).encode() + (b"" if method == "HEAD" else body)


# -- paths


def look_up(tree: Mapping[str, bytes], path: str) -> bytes | None:
    """What stands at a path; of a folder, the names in it, one a line."""
    segments = [segment for segment in path.split("/") if segment]
    if not segments:
        return _lines([*_versions(tree, "ec2"), "openstack"])
    if segments[0] == "openstack":
        return _openstack(tree, segments)
    return _ec2(tree, segments)


def _versions(tree: Mapping[str, bytes], half: str) -> list[str]:
    names = {path.split("/")[1] for path in tree if path.startswith(f"{half}/")}
    return sorted(names - {"content", "latest"}) + (["latest"] if "latest" in names else [])


def _openstack(tree: Mapping[str, bytes], segments: list[str]) -> bytes | None:
    if len(segments) == 1:
        return _lines(_versions(tree, "openstack"))
    path = "/".join(segments)
    if path in tree:
        return tree[path]
    names = [name.removeprefix(f"{path}/") for name in tree if name.startswith(f"{path}/")]
    if names and len(segments) == 2:
        return _lines(sorted(names))
    # Older guests fetch files through the version that they speak.
    if len(segments) == 4 and segments[2] == "content":
        return tree.get(f"openstack/content/{segments[3]}")
    return None


def _ec2(tree: Mapping[str, bytes], segments: list[str]) -> bytes | None:
    base = f"ec2/{segments[0]}"
    document = tree.get(f"{base}/meta-data.json")
    if document is None:
        return None
    if len(segments) == 1:
        return _lines(["meta-data/", "user-data"] if f"{base}/user-data" in tree else ["meta-data/"])
    if segments[1] == "user-data":
        return tree.get(f"{base}/user-data") if len(segments) == 2 else None
    if segments[1] != "meta-data":
        return None
    found: Any = msgspec.json.decode(document)
    for segment in segments[2:]:
        if not isinstance(found, dict) or segment == "_name" or segment not in found:
            return None
        found = found[segment]
    if isinstance(found, dict):
        return _lines([_ec2_name(name, value) for name, value in sorted(found.items()) if name != "_name"])
    return str(found).encode()


def _ec2_name(name: str, value: object) -> str:
    """A folder's name ends in a slash; a key's is told with its number."""
    if isinstance(value, dict):
        return str(value["_name"]) if "_name" in value else f"{name}/"
    return name


def _lines(names: list[str]) -> bytes:
    return "\n".join(names).encode()
