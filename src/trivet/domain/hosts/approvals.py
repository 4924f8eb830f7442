"""Approvals: what a host whose agent is elsewhere may sell.

An agent says what its machine has, and whoever has its credential can say anything: a host of a million vCPUs would
be chosen for every new server, and hand over what all of them keep secret. So what is said is only a proposal, and the
host sells the less of that and of what the operator approved, for its credential or later; nothing before that. An
operator who invites a host may await it: then what it says at first is approved, once.
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

    @property
    def sold(self) -> Size:
        return self.said.within(self.approved)


_COLUMNS = "host, approved_vcpus, approved_memory_mib, approved_disk_gib, said_vcpus, said_memory_mib, said_disk_gib"
_SQL_SELECT = f"SELECT {_COLUMNS} FROM host_capacities"
_SQL_INSERT = f"INSERT INTO host_capacities ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (host) DO UPDATE SET"


def _approval(row: tuple[object, ...]) -> Approval:
    host, *numbers = row
    sizes = [int(str(number)) for number in numbers]
    return Approval(str(host), Size(*sizes[:3]), Size(*sizes[3:]))


async def say(tx: Tx, host: str, said: Size) -> Approval:
    """Records the capacity that the host's agent reports."""
    awaited = (
        "UPDATE host_capacities SET awaited = 0, approved_vcpus = ?, approved_memory_mib = ?, approved_disk_gib = ?"
    )
    await tx.run(f"{awaited} WHERE host = ? AND awaited = 1", said.vcpus, said.memory_mib, said.disk_gib, host)
    await tx.run(
        f"{_SQL_INSERT} said_vcpus = excluded.said_vcpus, said_memory_mib = excluded.said_memory_mib,"
        " said_disk_gib = excluded.said_disk_gib",
        host, 0, 0, 0, said.vcpus, said.memory_mib, said.disk_gib,
    )  # fmt: skip
    return await _need(tx, host)


async def approve(tx: Tx, host: str, most: Size) -> Approval:
    """Records the capacity that the operator approves, also before the host is there."""
    await tx.run(
        f"{_SQL_INSERT} approved_vcpus = excluded.approved_vcpus, approved_memory_mib = excluded.approved_memory_mib,"
        " approved_disk_gib = excluded.approved_disk_gib",
        host, most.vcpus, most.memory_mib, most.disk_gib, 0, 0, 0,
    )  # fmt: skip
    return await _need(tx, host)


async def expect(tx: Tx, host: str) -> None:
    """What it says at first is approved; of one that has been there, what it says next."""
    await approve(tx, host, Size())
    await tx.run("UPDATE host_capacities SET awaited = 1 WHERE host = ?", host)


async def _need(tx: Tx, host: str) -> Approval:
    row = await tx.row(f"{_SQL_SELECT} WHERE host = ?", host)
    assert row is not None
    return _approval(tuple(row))


async def of(tx: Tx, host: str) -> Approval | None:
    row = await tx.row(f"{_SQL_SELECT} WHERE host = ?", host)
    return _approval(tuple(row)) if row is not None else None


async def listed(tx: Tx) -> list[Approval]:
    return [_approval(tuple(row)) for row in await tx.rows(f"{_SQL_SELECT} ORDER BY host")]


async def forget(tx: Tx, host: str) -> None:
    await tx.run("DELETE FROM host_capacities WHERE host = ?", host)
