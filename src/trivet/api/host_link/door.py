"""The door of the agents' routes: finds the host whose credential a request shows, once for every handler.

The kit's tokens are people's; an agent has none. So of routes for a `host` the kit asks only that a credential is
shown, and each handler asks here, in its transaction, whose it is.
"""

from trivet.api.kit import callers
from trivet.api.kit.request import Request
from trivet.domain.host_link import access as agent_access
from trivet.domain.hosts import credentials as host_credentials
from trivet.domain.hosts.hosts import Host
from trivet.store import leases
from trivet.store.leases import Lease
from trivet.store.tx import Tx

SESSION = "X-Trivet-Session"


async def host_name(tx: Tx, request: Request) -> str:
    """Before there is a session."""
    return (await host_credentials.admit(tx, request.header(callers.HOST_HEADER))).host


async def looking(tx: Tx, request: Request) -> Host:
    """A host whose agent holds its session, to look at something."""
    host = await agent_access.host_of(tx, await host_name(tx, request))
    await leases.confirm(tx, agent_access.session(host, request.header(SESSION)))
    return host


async def changing(tx: Tx, request: Request) -> tuple[Host, Lease]:
    """The same, to change something: the transaction counts only if the session is still the newest at its end."""
    host = await agent_access.host_of(tx, await host_name(tx, request))
    lease = agent_access.session(host, request.header(SESSION))
    await leases.fence(tx, lease)
    return host, lease
