"""Shelving: a server that is put away as an image of its disk, so that its host is free for others.

First it is stopped and its disk saved; then, at once or after a while, nothing of it stays on the host, and the room
is given back. Its quota is kept: it may come back at any time. Unshelving places it anew and makes its disk from that
image, which goes when the server is up.
"""

from operator import attrgetter

import msgspec

from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network.ports import ports
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import TASK_S, order
from trivet.domain.servers.create import NO_ROOM, SPAWN_S, grace_of
from trivet.domain.servers.images import SNAPSHOT_S, expect_image
from trivet.domain.servers.kinds import check_isolation
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.server_groups import SERVER_GROUPS
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.shelved_images import owner_of
from trivet.domain.volumes import attachments
from trivet.errors import Conflict
from trivet.store.tx import Tx

OFFLOADING = "shelving_offloading"
_STATES = ("active", "stopped", "paused", "suspended")


async def shelve(tx: Tx, call: Call, id: str, offload_s: int) -> Server:
    """`offload_s`: how long it keeps its place on the host; below zero, until somebody says otherwise."""
    server = await ready(tx, call, id, "shelve", states=_STATES)
    need_host(server, "shelve")
    image_id = None
    if server.image_id is not None:
        image = await expect_image(tx, owner_of(server), server, f"{server.name}-shelved", {"image_type": "snapshot"})
        image_id = image.id
    grace_s = grace_of(server.properties)
    return await order(
        tx,
        call,
        server,
        "shelve",
        "shelving",
        in_s=SNAPSHOT_S + grace_s,
        want="shelved",
        grace_s=grace_s,
        snapshot_image_id=image_id,
        shelved_image_id=image_id,
        offload_at=_offload_at(tx, server, offload_s),
    )


def _offload_at(tx: Tx, server: Server, offload_s: int) -> float | None:
    """What boots from a volume leaves no image behind on its host that would make its way back shorter."""
    if server.boots_from_volume:
        return tx.clock.now()
    return tx.clock.now() + offload_s if offload_s >= 0 else None


async def offload(tx: Tx, call: Call, id: str) -> Server:
    server = await ready(tx, call, id, "shelveOffload", method="shelve_offload", states=("shelved",))
    server = await begin_offload(tx, server)
    await server_actions.begin(tx, call, server, "shelveOffload")
    return server


async def begin_offload(tx: Tx, server: Server) -> Server:
    """Begins to offload a shelved server: its host takes everything of it away."""
    now = tx.clock.now()
    return await tx.update(
        SERVERS, server, task=OFFLOADING, offload_at=None, grace_s=0.0, deadline_at=now + TASK_S, updated_at=now
    )


def is_due(server: Server, now: float) -> bool:
    return server.status == "shelved" and server.offload_at is not None and server.offload_at <= now


async def finish_offload(tx: Tx, server: Server) -> Server:
    """Nothing of it is on the host any more."""
    server = await _off(tx, server)
    await server_actions.finish(tx, server.id)
    return server


async def fail(tx: Tx, server: Server) -> Server:
    """An offload or unshelve that came to nothing: it is as it was before."""
    if server.task == OFFLOADING:
        return await tx.update(SERVERS, server, task=None, deadline_at=None, fault=None, updated_at=tx.clock.now())
    return await _off(tx, server)


async def _off(tx: Tx, server: Server) -> Server:
    if server.host_id is not None:
        await server_placing.leave(tx, server)
    for port in sorted(await ports.of_server(tx, server.id, server.project_id), key=attrgetter("id")):
        await ports.bind(tx, port, server_id=server.id, host_id=None, zone=server.zone or DEFAULT_ZONE)
    return await tx.update(
        SERVERS,
        server,
        status="shelved_offloaded",
        want="shelved",
        task=None,
        power="stopped",
        host_id=None,
        fault=None,
        deadline_at=None,
        offload_at=None,
        updated_at=tx.clock.now(),
    )


async def unshelve(tx: Tx, call: Call, id: str, zone: str | None = None, host: str | None = None) -> Server:
    """`zone` and `host` say where one goes that has left its host."""
    server = await ready(tx, call, id, "unshelve", states=("shelved", "shelved_offloaded"))
    check_isolation(server.kind, call.isolation)
    if server.status == "shelved":
        if zone is not None or host is not None:
            raise Conflict(
                "unshelve.in_place",
                f"Specifying an availability zone or a host when unshelving server {server.id} with status SHELVED is "
                "not supported: the server must be SHELVED_OFFLOADED.",
            )
        return await order(
            tx, call, server, "unshelve", "unshelving", want="running", boots=server.boots + 1, offload_at=None
        )
    return await _unshelve_anew(tx, call, server, zone, host)


async def _unshelve_anew(tx: Tx, call: Call, server: Server, zone: str | None, host: str | None) -> Server:
    spot = await server_placing.spot(tx, call.caller, zone=zone or server.zone, host=host, node=None, hints={})
    if server.group_id is not None:
        # Of its wishes where to go only this is a lasting one.
        spot = msgspec.structs.replace(spot, group=await tx.get(SERVER_GROUPS, server.group_id))
    spot = server_placing.within(spot, await attachments.hosts_of(tx, server.id))
    found = await server_placing.claim(
        tx,
        server.id,
        server.project_id,
        server.user_id,
        kind=server.kind,
        flavor=server_placing.held(server),
        properties=server.properties,
        where=spot,
    )
    if found is None:
        await server_actions.begin(tx, call, server, "unshelve", error=NO_ROOM)
        return server
    for port in sorted(await ports.of_server(tx, server.id, server.project_id), key=attrgetter("id")):
        await ports.bind(tx, port, server_id=server.id, host_id=found.id, zone=found.zone or DEFAULT_ZONE)
    return await order(
        tx,
        call,
        server,
        "unshelve",
        "unshelving",
        in_s=SPAWN_S,
        want="running",
        boots=server.boots + 1,
        builds=server.builds + 1,
        host_id=found.id,
        zone=zone or server.zone,
        failed_hosts=(),
    )
