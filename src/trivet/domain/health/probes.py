"""Probes: what each signal said of a host last, since when, and how fast it tells.

Rows are written when a value changes, which the log tells, and now and then to say that it still holds: what is
looked at many times in a second lives in the process that looks (controllers/health). A push from outside is written
as it comes.
"""

import msgspec

from trivet.domain.health.verdict import Judged, Value, Verdict
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import Conflict, Invalid
from trivet.store.tables import Record, Table
from trivet.store.tx import Change, Tx
from trivet.store.where import Where

PUSHED = "external"
"""Source of what somebody else says by our API."""
OF_HOST_MOST = 32
DETAIL_MAX = 500


class HostProbe(Record, frozen=True, kw_only=True):
    host_id: str
    name: str
    source: str
    value: Value
    detail: str = ""
    since: float
    seen_at: float
    detects_in_s: float | None = None
    """How long it took lately to tell that something had stopped: measured, from its last good sign."""


class HostVerdict(Record, frozen=True, kw_only=True):
    """Of the host's own id."""

    verdict: Verdict
    why: str
    since: float


HOST_PROBES = Table("host_probes", HostProbe, logged=False)
HOST_VERDICTS = Table("host_verdicts", HostVerdict)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    source: str
    value: Value
    detail: str = ""
    seen_at: float | None = None
    """None: now."""
    detects_in_s: float | None = None


async def say(tx: Tx, host_id: str, said: Said) -> HostProbe:
    """What a signal says now; `since` stays while the value does."""
    now = tx.clock.now()
    known = await tx.find(HOST_PROBES, "host_id = ? AND name = ?", host_id, said.name)
    detail = said.detail[:DETAIL_MAX]
    if known is None or known.value != said.value:
        tx.note(Change(HOST_PROBES.name, f"{host_id}:{said.name}", said.value, 1, host_id=host_id))
    if known is None:
        row = await tx.row("SELECT COUNT(*) FROM host_probes WHERE host_id = ?", host_id)
        assert row is not None
        if int(row[0]) >= OF_HOST_MOST:
            raise Conflict("probe.most", f"A host has {OF_HOST_MOST} probes at most.")
        new = HostProbe(
            id=tx.ids.uuid(),
            host_id=host_id,
            name=said.name,
            source=said.source,
            value=said.value,
            detail=detail,
            since=now,
            seen_at=said.seen_at or now,
            detects_in_s=said.detects_in_s,
        )
        return await tx.insert(HOST_PROBES, new)
    since = known.since if known.value == said.value else now
    took = said.detects_in_s if said.detects_in_s is not None else known.detects_in_s
    return await tx.update(
        HOST_PROBES, known, value=said.value, detail=detail, since=since, seen_at=said.seen_at or now, detects_in_s=took
    )


async def push(tx: Tx, host: Host, name: str, value: Value, detail: str) -> HostProbe:
    """Somebody else's signal. It cannot take the name of one of ours, on which the rule rests."""
    known = await tx.find(HOST_PROBES, "host_id = ? AND name = ?", host.id, name)
    if name in OWN or (known is not None and known.source != PUSHED):
        raise Conflict("probe.own", f"The probe {name} is told by the cloud itself; push under another name.")
    if not name.isascii() or not name or len(name) > 64 or not name.replace("-", "").replace("_", "").isalnum():
        raise Invalid("probe.name", "A probe's name has letters, digits, - and _, and 64 of them at most.")
    return await say(tx, host.id, Said(name=name, source=PUSHED, value=value, detail=detail))


OWN = frozenset(("agent", "management", "tenant", "power", "engines", "disk"))


async def of_host(tx: Tx, host_id: str) -> list[HostProbe]:
    return await tx.select(HOST_PROBES, Where().equal("host_id", host_id), order="name")


async def verdicts(tx: Tx) -> dict[str, HostVerdict]:
    return {found.id: found for found in await tx.select(HOST_VERDICTS)}


async def verdict_of(tx: Tx, host_id: str) -> HostVerdict | None:
    return await tx.get(HOST_VERDICTS, host_id)


async def find(tx: Tx, host_id: str, judged: Judged) -> bool:
    """Writes down the verdict; whether it is another one than before."""
    now = tx.clock.now()
    known = await tx.get(HOST_VERDICTS, host_id)
    if known is None:
        new = HostVerdict(id=host_id, verdict=judged.verdict, why=judged.why, since=now)
        await tx.insert(HOST_VERDICTS, new)
        return True
    other = known.verdict != judged.verdict
    since = now if other else known.since
    await tx.update(HOST_VERDICTS, known, verdict=judged.verdict, why=judged.why, since=since)
    return other


async def needed_host(tx: Tx, id_or_name: str) -> Host:
    """By its id or its name: people know the one, programs the other."""
    found = await tx.get(HOSTS, id_or_name)
    return found if found is not None else await tx.need(HOSTS, await _id_of(tx, id_or_name), "host")


async def _id_of(tx: Tx, name: str) -> str:
    row = await tx.row("SELECT id FROM hosts WHERE name = ?", name)
    return str(row[0]) if row is not None else name[:64]
