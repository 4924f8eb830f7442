"""/v1/hosts and /v1/hosts/{host}/health: hosts with the verdict on each, and all that it was made from."""

from typing import Any

from trivet.api.health import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.health import failures, probes
from trivet.domain.health.failures import HostFailure
from trivet.domain.health.probes import HostProbe, HostVerdict
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import Host

resource = Resource()
_FAILURES_SHOWN = 20


@resource.on("GET", "/", may="operator")
async def index(request: Request) -> Reply:
    found = await pages.of_hosts(request)
    known = await probes.verdicts(request.tx)
    return Reply(200, {"hosts": [_short(host, known.get(host.id)) for host in found]})


@resource.on("GET", "/{host}/health", may="operator")
async def show(request: Request) -> Reply:
    host = await probes.needed_host(request.tx, request.values["host"])
    verdict = await probes.verdict_of(request.tx, host.id)
    told = await probes.of_host(request.tx, host.id)
    past = await failures.of_host(request.tx, host.id, _FAILURES_SHOWN)
    view = _short(host, verdict) | {
        "why": verdict.why if verdict is not None else "Nobody has looked yet.",
        "probes": [probe(one) for one in told],
        "failures": [_failure(one) for one in past],
    }
    return Reply(200, {"health": view})


def _short(host: Host, verdict: HostVerdict | None) -> dict[str, Any]:
    return {
        "id": host.id,
        "name": host.name,
        "verdict": verdict.verdict if verdict is not None else "unknown",
        "since": iso_micros(verdict.since, "Z") if verdict is not None else None,
        "enabled": host.enabled,
        "forced_down": host.forced_down,
        "agent": "up" if hosts.is_up(host) else "down",
        "agent_seen_at": iso_micros(host.agent_seen_at, "Z"),
    }


def probe(found: HostProbe) -> dict[str, Any]:
    return {
        "name": found.name,
        "source": found.source,
        "value": found.value,
        "detail": found.detail,
        "since": iso_micros(found.since, "Z"),
        "seen_at": iso_micros(found.seen_at, "Z"),
        "detection_seconds": found.detects_in_s,
    }


def _failure(found: HostFailure) -> dict[str, Any]:
    steps = ("suspected", "confirmed", "fenced", "recovered", "ended")
    return {
        "id": found.id,
        "state": "ended" if found.ended_at is not None else found.state,
        "why": found.why,
        **{f"{step}_at": iso_micros(getattr(found, f"{step}_at"), "Z") for step in steps},
    }
