"""/v1/status: how the cloud is, in one answer; what `trivet status` prints."""

import shutil

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.monitor.monitoring import asked
from trivet.errors import Busy
from trivet.release import RELEASE
from trivet.settings import POSTGRESQL

resource = Resource()


@resource.on("GET", "/v1/status", may="operator", tx="none")
async def show(request: Request) -> Reply:
    parts = request.parts
    found, seconds = await asked(parts)
    if found is None:
        raise Busy("store.away", "The database does not answer at the moment.")
    room = shutil.disk_usage(parts.settings.data)
    body = {
        "version": RELEASE,
        "schema": found.schema,
        "database": {
            "kind": "postgresql" if parts.settings.database.startswith(POSTGRESQL) else "sqlite",
            "seconds": round(seconds, 4),
        },
        "data": {"bytes": room.total, "free_bytes": room.free},
        "engines": _engines(request),
        "log_lag": max(0, found.log_head - parts.measures.position()),
        "orders": {"waiting": found.orders, "oldest_s": round(found.oldest_order_s, 1)},
        "duties": {lease.name: lease.holder for lease in found.leases},
        "hosts": found.hosts,
        "servers": found.servers,
    }
    return Reply(200, body)


def _engines(request: Request) -> str:
    measures = request.parts.measures
    if measures.engines_well is None:
        return "not looked after by this process"
    return "well" if measures.engines_well else measures.engines_trouble
