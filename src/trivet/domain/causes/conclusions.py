"""Conclusions: of a neighbourhood, which faults there are, and which reports speak of what is over by now.

A report ends with its fault: when what was seen to fail beneath it is seen to be well again, later than it was said.
What is said shortly after a fault has ended was most likely meant for that one, and counts as soon as it is said again.
"""

from trivet.domain.alarms import alarms
from trivet.domain.causes import neighbourhood, root_causes
from trivet.domain.causes.fault_reports import HOLDS_S, FaultReport
from trivet.domain.causes.inference import Case, Sign, find
from trivet.domain.causes.neighbourhood import Neighbourhood, News
from trivet.domain.causes.root_causes import RootCause, Settled
from trivet.domain.causes.words import host_in
from trivet.store.tx import Tx

LATE_S = 60.0
_HEALED = "What failed is seen to be well again."
_BY_HAND = "Its alarm was cleared."


async def conclude(tx: Tx, news: News) -> Settled:
    hood = await neighbourhood.around(tx, news)
    causes = {cause.id: cause for cause in await root_causes.open_of(tx, hood.candidates)}
    by_hand = await _cleared(tx, causes)
    healed: dict[str, str] = {}
    for id, report in hood.reports.items():
        cause = causes.get(report.cause_id or "")
        if cause is not None and (_is_over(hood, report, cause) or report.last_at <= by_hand.get(cause.component, 0.0)):
            healed[id] = cause.id
    late = await _late(tx, hood)
    signs = [sign for sign in hood.case.signs if sign.id.removeprefix("report:") not in healed.keys() | late]
    why = {causes[id].component: _HEALED for id in healed.values()} | dict.fromkeys(by_hand, _BY_HAND)
    why |= {c.component: _HEALED for c in causes.values() if c.component not in why and _seen_well(hood, c)}
    return Settled(
        candidates=hood.candidates,
        found=[one for one in find(Case(signs, hood.case.projects)) if one.component in hood.candidates],
        reports=hood.reports.keys(),
        healed=healed,
        ended=why,
        hosts=hood.hosts,
    )


async def _cleared(tx: Tx, causes: dict[str, RootCause]) -> dict[str, float]:
    """Component -> when somebody cleared its alarm."""
    found = {}
    for cause in causes.values():
        alarm = await tx.get(alarms.ALARMS, cause.alarm_id)
        if alarm is not None and alarm.cleared_at is not None:
            found[cause.component] = alarm.cleared_at
    return found


def _is_over(hood: Neighbourhood, report: FaultReport, cause: RootCause) -> bool:
    """Whether what was reported of that fault is seen to be well since, on the report's own side of it."""
    stands = hood.beneath[report.id]
    beneath = set(hood.graph.beneath({cause.component: 1.0}))
    side = stands.keys() - beneath
    hosts = {name for component in stands if (name := host_in(component)) is not None}
    well = False
    for sign in (sign for name in [*sorted(hosts), ""] for sign in hood.own.get(name, ())):
        near = sign.id == f"monitor:{cause.component}" or host_in(cause.component) in (_host(sign), "")
        if cause.component not in sign.beneath or not (near or sign.beneath.keys() & side):
            continue
        if sign.down:
            return False
        well = well or hood.last_up[sign.id] > report.last_at
    return well


def _host(sign: Sign) -> str | None:
    kind, _, rest = sign.id.partition(":")
    return rest.partition(":")[0] if kind == "probe" else None


def _seen_well(hood: Neighbourhood, cause: RootCause) -> bool:
    return cause.seen and any(sign in hood.last_up for sign in cause.evidence)


async def _late(tx: Tx, hood: Neighbourhood) -> set[str]:
    """Reports that were most likely meant for a fault that had just ended."""
    now = tx.clock.now()
    ended = {
        cause.component: cause.ended_at
        for cause in await root_causes.lately(tx, hood.candidates, now - 2 * HOLDS_S)
        if cause.ended_at is not None and cause.why_ended in (_HEALED, _BY_HAND)
    }
    return {
        id
        for id, report in hood.reports.items()
        if any(
            report.last_at - LATE_S < ended[component]
            for component, strength in hood.beneath[id].items()
            if component in ended and strength >= 0.5
        )
    }
