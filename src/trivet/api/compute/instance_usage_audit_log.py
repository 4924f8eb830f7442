"""/os-instance_usage_audit_log: who has counted usage. Usage is read from the rows themselves, so nobody has to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from trivet.api.compute import pages
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.errors import Invalid

resource = Resource()


@resource.on("GET", "/v2.1/os-instance_usage_audit_log", may="operator")
async def index(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    now = datetime.fromtimestamp(request.parts.clock.now(), UTC)
    return Reply(200, {"instance_usage_audit_logs": await _log(request, now)})


@resource.on("GET", "/v2.1/os-instance_usage_audit_log/{before_timestamp}", may="operator")
async def show(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    said = request.values["before_timestamp"]
    try:
        before = datetime.strptime(said, "%Y-%m-%d %H:%M:%S.%f" if "." in said else "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise Invalid("audit.time", f"Invalid timestamp for date {said[:64]}") from error
    return Reply(200, {"instance_usage_audit_log": await _log(request, before.replace(tzinfo=UTC))})


async def _log(request: Request, before: datetime) -> dict[str, Any]:
    """The last whole month before."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = (end - timedelta(days=1)).replace(day=1)
    names = [host.name for host in await request.tx.select(HOSTS, order="name")]
    return {
        "period_beginning": start.strftime("%Y-%m-%d %H:%M:%S"),
        "period_ending": end.strftime("%Y-%m-%d %H:%M:%S"),
        "num_hosts": len(names),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(names),
        "hosts_not_run": names,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"0 of {len(names)} hosts done. 0 errors.",
        "log": {},
    }
