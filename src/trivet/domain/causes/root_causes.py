"""Root causes: what is taken for the fault beneath alarms and reports, with how sure that is and by what.

Each is told by one alarm of the operator's, which is the root of all that it explains: the alarms of hosts, and one
for each report, which its owner sees. It is a conclusion, and nothing but telling follows from it: who is fenced is
decided by probes alone (domain/health).
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Alarm, Fault
from trivet.domain.alarms.words import EventType
from trivet.domain.causes import fault_reports
from trivet.domain.causes.fault_reports import FaultReport
from trivet.domain.causes.inference import Found
from trivet.domain.causes.words import SHOWN_AS, host_in, kind_of, name_of
from trivet.errors import NotFound
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.lists import Asked
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

NEWEST = (("found_at", True), ("id", True))
KEEP_S = 30 * 24 * 3600.0
_EVIDENCE_MOST = 500
_STEP = 0.02
"""A smaller change of how sure it is changes nothing."""
_OF_HOSTS = ("down", "impaired", "isolated", "agent")
_DOWN = "down"
_WORDS: Mapping[str, tuple[str, EventType]] = {
    "host": ("Host failure", "EQUIPMENT_ALARM"),
    "engine": ("Hypervisor or container engine failure", "PROCESSING_ERROR_ALARM"),
    "chassis": ("Failure of a host's virtual switch", "COMMUNICATIONS_ALARM"),
    "nic": ("Network card failure", "COMMUNICATIONS_ALARM"),
    "network": ("Virtual network failure", "COMMUNICATIONS_ALARM"),
    "storage": ("Storage back end failure", "EQUIPMENT_ALARM"),
    "switch": ("Switch failure", "COMMUNICATIONS_ALARM"),
    "feed": ("Power feed failure", "ENVIRONMENTAL_ALARM"),
}


class RootCause(Record, frozen=True, kw_only=True):
    open_key: str | None = None
    """The component; None: it is over."""
    component: str
    alarm_id: str
    adopted: bool = False
    """Its alarm is one that is raised and cleared by others: that of a host that is down."""
    confidence: float
    seen: bool
    """By the cloud itself or a monitor, and not by reports alone."""
    witnesses: int
    """How many tell of it who do not depend on each other."""
    evidence: tuple[str, ...]
    why_ended: str | None = None
    found_at: float
    changed_at: float
    ended_at: float | None = None


ROOT_CAUSES = Table("root_causes", RootCause, logged=False)


class Settled(msgspec.Struct, frozen=True):
    """What was concluded of a neighbourhood."""

    candidates: Collection[str]
    """All that it was asked of."""
    found: Sequence[Found]
    reports: Collection[str]
    """Ids of all that were looked at."""
    healed: Mapping[str, str]
    """Report -> the cause that is over, with which it ends."""
    ended: Mapping[str, str]
    """Component -> why its cause is over, where that is known."""
    hosts: Mapping[str, str]
    """Name -> id."""


async def open_of(tx: Tx, components: Collection[str]) -> list[RootCause]:
    return await tx.select(ROOT_CAUSES, Where().any_of("open_key", sorted(components)), order="component")


async def lately(tx: Tx, components: Collection[str], since: float) -> list[RootCause]:
    """Those that have ended since."""
    where = Where().any_of("component", sorted(components)).add("ended_at > ?", since)
    return await tx.select(ROOT_CAUSES, where, order="id")


async def settle(tx: Tx, said: Settled) -> None:
    """Writes down what was concluded: reports first, then alarms, then the causes."""
    known = {cause.component: cause for cause in await open_of(tx, said.candidates)}
    ids = {one.component: known[one.component].id if one.component in known else tx.ids.uuid() for one in said.found}
    reports = await fault_reports.open_ones(tx, said.reports)
    laid = {sign.removeprefix("report:"): one for one in said.found for sign in one.signs if sign.startswith("report:")}
    await _lay(tx, reports, {report: ids[one.component] for report, one in laid.items()}, said)
    roots = {one.component: await _root_alarm(tx, one, known.get(one.component), said.hosts) for one in said.found}
    await _tell_owners(tx, reports, laid, roots, said)
    for one in said.found:
        await _lay_hosts(tx, one, roots[one.component], said.hosts)
    for cause in known.values():
        if cause.component not in roots:
            await _end_alarm(tx, cause)
    for one in said.found:
        await _write(tx, ids[one.component], one, known.get(one.component), roots[one.component])
    for cause in known.values():
        if cause.component not in roots:
            why = said.ended.get(cause.component, "Other faults explain it, or what spoke for it is over.")
            now = tx.clock.now()
            await tx.update(ROOT_CAUSES, cause, open_key=None, why_ended=why, ended_at=now, changed_at=now)


async def _lay(tx: Tx, reports: Sequence[FaultReport], causes: Mapping[str, str], said: Settled) -> None:
    for report in reports:
        if report.id not in said.healed and report.cause_id != causes.get(report.id):
            await fault_reports.lay_to(tx, report, causes.get(report.id))
    await fault_reports.end(tx, [report for report in reports if report.id in said.healed], "healed")


async def _root_alarm(tx: Tx, found: Found, known: RootCause | None, hosts: Mapping[str, str]) -> Alarm:
    """A host that is down has its alarm already; everything else gets one."""
    kind, name = kind_of(found.component), name_of(found.component)
    if kind == "host" and name in hosts:
        for alarm in await alarms.open_by_key(tx, [f"host:{hosts[name]}:{_DOWN}"]):
            if known is not None and not known.adopted:
                await alarms.clear(tx, _key(found.component))
            return alarm
    cause, event_type = _WORDS[kind]
    return await alarms.raise_(
        tx,
        Fault(
            key=_key(found.component),
            object_type=kind,  # type: ignore[arg-type] # each kind of component is one
            object_id=hosts.get(name, name) if kind == "host" else name,
            object_name=name,
            severity="MAJOR" if found.seen else "WARNING",
            event_type=event_type,
            probable_cause=cause,
            detail=_detail(found),
        ),
    )


def _key(component: str) -> str:
    return f"cause:{component}"


def _detail(found: Found) -> str:
    seen = sorted(sign for sign in found.signs if not sign.startswith("report:"))
    parts = [f"Seen by {', '.join(seen[:10])}{' and more' if len(seen) > 10 else ''}."] if seen else []
    if found.witnesses:
        parts.append(f"Reported by {found.witnesses} that do not depend on each other.")
    if not seen:
        parts.append("The cloud itself sees nothing of it: look before you act.")
    return " ".join(parts)


async def _tell_owners(
    tx: Tx, reports: Sequence[FaultReport], laid: Mapping[str, Found], roots: Mapping[str, Alarm], said: Settled
) -> None:
    """Each of his own report, and of the cause no more than of what kind it is."""
    for report in reports:
        if report.id in said.healed:
            continue
        if report.id not in laid:
            await alarms.clear(tx, fault_reports.alarm_key(report.id))
            continue
        root = roots[laid[report.id].component]
        kind = SHOWN_AS[kind_of(laid[report.id].component)]
        alarm = await alarms.raise_(
            tx,
            Fault(
                key=fault_reports.alarm_key(report.id),
                project_id=report.project_id,
                object_type=report.object_type,
                object_id=report.object_id,
                object_name=report.object_name,
                severity="MAJOR",
                event_type=_WORDS[kind_of(laid[report.id].component)][1],
                probable_cause=f"Fault of the {kind} beneath",
                detail=f"What was reported of it ({report.symptom}) is most likely a fault of the {kind} beneath it.",
                root_id=root.id,
            ),
        )
        await alarms.lay_to(tx, alarm, root.id)


async def _lay_hosts(tx: Tx, found: Found, root: Alarm, hosts: Mapping[str, str]) -> None:
    """The alarms of hosts of which it explains a probe are its children, and those that it explains no more are not."""
    names = {name for sign in found.signs if sign.startswith("probe:") for name in [sign.split(":")[1]]}
    keys = {f"host:{hosts[name]}:{what}" for name in names if name in hosts for what in _OF_HOSTS}
    own = host_in(found.component) if kind_of(found.component) == "host" else None
    for alarm in await alarms.open_by_key(tx, keys):
        if alarm.object_id != (hosts.get(own) if own is not None else None):
            await alarms.lay_to(tx, alarm, root.id)
    for alarm in await alarms.open_children(tx, root.id):
        if alarm.open_key is not None and alarm.open_key.startswith("host:") and alarm.open_key not in keys:
            await alarms.lay_to(tx, alarm, None)


async def _end_alarm(tx: Tx, cause: RootCause) -> None:
    """What it explained and is still there has no cause now; alarms of reports were looked at already."""
    for alarm in await alarms.open_children(tx, cause.alarm_id):
        if alarm.object_type == "host":
            await alarms.lay_to(tx, alarm, None)
    if not cause.adopted:
        await alarms.clear(tx, _key(cause.component))


async def _write(tx: Tx, id: str, found: Found, known: RootCause | None, root: Alarm) -> None:
    now = tx.clock.now()
    evidence = tuple(sorted(found.signs)[:_EVIDENCE_MOST])
    adopted = root.open_key != _key(found.component)
    if known is None:
        new = RootCause(
            id=id,
            open_key=found.component,
            component=found.component,
            alarm_id=root.id,
            adopted=adopted,
            confidence=found.confidence,
            seen=found.seen,
            witnesses=found.witnesses,
            evidence=evidence,
            found_at=now,
            changed_at=now,
        )
        await tx.insert(ROOT_CAUSES, new)
        return
    confidence = found.confidence if abs(found.confidence - known.confidence) >= _STEP else known.confidence
    seen = found.seen or known.seen
    facts = (confidence, seen, found.witnesses, evidence, root.id, adopted)
    before = (known.confidence, known.seen, known.witnesses, known.evidence, known.alarm_id, known.adopted)
    if facts != before:
        await tx.update(
            ROOT_CAUSES,
            known,
            confidence=confidence,
            seen=seen,
            witnesses=found.witnesses,
            evidence=evidence,
            alarm_id=root.id,
            adopted=adopted,
            changed_at=now,
        )


# -- looking


async def page(tx: Tx, where: Where, asked: Asked) -> list[RootCause]:
    return await lists.page(tx, ROOT_CAUSES, where, asked, seen=Where())


async def needed(tx: Tx, id: str) -> RootCause:
    found = await tx.get(ROOT_CAUSES, id) if is_uuid(id) else None
    if found is None:
        raise NotFound("root_cause.absent", f"Root cause {id[:64]} could not be found.")
    return found


async def of_reports(tx: Tx, reports: Sequence[FaultReport]) -> dict[str, RootCause]:
    """Id -> those that explain reports, or did."""
    ids = sorted({report.cause_id for report in reports if report.cause_id is not None})
    return {cause.id: cause for cause in await tx.select(ROOT_CAUSES, Where().any_of("id", ids))} if ids else {}


async def open_all(tx: Tx, most: int) -> list[RootCause]:
    return await tx.select(ROOT_CAUSES, Where().add("open_key IS NOT NULL"), order="id", limit=most)


async def cleared_by_hand(tx: Tx, alarm_ids: Collection[str]) -> set[str]:
    """Components whose cause is open while its alarm is not: somebody has cleared it."""
    where = Where().any_of("c.alarm_id", sorted(alarm_ids)).add("c.open_key IS NOT NULL AND a.cleared_at IS NOT NULL")
    sql = f"SELECT c.component FROM root_causes c JOIN alarms a ON a.id = c.alarm_id{where.sql} ORDER BY c.component"
    return {str(row[0]) for row in await tx.rows(sql, *where.values)}


async def drop_old(tx: Tx, at_once: int) -> bool:
    old = "SELECT id FROM root_causes WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
    return await tx.run(f"DELETE FROM root_causes WHERE id IN ({old})", tx.clock.now() - KEEP_S, at_once) == at_once
