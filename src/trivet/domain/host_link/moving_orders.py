"""The part of an order that is about moving: what each of the two hosts does for a server between them."""

import msgspec

from trivet.domain.servers import moving
from trivet.domain.servers.orders import DiskAt, Order
from trivet.domain.servers.servers import Server


def as_here(server: Server) -> Server:
    """The server as the host has it that may run it: at first it is as it was."""
    return moving.at_source(server) if server.move is not None and server.move.stage == "leaving" else server


def told(server: Server, order: Order) -> Order:
    """The order for the host that may run it."""
    if server.builds < server.builds_made:
        # Its disk was left there, and is to be found there: made anew it would be another one.
        order = msgspec.structs.replace(order, image=None)
    move = server.move
    if move is None or server.want == "gone":
        return order
    if move.stage == "leaving":
        there = {name for name, disk in move.disks.items() if disk.sha512 is not None}
        gives = tuple(name for name in moving.disks_of(moving.at_source(server)) if name not in there)
        return msgspec.structs.replace(order, want="stopped", leaves=True, gives=gives, image=None, settled=False)
    if move.stage == "arriving":
        brings = tuple(
            DiskAt(name, disk.key, disk.format, disk.sha512)
            for name, disk in move.disks.items()
            if disk.sha512 is not None
        )
        return msgspec.structs.replace(order, brings=brings, image=None)
    if move.stage == "returning":
        return msgspec.structs.replace(order, want="gone", settled=False)
    return order


def other(server: Server) -> Order | None:
    """The order for the other host; None where nothing of the server is there."""
    if server.move is None or server.other_host_id is None or not moving.is_mine(server, server.other_host_id):
        return None
    there = moving.at_source(server)
    gone = server.want == "gone" or server.move.stage == "clearing"
    return Order(
        server_id=server.id,
        host_id=server.other_host_id,
        revision=server.revision,
        kind=server.kind,
        want="gone" if gone else "stopped",
        boots=server.boots,
        builds=there.builds,
        grace_s=0.0,
        hostname=server.hostname,
        vcpus=there.flavor.vcpus,
        memory_mib=there.flavor.ram_mib,
        disk_gib=there.root_gib,
        image=None,
        wires=(),
        empty=there.local_disks,
        keeps=not gone,
        settled=not gone,
    )
