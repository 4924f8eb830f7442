"""Approvals: what a host whose agent is elsewhere may sell.

An agent says what its machine has, and whoever has its credential can say anything: a host of a million vCPUs would
be chosen for every new server, and hand over what all of them keep secret; one that runs every kind, for all kinds. So
what is said is only a proposal, and the host sells the less of that and of what the operator approved, for its
credential or later; nothing before that. An operator who invites a host may await it: then what it says at first is
approved, once.
"""

import msgspec

from trivet.store.tx import Tx


class Size(msgspec.Struct, frozen=True):
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0

    def within(self, most: "Size") -> "Size":
        return Size(
            min(self.vcpus, most.vcpus), min(self.memory_mib, most.memory_mib), min(self.disk_gib, most.disk_gib)
        )


class Approval(msgspec.Struct, frozen=True):
    host: str
    approved: Size
    said: Size
    approved_kinds: tuple[str, ...] = ()
    said_kinds: tuple[str, ...] = ()

    @property
    def sold(self) -> Size:
        return self.said.within(self.approved)

    @property
    def sold_kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.said_kinds if kind in self.approved_kinds)


_ORDINARY: tuple[str, ...] = ("vm", "container")
"""What is approved along with a size if nobody says which kinds, and the agent has not said yet what it can do."""
_COLUMNS = (
    "host, approved_vcpus, approved_memory_mib, approved_disk_gib, said_vcpus, said_memory_mib, said_disk_gib,"
    " approved_kinds, said_kinds"
)
_SQL_SELECT = f"SELECT {_COLUMNS} FROM host_capacities"
_SQL_INSERT = (
    f"INSERT INTO host_capacities ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET"
)


def _approval(row: tuple[object, ...]) -> Approval:
    host, *rest = row
    sizes = [int(str(number)) for number in rest[:6]]
    kinds = [msgspec.json.decode(str(text), type=tuple[str, ...]) for text in rest[6:]]
    return Approval(str(host), Size(*sizes[:3]), Size(*sizes[3:]), *kinds)


def _text(kinds: tuple[str, ...]) -> str:
    return msgspec.json.encode(tuple(dict.fromkeys(kinds))).decode()


async def say(tx: Tx, host: str, said: Size, kinds: tuple[str, ...]) -> Approval:
    """Records the capacity that the host's agent reports."""
    awaited = (
        "UPDATE host_capacities SET awaited = 0, approved_vcpus = ?, approved_memory_mib = ?, approved_disk_gib = ?,"
        " approved_kinds = ? WHERE host = ? AND awaited = 1"
    )
    await tx.run(awaited, said.vcpus, said.memory_mib, said.disk_gib, _text(kinds), host)
    await tx.run(
        f"{_SQL_INSERT} said_vcpus = excluded.said_vcpus, said_memory_mib = excluded.said_memory_mib,"
        " said_disk_gib = excluded.said_disk_gib, said_kinds = excluded.said_kinds",
        host, 0, 0, 0, said.vcpus, said.memory_mib, said.disk_gib, "[]", _text(kinds),
    )  # fmt: skip
    return await _need(tx, host)


async def approve(tx: Tx, host: str, most: Size, kinds: tuple[str, ...] | None = None) -> Approval:
    """As the operator has it; also before the host is there. Without kinds: those that were approved before."""
    if kinds is None:
        known = await of(tx, host)
        kinds = _ORDINARY if known is None else known.approved_kinds or known.said_kinds
    await tx.run(
        f"{_SQL_INSERT} approved_vcpus = excluded.approved_vcpus, approved_memory_mib = excluded.approved_memory_mib,"
        " approved_disk_gib = excluded.approved_disk_gib, approved_kinds = excluded.approved_kinds",
        host, most.vcpus, most.memory_mib, most.disk_gib, 0, 0, 0, _text(kinds), "[]",
    )  # fmt: skip
    return await _need(tx, host)


async def expect(tx: Tx, host: str) -> None:
    """What it says at first is approved; of one that has been there, what it says next."""
    await approve(tx, host, Size(), ())
    await tx.run("UPDATE host_capacities SET awaited = 1 WHERE host = ?", host)


async def _need(tx: Tx, host: str) -> Approval:
    found = await of(tx, host)
    assert found is not None
    return found


async def of(tx: Tx, host: str) -> Approval | None:
    row = await tx.row(f"{_SQL_SELECT} WHERE host = ?", host)
    return _approval(tuple(row)) if row is not None else None


async def listed(tx: Tx) -> list[Approval]:
    return [_approval(tuple(row)) for row in await tx.rows(f"{_SQL_SELECT} ORDER BY host")]


async def forget(tx: Tx, host: str) -> None:
    await tx.run("DELETE FROM host_capacities WHERE host = ?", host)
