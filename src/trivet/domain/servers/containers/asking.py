"""Asking: what a running container is asked, by way of a row that its host answers, and sessions in it.

Of one project only so many questions wait at a time: each may be megabytes, and takes its host's time.
"""

import shlex
from typing import TypeVar

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.servers import console_output, consoles
from trivet.domain.servers.actions import Call
from trivet.domain.servers.console_output import ConsoleRead
from trivet.domain.servers.containers import containers, states
from trivet.domain.servers.containers.containers import CONTAINERS, Facts
from trivet.domain.servers.rules import need_host
from trivet.domain.servers.servers import Server
from trivet.drivers.contracts.container import (
    COLUMNS,
    Archive,
    CopyIn,
    CopyOut,
    Done,
    Execute,
    Executed,
    Kill,
    Log,
    OpenSession,
    Processes,
    Question,
    ReadLog,
    ReadProcesses,
    ReadStats,
    ResizeTerminal,
    Stats,
)
from trivet.errors import Busy, Conflict, Invalid
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

AT_ONCE = 8
COMMAND_MAX = 64 << 10
"""Characters of a command, all of it."""
_A = TypeVar("_A")


class Asked(msgspec.Struct, frozen=True):
    """Who asks, about what."""

    call: Call
    ident: str
    """The container's id or name."""


async def ask(parts: Parts, asked: Asked, action: str, question: Question, kind: type[_A]) -> _A:
    """`action`: what it is called where states are checked."""
    read = await transact(parts.store, lambda tx: _put(tx, asked, action, question))
    text = await console_output.answered(parts, read)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise Conflict(
            "host.too_old", "The container's host does not know how to answer that; its agent is older."
        ) from error


async def _put(tx: Tx, asked: Asked, action: str, question: Question) -> ConsoleRead:
    server = await asked_about(tx, asked.call.caller, asked.ident, action)
    await _check_share(tx, server.project_id)
    return await console_output.put(tx, server, need_host(server, action), question)


async def asked_about(tx: Tx, caller: Caller, ident: str, action: str) -> Server:
    server = await containers.called(tx, caller, ident, everywhere=caller.is_operator)
    states.check(server, action)
    return server


async def _check_share(tx: Tx, project_id: str) -> None:
    row = await tx.row(
        "SELECT COUNT(*) FROM console_reads r JOIN servers s ON s.id = r.server_id"
        " WHERE s.project_id = ? AND r.question IS NOT NULL AND r.asked_at > ?",
        project_id,
        tx.clock.now() - console_output.FORGET_S,
    )
    if row is not None and int(row[0]) >= AT_ONCE:
        raise Busy(
            "container.busy", f"{AT_ONCE} questions to containers of this project are being answered; try again."
        )


async def execute(parts: Parts, asked: Asked, command: str) -> Executed:
    return await ask(parts, asked, "execute", Execute(words_of(command)), Executed)


async def log(parts: Parts, asked: Asked, wanted: ReadLog) -> bytes:
    return (await ask(parts, asked, "logs", wanted, Log)).text


async def stats(parts: Parts, asked: Asked) -> Stats:
    return await ask(parts, asked, "stats", ReadStats(), Stats)


async def top(parts: Parts, asked: Asked, ps_args: str | None) -> Processes:
    return await ask(parts, asked, "top", ReadProcesses(columns_of(ps_args)), Processes)


async def kill(parts: Parts, asked: Asked, signal: str) -> None:
    await ask(parts, asked, "kill", Kill(signal), Done)


async def copy_out(parts: Parts, asked: Asked, path: str) -> Archive:
    return await ask(parts, asked, "get_archive", CopyOut(_path(path)), Archive)


async def copy_in(parts: Parts, asked: Asked, path: str, archive: bytes) -> None:
    await ask(parts, asked, "put_archive", CopyIn(_path(path), archive), Done)


async def resize_terminal(parts: Parts, asked: Asked, session: str | None, *, rows: int, columns: int) -> None:
    action = "resize" if session is None else "execute_resize"
    await ask(parts, asked, action, ResizeTerminal(session, rows, columns), Done)


# -- sessions


async def open_session(parts: Parts, asked: Asked, command: str) -> tuple[str, str]:
    """(its id, the token that lets whoever has it in)"""
    session = parts.ids.hex() + parts.ids.hex()
    await ask(parts, asked, "execute", OpenSession(session, words_of(command)), Done)

    async def admit(tx: Tx) -> str:
        server = await asked_about(tx, asked.call.caller, asked.ident, "execute")
        return await consoles.admit(tx, server, need_host(server, "execute"), f"{consoles.SESSION}{session}")

    return session, await transact(parts.store, admit)


async def attach(tx: Tx, asked: Asked) -> str:
    """A token for what the container's own program reads and writes."""
    server = await asked_about(tx, asked.call.caller, asked.ident, "attach")
    facts = await tx.get(CONTAINERS, server.id)
    if not _may_attach(facts):
        raise Invalid(
            "container.not_interactive",
            "Container doesn't support to be attached, please check the interactive set properly",
        )
    return await consoles.admit(tx, server, need_host(server, "attach"), consoles.ATTACHED)


def _may_attach(facts: Facts | None) -> bool:
    return facts is not None and (facts.program.stdin or facts.program.tty)


# -- words


def words_of(command: str) -> tuple[str, ...]:
    """As a shell would split it."""
    if len(command) > COMMAND_MAX or "\0" in command:
        raise Invalid("container.command", f"A command has at most {COMMAND_MAX} characters, and no NUL.")
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise Invalid("container.command", f"The command cannot be split into words: {error}.") from error
    if not words:
        raise Invalid("container.command", "The command is empty.")
    return words


_FULL = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "": _FULL,
    "-ef": _FULL,
    "-f": _FULL,
    "-e": ("PID", "TTY", "TIME", "CMD"),
    "ax": ("PID", "TTY", "STAT", "TIME", "COMMAND"),
    "aux": ("UID", "PID", "%MEM", "VSZ", "RSS", "TTY", "STAT", "STIME", "TIME", "COMMAND"),
    "-aux": ("UID", "PID", "%MEM", "VSZ", "RSS", "TTY", "STAT", "STIME", "TIME", "COMMAND"),
}
_NAMES = {"args": "CMD", "cmd": "CMD", "comm": "COMMAND", "command": "CMD", "user": "UID", "pmem": "%MEM",
          "nice": "NI", "tname": "TTY", "start": "STIME", "vsize": "VSZ", "s": "STAT"}  # fmt: skip


def columns_of(ps_args: str | None) -> tuple[str, ...]:
    """ps is not run by us: its arguments can show more than the container. So a few forms of them are understood."""
    said = " ".join((ps_args or "").split())
    if said in _ARGUMENTS:
        return _ARGUMENTS[said]
    _, chosen, names = said.partition("-o")
    if chosen and len(said) < 256:
        columns = tuple(_NAMES.get(name.lower(), name.upper()) for name in names.replace(",", " ").split())
        if columns and set(columns) <= set(COLUMNS):
            return tuple(dict.fromkeys(columns))
    raise Invalid(
        "container.ps_args",
        f"ps_args may be {', '.join(name for name in _ARGUMENTS if name)}, or -o with some of "
        f"{', '.join(column.lower() for column in COLUMNS)}.",
    )


def _path(path: str) -> str:
    if not path.startswith("/") or len(path) > 4096 or "\0" in path or "\n" in path:
        raise Invalid("container.path", "A path in a container is absolute, has at most 4096 characters and no NUL.")
    return path
