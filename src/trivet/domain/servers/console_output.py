"""Console output: what a server's console said last, asked of the host that knows it.

The question is a row and so is the answer, so any process can ask about a server on any host, and a process
that dies while it waits leaves nothing but a row that is dropped a minute later.
"""

from collections.abc import Collection

from trivet.domain.servers.actions import Call
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import Server
from trivet.domain.servers.words import Kind, wait_s
from trivet.drivers.contracts.container import Question
from trivet.errors import Busy, Conflict
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

LIMIT_BYTES = 100 * 1024
_LOOK_EVERY_S = 0.25
FORGET_S = 60.0


class ConsoleRead(Record, frozen=True, kw_only=True):
    server_id: str
    host_id: str
    kind: Kind
    limit_bytes: int
    asked_at: float
    question: Question | None = None
    """Something else that is asked of a container; None: the output of its console."""
    output: str | None = None
    error: str | None = None


CONSOLE_READS = Table("console_reads", ConsoleRead)


async def newest(parts: Parts, call: Call, server_id: str, lines: int | None) -> str:
    """The last `lines` of it; None is all that is kept, within a limit."""

    async def ask(tx: Tx) -> ConsoleRead:
        server = await ready(
            tx, call, server_id, "os-getConsoleOutput", method="get_console_output", tasks=None, lock_matters=False
        )
        return await put(tx, server, need_host(server, "get_console_output"))

    return _last(await answered(parts, await transact(parts.store, ask)), lines)


async def put(tx: Tx, server: Server, host_id: str, question: Question | None = None) -> ConsoleRead:
    return await tx.insert(
        CONSOLE_READS,
        ConsoleRead(
            id=tx.ids.uuid(),
            server_id=server.id,
            host_id=host_id,
            kind=server.kind,
            limit_bytes=LIMIT_BYTES,
            asked_at=tx.clock.now(),
            question=question,
        ),
    )


async def answered(parts: Parts, asked: ConsoleRead) -> str:
    """What the host says to it."""
    store = parts.store
    until = parts.clock.monotonic() + wait_s(asked.question)
    try:
        while parts.clock.monotonic() < until:
            async with store.read() as tx:
                found = await tx.get(CONSOLE_READS, asked.id)
            if found is not None and found.error is not None:
                what = "The console" if asked.question is None else "What was asked"
                raise Conflict("console.unreadable", f"{what} of {asked.server_id} cannot be read: {found.error}")
            if found is not None and found.output is not None:
                return found.output
            await store.wake.wait(_LOOK_EVERY_S)
    finally:
        await transact(store, lambda tx: _drop(tx, asked.id))
    raise Busy("console.silent", "The host of the server does not answer at the moment; try again.")


async def _drop(tx: Tx, id: str) -> None:
    await tx.run("DELETE FROM console_reads WHERE id = ? OR asked_at < ?", id, tx.clock.now() - FORGET_S)


def _last(output: str, lines: int | None) -> str:
    """The end of the last line begins no other one."""
    if lines is None:
        return output
    return "\n".join(output.removesuffix("\n").split("\n")[-lines:]) if lines else ""


# -- the other side


async def waiting(tx: Tx, host_ids: Collection[str]) -> list[ConsoleRead]:
    """Questions about servers of these hosts that nobody has answered."""
    where = Where().any_of("host_id", host_ids).add("output IS NULL AND error IS NULL")
    return await tx.select(CONSOLE_READS, where)


async def answer(tx: Tx, id: str, *, output: bytes | None = None, error: str | None = None) -> None:
    read = await tx.get(CONSOLE_READS, id)
    if read is not None:
        # NUL is the one character that a text column cannot hold.
        text = None if output is None else output.decode("utf-8", "replace").replace("\0", "")
        await tx.update(CONSOLE_READS, read, output=text, error=error)
