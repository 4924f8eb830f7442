"""Disks of a new server that are volumes: what its creator said, checked before a host is claimed; made, attached or
both in the same transaction, once the host is known.
"""

from typing import Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.images import signatures
from trivet.domain.images.images import Image
from trivet.domain.row_locks import hold
from trivet.domain.servers.actions import Call
from trivet.domain.servers.servers import Server
from trivet.domain.servers.volume_places import MOST, too_many
from trivet.domain.servers.volumes import VolumeWanted, check_reach, mode_of, new
from trivet.domain.volumes import attachments, snapshots, volumes
from trivet.domain.volumes.attachments import Attachment
from trivet.domain.volumes.backends import BACKENDS
from trivet.domain.volumes.create import VolumeCreate, create, find_image
from trivet.domain.volumes.volumes import VOLUMES, Volume
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx

MADE_S = 900.0
"""How long volumes may take to be made before the server that needs them has failed."""


class DiskWanted(msgspec.Struct, frozen=True, kw_only=True):
    source: Literal["volume", "snapshot", "image", "blank"]
    id: str | None = None
    size_gib: int | None = None
    type: str | None = None
    boots: bool = False
    delete_on_termination: bool = False
    device: str | None = None
    tag: str | None = None


class Disks(msgspec.Struct, frozen=True, kw_only=True):
    """Wishes that were checked."""

    wanted: tuple[DiskWanted, ...] = ()
    image: Image | None = None
    """That the server boots from, by way of a volume."""
    properties: dict[str, str] = {}
    """The properties of the image that the boot volume was made from."""
    hosts: frozenset[str] | None = None
    """That reach the volumes; None: all."""
    doubt: str | None = None
    """Why the signature of an image is not believed that one of them is made from."""

    @property
    def boots(self) -> bool:
        return any(disk.boots for disk in self.wanted)

    @property
    def made(self) -> int:
        """Volumes that are made for each server."""
        return sum(disk.source != "volume" for disk in self.wanted)


async def plan(tx: Tx, call: Call, wanted: tuple[DiskWanted, ...], count: int, trusted: tuple[str, ...]) -> Disks:
    """`trusted`: certificates that the signature of its image must come down from."""
    caller = call.caller
    if len(wanted) > MOST:
        raise too_many()
    if count > 1 and any(disk.source == "volume" for disk in wanted):
        raise Invalid("volume.many_servers", "Cannot attach one or more volumes to multiple instances")
    if sum(disk.boots for disk in wanted) > 1:
        raise _invalid("Boot sequence for the instance and image/block device mapping combination is not valid.")
    named = [disk.id for disk in wanted if disk.source == "volume"]
    if len(set(named)) != len(named):
        raise _invalid("a volume is named twice.")
    if trusted and any(disk.boots and disk.source != "image" for disk in wanted):
        raise Invalid(
            "image.unverified",
            "Image certificate validation is not supported when booting from volume: only from an image, also by way "
            "of a new volume.",
        )
    image: Image | None = None
    properties: dict[str, str] = {}
    hosts: frozenset[str] | None = None
    doubt: str | None = None
    for disk in wanted:
        volume = await _source(tx, caller, disk)
        if disk.source == "image":
            found = await find_image(tx, caller, disk.id or "")
            doubt = doubt or await signatures.doubt(tx, call.secrets, caller, found, trusted if disk.boots else ())
        if disk.boots and disk.source == "image":
            image = await find_image(tx, caller, disk.id or "")
            properties = image.properties
        elif disk.boots and volume is not None:
            properties = _guest_words(volume)
        if volume is not None and disk.source == "volume":
            hosts = _both(hosts, await _reaching(tx, volume))
    return Disks(wanted=wanted, image=image, properties=properties, hosts=hosts, doubt=doubt)


async def _source(tx: Tx, caller: Caller, disk: DiskWanted) -> Volume | None:
    """The volume that it is, or that its snapshot is of."""
    try:
        if disk.source == "volume":
            volume = await volumes.changeable(tx, caller, disk.id or "")
            if disk.boots and not volume.bootable:
                raise _invalid(f"Block Device {volume.id} is not bootable.")
            return volume
        if disk.source == "snapshot":
            snapshot = await snapshots.owned(tx, caller, disk.id or "")
            return await tx.get(VOLUMES, snapshot.volume_id)
    except NotFound as error:
        raise _invalid(f"failed to get {disk.source} {(disk.id or '')[:64]}.") from error
    if disk.size_gib is None:
        raise _invalid(
            f"Images with destination_type 'volume' need to have a non-zero size specified, and so do {disk.source} "
            "ones.",
        )
    return None


def _guest_words(volume: Volume) -> dict[str, str]:
    facts = ("image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size")
    return {
        name: value
        for name, value in (volume.image_metadata or {}).items()
        if name not in facts and name != signatures.VERIFIED
    }


async def _reaching(tx: Tx, volume: Volume) -> frozenset[str] | None:
    backend = await tx.get(BACKENDS, volume.backend_id) if volume.backend_id is not None else None
    return frozenset((backend.host_id,)) if backend is not None and backend.host_id is not None else None


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


async def attach(tx: Tx, call: Call, server: Server, disks: Disks) -> None:
    """All of them; the one that it boots from is the first."""
    for id in sorted(disk.id for disk in disks.wanted if disk.source == "volume" and disk.id is not None):
        await hold(tx, VOLUMES, id)
    there: list[Attachment] = []
    for disk in sorted(disks.wanted, key=lambda disk: not disk.boots):
        volume = await _volume(tx, call, server, disk)
        wanted = VolumeWanted(
            volume_id=volume.id, device=disk.device, tag=disk.tag, delete_on_termination=disk.delete_on_termination
        )
        made = new(tx, server, volume, wanted, there, mode=mode_of(volume), boots=disk.boots, deadline_s=MADE_S)
        there.append(await attachments.add(tx, volume, made))


async def _volume(tx: Tx, call: Call, server: Server, disk: DiskWanted) -> Volume:
    if disk.source == "volume":
        volume = await volumes.changeable(tx, call.caller, disk.id or "")
        await check_reach(tx, server.host_id, volume)
        return volume
    wanted = VolumeCreate(
        size_gib=disk.size_gib,
        type=disk.type,
        image_id=disk.id if disk.source == "image" else None,
        snapshot_id=disk.id if disk.source == "snapshot" else None,
        host_id=server.host_id,
    )
    try:
        volume = await create(tx, call.caller, wanted, call.request_id, call.secrets)
    except NotFound as error:
        raise _invalid(error.message) from error
    if volume.status == "error":
        raise _invalid("no back end of the host has room for its volumes.")
    return volume


def _invalid(why: str) -> Invalid:
    return Invalid("volume.mapping", f"Block Device Mapping is Invalid: {why}")
