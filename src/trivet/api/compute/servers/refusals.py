"""Actions that no kind of server has here: each is refused with the reason that the table of actions gives.

They are routes all the same, because "not applicable, for this reason" is an answer and 404 is none.
"""

from typing import cast

from trivet.api.compute.servers.actions import PATH
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.callers import Policy
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Handler, Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.servers.rules import ready
from trivet.errors import Invalid

resource = Resource()

_REFUSED: tuple[tuple[str, Policy], ...] = (("os-migrateLive", "admin"),)


def _refusing(action: str) -> Handler:
    async def refuse(request: Request) -> Reply:
        await _check_host(request, action)
        server = await ready(request.tx, call_of(request), server_id(request), action, tasks=None)
        raise AssertionError(f"{action} is said to work for a {server.kind}, but nothing does it")

    return cast(Handler, refuse)


async def _check_host(request: Request, action: str) -> None:
    """A host that does not exist is the caller's mistake, whatever could be done with one."""
    said = request.read_object()[action]
    host = said.get("host") if isinstance(said, dict) else None
    if isinstance(host, str) and await request.tx.find(HOSTS, "name = ?", host) is None:
        raise Invalid("host.absent", f"Compute host {host[:64]} could not be found.")


for _name, _may in _REFUSED:
    resource.action(PATH, _name, may=_may)(_refusing(_name))
