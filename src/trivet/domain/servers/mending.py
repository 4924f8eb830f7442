"""Mending: a machine died without its owner's doing, and its host is about to start it again. The owner is told."""

from trivet.domain.alarms import alarms
from trivet.domain.alarms.alarms import Fault
from trivet.domain.servers.servers import SERVERS, Server
from trivet.store.tx import Tx


def key_of(server_id: str) -> str:
    return f"server:{server_id}:crash"


async def began(tx: Tx, server: Server) -> Server:
    """The report that it runs again settles the row; that it has run for a while clears the alarm."""
    if server.power == "crashed":
        # It was told already: a host that says so again and again costs its owner nothing.
        return server
    server = await tx.update(SERVERS, server, power="crashed", updated_at=tx.clock.now())
    await alarms.raise_(
        tx,
        Fault(
            key=key_of(server.id),
            project_id=server.project_id,
            object_type="server",
            object_id=server.id,
            object_name=server.name,
            severity="MAJOR",
            event_type="PROCESSING_ERROR_ALARM",
            probable_cause="Server failure",
            detail="The server died without having been asked to; its host starts it again.",
        ),
    )
    return server
