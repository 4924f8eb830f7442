"""Telling: which alarm of a host is open, by the verdict on it."""

from typing import NamedTuple

from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Alarm, Fault
from trivet.domain.alarms.words import EventType, Severity
from trivet.domain.health.verdict import Judged, Verdict
from trivet.domain.hosts.hosts import Host
from trivet.store.tx import Tx


class _Words(NamedTuple):
    key: str
    severity: Severity
    event_type: EventType
    cause: str


_DOWN = _Words("down", "CRITICAL", "EQUIPMENT_ALARM", "Host failure")
_WORDS: dict[Verdict, _Words | None] = {
    "up": None,
    "impaired": _Words("impaired", "MINOR", "EQUIPMENT_ALARM", "Part of a host failed"),
    "agent_down": _Words("agent", "MAJOR", "PROCESSING_ERROR_ALARM", "Agent failure"),
    "isolated": _Words("isolated", "MAJOR", "COMMUNICATIONS_ALARM", "Management network failure"),
    "lost": _DOWN,
    "off": _DOWN,
}
"""What is only suspected, or not known, opens and ends nothing."""
_KEYS = ("down", "impaired", "agent", "isolated")
HELD = "held"


async def tell(tx: Tx, host: Host, judged: Judged) -> Alarm | None:
    """Raises what is so now and clears what is not any more."""
    if judged.verdict not in _WORDS:
        return None
    words = _WORDS[judged.verdict]
    for key in _KEYS:
        if words is None or key != words.key:
            await alarms.clear(tx, key_of(host, key))
    if words is None or words.key != "down":
        await alarms.clear(tx, key_of(host, HELD))
    if words is None:
        return None
    return await alarms.raise_(tx, _fault(host, words, judged.why))


async def tell_held(tx: Tx, host: Host, why: str) -> None:
    """It is dead and nothing is done about it."""
    words = _Words(HELD, "CRITICAL", "PROCESSING_ERROR_ALARM", "Fail-over is held up")
    await alarms.raise_(tx, _fault(host, words, why))


async def tell_released(tx: Tx, host: Host) -> None:
    await alarms.clear(tx, key_of(host, HELD))


def key_of(host: Host, what: str) -> str:
    return f"host:{host.id}:{what}"


def _fault(host: Host, words: _Words, why: str) -> Fault:
    return Fault(
        key=key_of(host, words.key),
        object_type="host",
        object_id=host.id,
        object_name=host.name,
        severity=words.severity,
        event_type=words.event_type,
        probable_cause=words.cause,
        detail=why,
    )
