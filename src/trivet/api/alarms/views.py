"""How alarms and subscriptions look, and pages of them."""

from typing import Any

from trivet.api.kit import lists
from trivet.clock import iso
from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Alarm
from trivet.domain.alarms.subscriptions import Subscription
from trivet.errors import Invalid

SPELLING = lists.Spelling(
    limit=100,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no marker {marker[:64]}."),
)


def alarm(found: Alarm, correlated: list[str]) -> dict[str, Any]:
    return alarms.spelled(alarms.shown(found)) | {"correlated_alarm_ids": correlated}


def subscription(found: Subscription) -> dict[str, Any]:
    return {
        "id": found.id,
        "project_id": found.project_id,
        "style": found.style,
        "url": found.url,
        "filter": found.filter,
        "failures": found.failures,
        "last_error": found.last_error,
        "created_at": iso(found.created_at),
    }
