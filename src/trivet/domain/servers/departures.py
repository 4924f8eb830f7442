"""Departures: a server is told to go to another host, or back from there."""

from typing import Any

from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.servers import migrations, moving, no_room
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import order
from trivet.domain.servers.create import grace_of
from trivet.domain.servers.kinds import check_isolation
from trivet.domain.servers.placing import Spot
from trivet.domain.servers.rules import need_host, ready
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx


async def migrate(tx: Tx, call: Call, id: str, target: str | None, *, confirms: bool = False) -> Server:
    """To a named host, or to any that fits. `confirms`: nobody is asked when it is there."""
    server = await ready(tx, call, id, "migrate", states=("active", "stopped"))
    source = await _source(tx, server, "migrate")
    check_isolation(server.kind, call.isolation)
    if target == source.name:
        raise Invalid("migrate.same_host", "Cannot migrate to the host where the server exists.")
    spot = await server_placing.spot(tx, call.caller, zone=server.zone, host=target, node=None, hints={})
    moved = await _go(tx, call, server, server.flavor, spot, confirms=confirms)
    if moved is None:
        raise Invalid("migrate.no_room", f"No valid host was found. {await _why_not(tx, server, spot)}")
    return moved


async def _source(tx: Tx, server: Server, method: str) -> Host:
    """What is on a host that does not answer cannot be stopped there, nor its disk be read."""
    source = await tx.need(HOSTS, need_host(server, method), "host")
    if not hosts.is_up(source):
        raise Conflict(
            "migrate.host_down",
            f"Host {source.name} does not answer, so nothing can be moved from it; when it is dead for certain, "
            "evacuate its servers.",
        )
    return source


async def _why_not(tx: Tx, server: Server, spot: Spot) -> str:
    flavor = server_placing.held(server)
    return await no_room.why_not(tx, server.kind, flavor, server.properties, await moving.spot_of(tx, server, spot))


async def resize(tx: Tx, call: Call, server: Server, flavor: FlavorOf, changes: dict[str, Any]) -> Server | None:
    """To another host, since its own has no room for the flavor. None: no other has."""
    if not hosts.is_up(await tx.need(HOSTS, server.host_id or "", "host")):
        return None
    spot = await server_placing.spot(tx, call.caller, zone=server.zone, host=None, node=None, hints={})
    return await _go(tx, call, server, flavor, spot, flavor=flavor, **changes)


async def _go(
    tx: Tx, call: Call, server: Server, wanted: FlavorOf, spot: Spot, *, confirms: bool = False, **changes: Any
) -> Server | None:
    """`wanted` is what it has room for there."""
    id = tx.ids.uuid()
    target = await moving.room(tx, server, wanted, spot, id)
    if target is None:
        return None
    why = await migrations.left(tx, call, server, target, wanted, id=id)
    grace_s = grace_of(server.properties)
    return await order(
        tx,
        call,
        server,
        "migrate" if why == "migration" else "resize",
        "resize_prep",
        in_s=moving.MOVE_S + grace_s,
        grace_s=grace_s,
        failed_hosts=(),
        **moving.begun(server, target, id, confirms=confirms),
        **changes,
    )


async def revert(tx: Tx, call: Call, server: Server) -> Server:
    """What was written on its disks since it moved is lost."""
    home = await tx.need(HOSTS, server.other_host_id or "", "host")
    if not hosts.is_up(home):
        raise Conflict(
            "revert.host_down", f"Host {home.name}, where it would go back to, does not answer. Confirm, or try later."
        )
    await migrations.turn(tx, server, "reverting")
    ordered = await order(tx, call, server, "revertResize", "resize_reverting", grace_s=grace_of(server.properties))
    return await moving.turn_back(tx, ordered)
