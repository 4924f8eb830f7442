"""The image of a shelved server: its owner's, and gone when the server is up again or deleted."""

from contextlib import suppress

from trivet.domain.callers import Caller, expanded
from trivet.domain.images import images
from trivet.domain.servers.servers import Server
from trivet.errors import Forbidden, NotFound
from trivet.store.tx import Tx


async def drop(tx: Tx, server: Server) -> None:
    """What its owner has protected or deleted meanwhile is the owner's."""
    if server.shelved_image_id is not None:
        with suppress(NotFound, Forbidden):
            await images.delete(tx, owner_of(server), server.shelved_image_id)


def owner_of(server: Server) -> Caller:
    """The caller as which the cloud acts on what belongs to a server's project."""
    return Caller(user_id=server.user_id, roles=expanded(("member",)), project_id=server.project_id)
