"""Evacuation: a server whose host has failed is made again on another one.

Its disk was the host's and is lost: it starts from its image, with its id, addresses, ports, metadata and keys. The
host must be told dead first, by its silence or by an operator who has made sure; whatever runs there still when it
comes back belongs to nobody, and its agent takes it away before it does anything else.
"""

from operator import attrgetter
from typing import Any

import msgspec

from trivet.domain.health import probes as health_probes
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.network.ports import ports
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import migrations, moving
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.actions import Call
from trivet.domain.servers.acts import order
from trivet.domain.servers.create import NO_ROOM, SPAWN_S
from trivet.domain.servers.rules import check_state, need_host, ready
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid
from trivet.store.tx import Tx

STATES = ("active", "stopped", "error")


async def evacuate(tx: Tx, call: Call, id: str, target: str | None, *, stays_stopped: bool, **changes: Any) -> Server:
    """`stays_stopped`: its owner boots it, when the time is right."""
    server = await ready(tx, call, id, "evacuate")
    if server.move is None or server.status != "resized":
        check_state(server, "evacuate", STATES)
    need_host(server, "evacuate")
    source = await tx.need(HOSTS, server.host_id or "", "host")
    if not (source.silent or source.forced_down):
        raise Invalid("evacuate.host_up", f"Compute service of {source.name} is still in use.")
    await _need_dead(tx, source)
    if target == source.name:
        raise Invalid("evacuate.same_host", "The target host can't be the same one.")
    return await leave_dead(tx, call, server, source, target, stays_stopped=stays_stopped, **changes)


async def _need_dead(tx: Tx, source: Host) -> None:
    """A silent agent is no dead host: what runs there must not be started twice."""
    found = await health_probes.verdict_of(tx, source.id)
    if found is not None and found.verdict in ("agent_down", "isolated") and not source.forced_down:
        raise Invalid(
            "evacuate.host_alive",
            f"Only the agent of {source.name} is silent: the host itself answers, and its servers may run. Mend the "
            "agent; or cut the host's power, and say that it is down (forced_down).",
        )


async def leave_dead(
    tx: Tx, call: Call, server: Server, source: Host, target: str | None, *, stays_stopped: bool, **changes: Any
) -> Server:
    server = await moving.off_dead(tx, server)
    if server.host_id != source.id:
        await server_actions.begin(tx, call, server, "evacuate")
        return server
    found = await _room(tx, call, server, target)
    if found is None:
        await server_actions.begin(tx, call, server, "evacuate", error=NO_ROOM)
        return server
    for port in sorted(await ports.of_server(tx, server.id, server.project_id), key=attrgetter("id")):
        zone = found.zone or DEFAULT_ZONE
        await ports.bind(tx, port, server_id=server.id, host_id=found.id, zone=zone)
    await migrations.evacuated(tx, call, server, source, found)
    stopped = stays_stopped or server.status == "stopped"
    return await order(
        tx,
        call,
        server,
        "evacuate",
        "rebuilding",
        in_s=SPAWN_S,
        want="stopped" if stopped else "running",
        host_id=found.id,
        builds=server.builds + 1,
        boots=server.boots if stopped else server.boots + 1,
        fault=None,
        failed_hosts=(),
        **changes,
    )


async def _room(tx: Tx, call: Call, server: Server, target: str | None) -> Host | None:
    spot = await server_placing.spot(tx, call.caller, zone=server.zone, host=target, node=None, hints={})
    dead = spot.excluded | {server.host_id or ""}
    return await server_placing.move(tx, server, msgspec.structs.replace(spot, excluded=dead))
