"""Fault reports: a tenant says that something of his is ill in a way that he cannot heal.

The same said again while it is open is one report, said more than once. One that is not said again for an hour is
over: who is still ill says so, and what he says is never the whole proof of anything (inference.py).
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from trivet.domain.alarms import alarms
from trivet.domain.callers import Caller
from trivet.domain.causes import ground
from trivet.domain.causes.words import OF_TYPE, SPEAKS_OF, ReportedType, Symptom
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.limits import quotas
from trivet.domain.row_locks import hold_known
from trivet.errors import Conflict, Invalid, NotFound, OverQuota
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

State = Literal["open", "withdrawn", "healed", "expired"]
OF_CAUSE = "cause"
"""What the log says of a report that was laid to a cause."""
LIMIT = "fault_reports"
HOUR_S = 3600.0
HOURLY_MOST = 60
"""New ones of one project in an hour."""
HOLDS_S = 3600.0
"""How long one counts that is not said again."""
AGAIN_S = 300.0
"""What is said again sooner changes nothing."""
KEPT = 1000
"""Of one project, of those that are over."""
KEEP_S = 30 * 24 * 3600.0
DETAIL_MAX = 1000
NEWEST = (("created_at", True), ("id", True))


class FaultReport(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    witness: str
    """Whose words are one with these, at the time: the project, or the domain whose manager can make projects."""
    open_key: str | None = None
    """What is reported of what; None: it is over."""
    object_type: ReportedType
    object_id: str
    object_name: str
    symptom: Symptom
    detail: str = ""
    state: State = "open"
    times: int = 1
    cause_id: str | None = None
    """The root cause that explains it, or did."""
    created_at: float
    last_at: float
    ended_at: float | None = None


FAULT_REPORTS = Table("fault_reports", FaultReport)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    object_type: ReportedType
    object_id: str
    symptom: Symptom
    detail: str = ""


async def report(tx: Tx, caller: Caller, wanted: Wanted) -> tuple[FaultReport, bool]:
    """(the report, whether it is a new one)"""
    project_id = caller.project_id
    if project_id is None:
        raise Invalid("fault_report.project", "A fault is reported with a token of the project whose thing it is.")
    if not SPEAKS_OF[wanted.symptom].keys() & OF_TYPE[wanted.object_type].keys():
        raise Invalid("fault_report.symptom", f"A {wanted.object_type} cannot be {wanted.symptom}: name what shows it.")
    await hold_known(tx, PROJECTS, project_id, "project")
    thing = await ground.thing(tx, wanted.object_type, wanted.object_id, project_id)
    if thing is None:
        raise NotFound(
            "fault_report.object", f"{wanted.object_type.capitalize()} {wanted.object_id[:64]} could not be found."
        )
    key = f"{project_id}:{wanted.object_id}:{wanted.symptom}"
    known = await tx.find(FAULT_REPORTS, "open_key = ?", key)
    if known is not None:
        return await _again(tx, known, wanted.detail), False
    await _check_pace(tx, project_id)
    now = tx.clock.now()
    new = FaultReport(
        id=tx.ids.uuid(),
        project_id=project_id,
        user_id=caller.user_id,
        witness=await ground.witness(tx, project_id),
        open_key=key,
        object_type=wanted.object_type,
        object_id=wanted.object_id,
        object_name=thing.name,
        symptom=wanted.symptom,
        detail=wanted.detail[:DETAIL_MAX],
        created_at=now,
        last_at=now,
    )
    await tx.insert(FAULT_REPORTS, new)
    for component, strength in sorted((await ground.of_thing(tx, thing, wanted.symptom)).items()):
        await tx.run("INSERT INTO fault_report_stands VALUES (?, ?, ?)", new.id, component, strength)
    quotas.at_end(tx, project_id, {LIMIT: 1})
    return new, True


async def _again(tx: Tx, known: FaultReport, detail: str) -> FaultReport:
    now = tx.clock.now()
    if now - known.last_at < AGAIN_S:
        return known
    detail = detail[:DETAIL_MAX] or known.detail
    return await tx.update(FAULT_REPORTS, known, times=known.times + 1, last_at=now, detail=detail)


async def _check_pace(tx: Tx, project_id: str) -> None:
    since = tx.clock.now() - HOUR_S
    row = await tx.row("SELECT COUNT(*) FROM fault_reports WHERE project_id = ? AND created_at > ?", project_id, since)
    assert row is not None
    if int(row[0]) >= HOURLY_MOST:
        raise OverQuota(
            "fault_report.pace",
            f"A project reports {HOURLY_MOST} faults in an hour at most; what is open need not be said again.",
            status=429,
        )


async def visible(tx: Tx, caller: Caller, id: str) -> FaultReport:
    found = await tx.get(FAULT_REPORTS, id) if is_uuid(id) else None
    if found is None or not caller.may_see(found.project_id):
        raise NotFound("fault_report.absent", f"Fault report {id[:64]} could not be found.")
    return found


async def withdraw(tx: Tx, caller: Caller, id: str) -> None:
    """It is over, or was a mistake."""
    found = await visible(tx, caller, id)
    if not caller.is_operator and not caller.owns(found.project_id):
        raise NotFound("fault_report.absent", f"Fault report {id[:64]} could not be found.")
    if found.ended_at is not None:
        raise Conflict("fault_report.over", f"Fault report {found.id} is over already: {found.state}.")
    await end(tx, [found], "withdrawn")


def seen_by(caller: Caller) -> Where:
    return Where() if caller.may_see(None) else Where().add("project_id = ?", caller.project_id or "")


async def page(tx: Tx, where: Where, asked: Asked, *, seen: Where) -> list[FaultReport]:
    return await lists.page(tx, FAULT_REPORTS, where, asked, seen=seen)


def alarm_key(report_id: str) -> str:
    return f"fault_report:{report_id}"


async def end(tx: Tx, over: Sequence[FaultReport], state: State) -> None:
    """With the alarms that told their owners of the cause, where there were any."""
    over = sorted(over, key=lambda report: report.id)
    for found in over:
        await tx.update(FAULT_REPORTS, found, state=state, open_key=None, ended_at=tx.clock.now())
        quotas.at_end(tx, found.project_id, {LIMIT: -1})
    for project_id in sorted({found.project_id for found in over}):
        await tx.run(
            "DELETE FROM fault_reports WHERE project_id = ? AND id IN (SELECT id FROM fault_reports"
            " WHERE project_id = ? AND ended_at IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT 1000000 OFFSET ?)",
            project_id,
            project_id,
            KEPT,
        )
    for found in over:
        await alarms.clear(tx, alarm_key(found.id))


async def open_ones(tx: Tx, ids: Collection[str]) -> list[FaultReport]:
    return await tx.select(FAULT_REPORTS, Where().any_of("id", sorted(ids)).add("ended_at IS NULL"), order="id")


async def lay_to(tx: Tx, found: FaultReport, cause_id: str | None) -> None:
    """To a cause; it is no news to those who look for causes."""
    await tx.update(FAULT_REPORTS, found, cause_id=cause_id, note=OF_CAUSE)


async def expire(tx: Tx, at_once: int) -> bool:
    """Ends those that nobody has said for long; whether there are more."""
    where = Where().add("ended_at IS NULL").add("last_at < ?", tx.clock.now() - HOLDS_S)
    old = await tx.select(FAULT_REPORTS, where, order="id", limit=at_once)
    await end(tx, old, "expired")
    return len(old) == at_once


async def drop_old(tx: Tx, at_once: int) -> bool:
    old = "SELECT id FROM fault_reports WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
    dropped = await tx.run(f"DELETE FROM fault_reports WHERE id IN ({old})", tx.clock.now() - KEEP_S, at_once)
    return dropped == at_once


async def end_of_project(tx: Tx, project_id: str) -> None:
    where = Where().equal("project_id", project_id).add("ended_at IS NULL")
    told = [alarm_key(found.id) for found in await tx.select(FAULT_REPORTS, where, order="id")]
    await tx.run("DELETE FROM fault_reports WHERE project_id = ?", project_id)
    for key in told:
        await alarms.clear(tx, key)
