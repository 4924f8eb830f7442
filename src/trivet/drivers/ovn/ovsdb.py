"""A client of OVSDB: the database protocol (RFC 7047) that OVS and OVN are configured by.

Messages follow each other on the socket without any frame, so the reader tries to decode whenever what
it holds ends like a message does. A connection that broke is opened again by the next call.
"""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from trivet.drivers.contracts.errors import DriverError

Json = Any
Operation = dict[str, Json]
Key = tuple[str, str]
"""(table, row uuid)"""


_CONNECT_S = 10.0


class Raced(Exception):
    """Another writer came between our reading and our writing; nothing was written."""


def reference(uuid: str) -> Json:
    return ["uuid", uuid]


def references(uuids: list[str] | tuple[str, ...]) -> Json:
    return ["set", [["uuid", uuid] for uuid in uuids]]


def many(atoms: list[str] | tuple[str, ...]) -> Json:
    return ["set", list(atoms)]


def pairs(mapping: dict[str, str]) -> Json:
    return ["map", [[key, value] for key, value in mapping.items()]]


NOTHING: Json = ["set", []]


def plain(value: Json) -> frozenset[Any]:
    """One form for comparing: the wire has two for a set of one, and no order."""
    match value:
        case ["set", [*members]]:
            return frozenset(_atom(member) for member in members)
        case ["map", [*members]]:
            return frozenset((key, item) for key, item in members)
        case _:
            return frozenset((_atom(value),))


def _atom(value: Json) -> Any:
    return tuple(value) if isinstance(value, list) else value


def mapping(value: Json) -> dict[str, str]:
    return {key: item for key, item in value[1]}


class Ovsdb:
    """One connection to one database of an ovsdb-server."""

    def __init__(self, socket: str, database: str) -> None:
        self._socket = socket
        self._database = database
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._updates: dict[str, asyncio.Queue[Json]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def transact(self, operations: list[Operation]) -> list[Json]:
        results = await self._call("transact", [self._database, *operations])
        for result in results:
            match result:
                case {"error": "timed out"} | {"error": "duplicate uuid"}:
                    raise Raced
                case {"error": error, **rest}:
                    raise DriverError(f"The network engine refused: {error} ({rest.get('details', '')})", again=True)
        return list(results)

    async def read(self, wanted: dict[Key, list[str]]) -> dict[Key, dict[str, Json]]:
        """Reads rows by uuid, the one index that OVSDB has: those that exist, with these columns.

        A column that nobody asked for may be long: a switch lists all its ports.
        """
        if not wanted:
            return {}
        found = await self.transact(
            [
                {"op": "select", "table": table, "where": [["_uuid", "==", reference(uuid)]], "columns": columns}
                for (table, uuid), columns in wanted.items()
            ]
        )
        return {key: result["rows"][0] for key, result in zip(wanted, found, strict=True) if result["rows"]}

    async def select(self, table: str, where: list[Json], columns: list[str]) -> list[dict[str, Json]]:
        [found] = await self.transact([{"op": "select", "table": table, "where": where, "columns": columns}])
        return list(found["rows"])

    async def monitor(self, table: str, columns: list[str]) -> AsyncIterator[dict[str, Json]]:
        """The row updates of a table from now on, {uuid: {"old": ..., "new": ...}}; ends when the connection does."""
        name = f"{table}-{next(self._ids)}"
        queue: asyncio.Queue[Json] = asyncio.Queue()
        self._updates[name] = queue
        select = {"initial": False, "insert": False, "delete": True, "modify": True}
        try:
            await self._call("monitor", [self._database, name, {table: {"columns": columns, "select": select}}])
            while (update := await queue.get()) is not None:
                yield update.get(table, {})
        finally:
            self._updates.pop(name, None)
            if self._writer is not None:
                self._send({"method": "monitor_cancel", "params": [name], "id": -1})

    async def close(self) -> None:
        if self._reader_task is not None:
            self._reader_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader_task

    async def _call(self, method: str, params: list[Json]) -> Json:
        await self._open()
        number = next(self._ids)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send({"method": method, "params": params, "id": number})
            async with asyncio.timeout(30):
                return await answer
        except TimeoutError:
            raise DriverError("The network engine's database does not answer.", again=True) from None
        finally:
            self._waiting.pop(number, None)

    async def _open(self) -> None:
        async with self._opening:
            if self._writer is not None:
                return
            try:
                reader, self._writer = await _connect(self._socket)
            except OSError as error:
                raise DriverError(
                    f"The network engine's database cannot be reached: {error.strerror}.", again=True
                ) from error
            self._reader_task = asyncio.create_task(self._read(reader, self._writer))

    def _send(self, message: Json) -> None:
        if self._writer is None:
            raise DriverError("The network engine's database went away.", again=True)
        self._writer.write(msgspec.json.encode(message))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            held = ""
            while chunk := await reader.read(2**18):
                held += chunk.decode()
                if held.endswith("}"):
                    held = self._take_messages(held)
        except OSError:
            pass
        finally:
            writer.close()
            self._writer = None
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(DriverError("The network engine's database went away.", again=True))
            for queue in self._updates.values():
                queue.put_nowait(None)

    def _take_messages(self, held: str) -> str:
        decoder = json.JSONDecoder()
        while held:
            try:
                message, end = decoder.raw_decode(held)
            except json.JSONDecodeError:
                return held
            held = held[end:].lstrip()
            self._take(message)
        return held

    def _take(self, message: Json) -> None:
        match message:
            case {"method": "echo", "id": number, "params": params}:
                self._send({"id": number, "result": params, "error": None})
            case {"method": "update", "params": [name, update]} if name in self._updates:
                self._updates[name].put_nowait(update)
            case {"id": int(number), "result": result, "error": error} if number in self._waiting:
                answer = self._waiting[number]
                if answer.done():
                    return
                if error is None:
                    answer.set_result(result)
                else:
                    answer.set_exception(DriverError(f"The network engine's database refused: {error}", again=True))


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Of a path, through the open folder: the kernel takes no name above 107 characters, and a data folder may be
    deep. A database elsewhere is named tcp:HOST:PORT."""
    if address.startswith("tcp:"):
        host, _, port = address.removeprefix("tcp:").rpartition(":")
        async with asyncio.timeout(_CONNECT_S):
            return await asyncio.open_connection(host.strip("[]"), int(port), limit=2**20)
    path = address.removeprefix("unix:")
    folder = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{Path(path).name}", limit=2**20)
    finally:
        os.close(folder)
