"""Servers: something that runs for a tenant, whatever it is made of.

A server row says what is wanted (`want`, `boots`, `builds`, `flavor`) and what was last seen (`status`,
`power`). Acts change only what is wanted; the agent of its host makes it so and reports; `domain/servers/orders.py`
compares the two and settles the row. Nothing in between is kept anywhere else.
"""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.servers.words import Kind, RescueBus, RescueDevice, Status, Want
from trivet.drivers.contracts.machine import EmptyDisk
from trivet.errors import NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class FlavorOf(msgspec.Struct, frozen=True):
    """The flavor as it was when the server was made: later changes to a flavor do not touch it."""

    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    extra_specs: dict[str, str] = {}
    cpus: float = 0.0
    """Of a container: how much of its vcpus it may use; 0: all."""


SIZED = "container"
"""The id and name of a size that no flavor has: a container's own, said in numbers. Its disk is counted, too."""


class Fault(msgspec.Struct, frozen=True):
    """Why a server is in error, in words that a tenant can act on."""

    code: int
    message: str
    at: float
    details: str = ""


class Rescue(msgspec.Struct, frozen=True):
    """How a server is in rescue, or on its way into it."""

    number: int
    """The boot it began with: tells one rescue from the next."""
    device: RescueDevice | None = None
    bus: RescueBus | None = None
    """What the image is shown as, behind the disks that are there. None: it takes the place of the root disk."""
    sealed_password: str | None = None


class MovedDisk(msgspec.Struct, frozen=True):
    """A disk between two hosts."""

    key: str
    """Of the blob."""
    format: str
    sha512: str | None = None
    """None: it is still being written."""


Stage = Literal["leaving", "arriving", "moved", "clearing", "returning"]


class Move(msgspec.Struct, frozen=True):
    """A server between two hosts; `domain/servers/moving.py` says which of them does what at each stage."""

    id: str
    """Of its migration, which holds the room on the host that is not the server's (any more, or yet)."""
    stage: Stage
    builds: int
    """Of the disk at the host that it left."""
    confirms: bool = False
    """It stays where it arrives; nobody is asked."""
    disks: dict[str, MovedDisk] = {}
    """By name, while it moves."""


class Server(Record, frozen=True, kw_only=True):
    project_id: str
    user_id: str
    name: str
    kind: Kind
    flavor: FlavorOf
    hostname: str
    created_at: float
    updated_at: float
    description: str | None = None
    image_id: str | None = None
    properties: dict[str, str] = {}
    """The image's properties at the time, which engines read (hw_..., os_..., the container's command)."""
    host_id: str | None = None
    other_host_id: str | None = None
    """While it moves: the host where it was, and may be again, or where it shall go."""
    move: Move | None = None
    builds_made: int = 0
    """The highest `builds` of a disk that it left behind: a number that was used once names no other disk."""
    local_disks: tuple[EmptyDisk, ...] = ()
    """On its host, besides its root disk."""
    disk_tags: dict[str, str] = {}
    """Disk on its host -> the tag under which the guest finds it in its metadata."""
    zone: str | None = None
    """The availability zone that was asked for."""
    group_id: str | None = None
    key_name: str | None = None
    key_public: str | None = None
    user_data: str | None = None
    """Base64, as it came."""
    config_drive: bool = False
    files: dict[str, str] = {}
    """Personality: path -> base64 content."""
    sealed_password: str | None = None
    """The administrator's password, which the config drive tells to the guest."""
    guest_password: str | None = None
    """What the guest said its password is, sealed with the owner's key: it may say so once."""
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: Literal["MANUAL", "AUTO"] = "MANUAL"
    reservation_id: str = ""
    launch_index: int = 0
    locked: bool = False
    locked_reason: str | None = None
    locked_by_operator: bool = False
    """An operator locked it, so its owner cannot unlock it."""
    trusted_certificates: tuple[str, ...] = ()
    hints: dict[str, Any] = {}
    """What the caller told the scheduler, as it came."""
    nic_tags: dict[str, str] = {}
    """Port id -> the tag under which the guest finds that card in its metadata."""

    want: Want = "running"
    boots: int = 1
    """How often it should have been booted: raising it makes the agent boot it again."""
    builds: int = 1
    """How often its root disk should have been made: raising it makes a new one from the image."""
    grace_s: float = 60.0
    """How long the guest may take when it is asked to stop or reboot; 0 cuts the power."""
    snapshot_image_id: str | None = None
    """An image that waits to be filled from the root disk."""
    shelved_image_id: str | None = None
    """What its disk is made from when it leaves the shelf."""
    interrupts: int = 0
    """How often its guest's kernel should have been made to dump."""
    passwords: int = 0
    """How often the guest should have been given a password."""
    new_password: str | None = None
    """The one that it is being given, sealed."""
    reimage_id: str | None = None
    """The image that the volume which it boots from is made anew from, as soon as its machine is gone."""
    rescue: Rescue | None = None
    rescue_image_id: str | None = None
    """What it boots from while it is in rescue."""
    offload_at: float | None = None
    """When it leaves its host, if it is shelved then."""
    reclaim_at: float | None = None
    """When it is gone for good, if it was deleted and can still be brought back."""
    old_flavor: FlavorOf | None = None
    """While a resize waits for confirmation: what to go back to."""

    status: Status = "building"
    task: str | None = None
    """What is going on, as nova spells its task states."""
    power: Literal["none", "running", "paused", "stopped", "crashed", "suspended"] = "none"
    fault: Fault | None = None
    deadline_at: float | None = None
    """When the task has taken too long, and the server goes to error."""
    failed_hosts: tuple[str, ...] = ()
    """Which hosts could not build it: it is placed elsewhere, a few times."""
    exit_code: int | None = None
    """How it ended by itself, where the engine knows."""
    health: str | None = None
    """What its health check says, if it has one: starting, healthy, unhealthy."""
    own_group_id: str | None = None
    """A security group that was made for it, and goes with it."""
    ends_with_program: bool = False
    """It is deleted as soon as it has stopped."""
    pinned: bool = False
    """An operator chose its host by name, so it is placed nowhere else."""
    launched_at: float | None = None
    deleted_at: float | None = None
    """A deleted server stays as a row for a while, for clients that ask what changed."""

    @property
    def boots_from_volume(self) -> bool:
        return self.image_id is None

    @property
    def root_gib(self) -> int:
        """The size of the root disk on its host; 0 for a server that boots from a volume."""
        return 0 if self.boots_from_volume else self.flavor.disk_gib


SERVERS = Table("servers", Server)


async def visible(tx: Tx, caller: Caller, id: str, *, deleted: bool = False) -> Server:
    """The server, if it is there and the caller may look at it; with `deleted`, also for a while after its end."""
    server = await tx.get(SERVERS, id) if is_uuid(id) else None
    if server is None or (server.deleted_at is not None and not deleted) or not caller.may_see(server.project_id):
        raise absent(id)
    return server


async def changeable(tx: Tx, caller: Caller, id: str) -> Server:
    """The server, if the caller may change it. Others are told that there is none."""
    server = await visible(tx, caller, id)
    if not (caller.owns(server.project_id) or caller.is_operator):
        raise absent(id)
    return server


def absent(id: str) -> NotFound:
    return NotFound("server.absent", f"Instance {id[:64]} could not be found.")


async def forget_password(tx: Tx, server: Server) -> None:
    """The one that its guest has told, sealed with its owner's public key."""
    await tx.update(SERVERS, server, guest_password=None)
