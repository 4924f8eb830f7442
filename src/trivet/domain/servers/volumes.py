"""Volumes of servers: attached to one that exists, and taken away. The rows change at once; the back end opens, the
agent sees that the disks of the server are others, and follows.
"""

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from trivet.domain.callers import Caller
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import local_disks
from trivet.domain.servers.actions import Call
from trivet.domain.servers.rules import ready
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.volume_places import MOST, place, too_many
from trivet.domain.volumes import attachments, volumes
from trivet.domain.volumes.attachments import ATTACH_S, Attachment
from trivet.domain.volumes.backends import BACKENDS
from trivet.domain.volumes.volumes import Volume
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tx import Tx

_STATES = ("active", "paused", "stopped", "resized", "shelved", "shelved_offloaded")


class VolumeWanted(msgspec.Struct, frozen=True, kw_only=True):
    volume_id: str
    device: str | None = None
    tag: str | None = None
    delete_on_termination: bool = False


async def of_server(tx: Tx, server_id: str) -> list[Attachment]:
    """The volumes that a server has, or that are being attached to it."""
    found = (await attachments.of_servers(tx, (server_id,))).get(server_id, [])
    return [attachment for attachment in found if not attachment.undone]


async def attached(tx: Tx, server: Server, volume_id: str) -> Attachment:
    for attachment in await of_server(tx, server.id):
        if attachment.volume_id == volume_id:
            return attachment
    raise NotFound("attachment.absent", f"volume_id not found: {volume_id[:64]}")


async def attach(tx: Tx, call: Call, id: str, wanted: VolumeWanted) -> Attachment:
    server = await ready(tx, call, id, "attach volume", method="attach_volume", states=_STATES)
    volume = await _volume(tx, call.caller, wanted.volume_id)
    there = await of_server(tx, server.id)
    if len(there) >= MOST:
        raise too_many()
    await _check_reach(tx, server, volume)
    attachment = new(tx, server, volume, wanted, there, mode=mode_of(volume))
    if server.status == "shelved_offloaded":
        # No machine takes it before the server is on a host again, which then begins with it.
        attachment = replace(attachment, status="attached", attached_at=attachment.created_at, deadline_at=None)
    attachment = await attachments.add(tx, volume, attachment)
    await _acted(tx, call, server, "attach_volume")
    return attachment


async def need_settled(tx: Tx, server: Server) -> None:
    """No volume is on its way to the server or from it."""
    for attachment in await of_server(tx, server.id):
        if attachment.status != "attached":
            raise Conflict(
                "volume.status",
                f"Invalid volume: volume {attachment.volume_id} of the server must be in-use; it is "
                f"{attachment.status}. Wait until it is attached or detached.",
            )


async def _check_reach(tx: Tx, server: Server, volume: Volume) -> None:
    """One that is on no host goes where all its volumes are reached."""
    if server.status != "shelved_offloaded":
        await check_reach(tx, server.host_id, volume)
        return
    hosts = await attachments.hosts_of(tx, server.id)
    if hosts is not None:
        await check_reach(tx, next(iter(hosts), None), volume)


def mode_of(volume: Volume) -> Literal["rw", "ro"]:
    return "ro" if volume.read_only else "rw"


async def _volume(tx: Tx, caller: Caller, volume_id: str) -> Volume:
    volume = await volumes.changeable(tx, caller, volume_id)
    if volume.status == "creating":
        raise Invalid(
            "volume.status", f"Invalid volume: volume {volume.id} is still being made; wait until it is available."
        )
    return volume


async def check_reach(tx: Tx, host_id: str | None, volume: Volume) -> None:
    """Some back ends are reached from their own host only."""
    backend = await tx.get(BACKENDS, volume.backend_id) if volume.backend_id is not None else None
    if backend is not None and backend.host_id not in (None, host_id):
        raise Invalid(
            "volume.elsewhere",
            f"Invalid volume: volume {volume.id} lies on another host than the server; volumes cannot be reached from "
            "other hosts here. Make a copy in an image, and a volume from that on this host.",
        )


def new(
    tx: Tx, server: Server, volume: Volume, wanted: VolumeWanted, there: list[Attachment], *, mode: Literal["rw", "ro"],
    boots: bool = False, deadline_s: float = ATTACH_S,
) -> Attachment:  # fmt: skip
    now = tx.clock.now()
    return Attachment(
        id=tx.ids.uuid(),
        project_id=volume.project_id,
        volume_id=volume.id,
        server_id=server.id,
        mode=mode,
        device=place(
            server.kind,
            {attachment.device or "" for attachment in there} | {*local_disks.devices(server.local_disks).values()},
            wanted.device,
            name=wanted.tag or volume.id,
            boots=boots,
            written_by_many=volume.multiattach and mode == "rw",
        ),
        boots=boots,
        position=max((attachment.position for attachment in there), default=-1) + 1,
        delete_on_termination=wanted.delete_on_termination,
        tag=wanted.tag,
        created_at=now,
        updated_at=now,
        deadline_at=now + deadline_s,
    )


async def detach(tx: Tx, call: Call, id: str, volume_id: str) -> None:
    server = await ready(tx, call, id, "detach volume", method="detach_volume", states=_STATES)
    attachment = await attached(tx, server, volume_id)
    if attachment.boots:
        raise Forbidden("volume.root", f"Cannot detach a root device volume from instance {server.id}.")
    if attachment.status != "attached":
        raise Invalid(
            "volume.status",
            f"Invalid volume: volume {volume_id} must be in-use to be detached; it is {attachment.status}.",
        )
    if server.host_id is None:
        await attachments.change(tx, attachment, "gone", deadline_at=None)
    else:
        await attachments.let_go(tx, attachment)
    await _acted(tx, call, server, "detach_volume")


async def change(tx: Tx, call: Call, id: str, volume_id: str, *, delete_on_termination: bool) -> Attachment:
    server = await ready(tx, call, id, "update", states=None, tasks=None, lock_matters=False)
    attachment = await attached(tx, server, volume_id)
    return await attachments.delete_with_server(tx, attachment, delete_on_termination)


async def _acted(tx: Tx, call: Call, server: Server, action: str, **changes: Any) -> Server:
    """The server's row is written in any case, so that acts on it take turns."""
    server = await tx.update(SERVERS, server, updated_at=tx.clock.now(), **changes)
    await server_actions.begin(tx, call, server, action, done=True)
    return server
