"""Migrate: a server goes to another host, stopped, with its disks. For operators."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.compute.servers.actions import ACCEPTED, PATH
from trivet.api.compute.servers.evacuate import HostName
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers import departures
from trivet.errors import Invalid

_HOST_SINCE = 2056

resource = Resource()


class Migrate(Body, frozen=True, kw_only=True):
    host: HostName | UnsetType | None = UNSET


class MigrateBody(Body, frozen=True, kw_only=True):
    migrate: Migrate | None


class OldMigrateBody(Body, frozen=True, kw_only=True):
    migrate: Any = None


@resource.action(PATH, "migrate", may="admin")
async def migrate(request: Request) -> Reply:
    target = None
    if request.version >= _HOST_SINCE:
        said = request.read(MigrateBody).migrate
        target = or_none(said.host) if said is not None else None
    else:
        request.read(OldMigrateBody)
    if target is not None and await request.tx.find(HOSTS, "name = ?", target) is None:
        raise Invalid("host.absent", f"Compute host {target} could not be found.")
    await departures.migrate(request.tx, call_of(request), server_id(request), target)
    return Reply(ACCEPTED)
