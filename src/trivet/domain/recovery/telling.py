"""Telling owners: their server stands on a host that has failed, or died by itself, and then that it runs again."""

from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Alarm, Fault
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.recovery import bringing_back
from trivet.domain.servers import mending
from trivet.domain.servers.servers import SERVERS, Server
from trivet.store.tx import Tx

_PREFIX, _SUFFIX = "server:", ":host"
_RAN_S = 5.0
"""How long what was started again must have run: what dies over and over is one fault, and not one a second."""


async def tell_owners(tx: Tx, host_id: str, root: Alarm) -> None:
    """Each of his own server, and of nobody else's nor of the host's name."""
    for server in sorted(await bringing_back.waiting(tx, host_id), key=lambda server: server.id):
        await alarms.raise_(
            tx,
            Fault(
                key=f"{_PREFIX}{server.id}{_SUFFIX}",
                project_id=server.project_id,
                object_type="server",
                object_id=server.id,
                object_name=server.name,
                severity="CRITICAL",
                event_type="EQUIPMENT_ALARM",
                probable_cause="Host failure",
                detail="The host under the server has failed.",
                root_id=root.id,
            ),
        )


async def tell_healed(tx: Tx) -> None:
    """Clears what is over: the server settled on a host that lives, or is gone."""
    for key, server_id in await alarms.open_of(tx, "server"):
        died = key == mending.key_of(server_id)
        if not died and not (key.startswith(_PREFIX) and key.endswith(_SUFFIX)):
            continue
        server = await tx.get(SERVERS, server_id)
        if server is None or server.deleted_at is not None:
            healed = True
        else:
            healed = _runs_again(tx, server) if died else await _settled_elsewhere(tx, server)
        if healed:
            await alarms.clear(tx, key)


def _runs_again(tx: Tx, server: Server) -> bool:
    return server.power != "crashed" and server.updated_at <= tx.clock.now() - _RAN_S


async def _settled_elsewhere(tx: Tx, server: Server) -> bool:
    host = await tx.get(HOSTS, server.host_id) if server.host_id is not None else None
    if host is None or host.dead or host.silent:
        return False
    return server.task is None and server.status != "error"
