"""The lookout: what every probe says of every host at this moment, with nothing of it in the database yet.

A probe that sees a host down must see it so some times in a row; how long that took since its last good sign is what
the API shows as its detection time.
"""

from collections.abc import Collection, Mapping

import msgspec

from trivet.clock import Clock
from trivet.domain.health.probes import Said
from trivet.domain.health.verdict import Value
from trivet.drivers.contracts.probe import Finding, Probe

_STILL_S = 10.0
"""That a value has not changed is written down so often."""


class _Sight(msgspec.Struct):
    source: str
    value: Value
    detail: str
    seen_at: float = 0.0
    downs: int = 0
    good_at: float | None = None
    detects_in_s: float | None = None
    written_at: float | None = None
    """None: it changed since."""


class Lookout:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sights: dict[str, dict[str, _Sight]] = {}

    def saw(self, probe: Probe, findings: Mapping[str, Finding]) -> tuple[set[str], bool]:
        """(hosts of which another value counts from now on, whether somebody seems down and is to be asked again)"""
        changed: set[str] = set()
        doubt = False
        for host_id, finding in findings.items():
            now = self._clock.monotonic()
            sights = self._sights.setdefault(host_id, {})
            sight = sights.get(probe.name)
            if sight is None:
                sight = sights[probe.name] = _Sight(probe.source, "unknown", "")
            sight.detail, sight.seen_at = finding.detail, self._clock.now()
            sight.downs = sight.downs + 1 if finding.value == "down" else 0
            if finding.value == "down" and sight.value != "down" and sight.downs < probe.downs:
                doubt = True
                continue
            if finding.value == "up":
                sight.good_at = now
            if finding.value == sight.value:
                continue
            if finding.value == "down" and sight.value == "up" and sight.good_at is not None:
                sight.detects_in_s = round(now - sight.good_at, 3)
            sight.value, sight.written_at = finding.value, None
            changed.add(host_id)
        return changed, doubt

    def values(self, host_id: str) -> dict[str, Value]:
        return {name: sight.value for name, sight in self._sights.get(host_id, {}).items()}

    def good_ago_s(self, host_id: str, name: str) -> float | None:
        """How long ago a probe saw it up; None: never."""
        sight = self._sights.get(host_id, {}).get(name)
        return None if sight is None or sight.good_at is None else self._clock.monotonic() - sight.good_at

    def to_write(self, host_id: str) -> list[Said]:
        now = self._clock.monotonic()
        return [
            Said(name=name, source=sight.source, value=sight.value, detail=sight.detail,
                 seen_at=sight.seen_at, detects_in_s=sight.detects_in_s)
            for name, sight in self._sights.get(host_id, {}).items()
            if sight.written_at is None or now - sight.written_at >= _STILL_S
        ]  # fmt: skip

    def wrote(self, host_id: str, written: Collection[Said]) -> None:
        now = self._clock.monotonic()
        for said in written:
            sight = self._sights.get(host_id, {}).get(said.name)
            if sight is not None and sight.value == said.value:
                sight.written_at = now

    def forget_all_but(self, host_ids: Collection[str]) -> None:
        for host_id in self._sights.keys() - set(host_ids):
            del self._sights[host_id]

    def due(self) -> list[str]:
        return [host_id for host_id in self._sights if self.to_write(host_id)]
