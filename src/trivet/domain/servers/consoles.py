"""Consoles: a token opens the screen or the serial port of one server, through any process, for a while.

The database keeps only a digest of the token, so who can read the table cannot open a console. A token may
be used again until it ends: a browser that lost its connection comes back by itself (HA-10, HA-11).
"""

import hashlib
from typing import Literal

import msgspec

from trivet.domain.servers.actions import Call
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import Server
from trivet.domain.servers.words import Kind
from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

TOKEN_S = 600.0
ATTACHED = "attached"
SESSION = "session "
"""Types of streams that only containers have: what its own program reads and writes; and, with its id behind that, a
session in it."""
ConsoleType = Literal["novnc", "xvpvnc", "serial", "spice-html5", "spice-direct", "rdp-html5", "webmks"]
_ACTION: dict[ConsoleType, str] = {
    "novnc": "console vnc",
    "xvpvnc": "console vnc",
    "serial": "console serial",
    "spice-html5": "console spice",
    "spice-direct": "console spice",
    "rdp-html5": "console rdp",
    "webmks": "console mks",
}


class ConsoleToken(Record, frozen=True, kw_only=True):
    """`id` is the token's digest."""

    server_id: str
    host_id: str
    type: str
    ends_at: float


CONSOLE_TOKENS = Table("console_tokens", ConsoleToken, logged=False)


class ConsoleTarget(msgspec.Struct, frozen=True):
    server_id: str
    host_id: str
    type: str
    kind: Kind


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def create(tx: Tx, call: Call, server_id: str, type: ConsoleType) -> str:
    """A new token. The URL around it is the dialect's business."""
    method = f"get_{'serial' if type == 'serial' else 'vnc'}_console"
    server = await ready(tx, call, server_id, _ACTION[type], method=method, tasks=None, lock_matters=False)
    return await admit(tx, server, need_host(server, method), type)


async def admit(tx: Tx, server: Server, host_id: str, type: str) -> str:
    token = tx.ids.secret()
    now = tx.clock.now()
    await tx.run("DELETE FROM console_tokens WHERE ends_at < ?", now)
    await tx.insert(
        CONSOLE_TOKENS,
        ConsoleToken(id=digest(token), server_id=server.id, host_id=host_id, type=type, ends_at=now + TOKEN_S),
    )
    return token


async def redeem(tx: Tx, token_digest: str) -> ConsoleTarget | None:
    """What the token opens; None if nothing, or nothing any more. A server that was deleted or moved is not opened."""
    row = await tx.row(
        "SELECT t.server_id, t.host_id, t.type, s.kind FROM console_tokens t JOIN servers s ON s.id = t.server_id"
        " WHERE t.id = ? AND t.ends_at >= ? AND s.deleted_at IS NULL AND s.host_id = t.host_id",
        token_digest,
        tx.clock.now(),
    )
    return ConsoleTarget(*row) if row is not None else None


async def need(tx: Tx, token: str) -> ConsoleTarget:
    found = await redeem(tx, digest(token))
    if found is None:
        raise NotFound("console.token_absent", "Token not found")
    return found
