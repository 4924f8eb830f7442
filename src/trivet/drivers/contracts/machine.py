"""Machines: what runs a server on one host, whatever the server is made of.

A driver keeps a machine's `marks` with the machine itself (a file beside its disk, a label on the
container) and gives them back from `observe`; that is how the agent knows, after any crash, which
boot and which build of the server it is looking at.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol, get_args, runtime_checkable

import msgspec

from trivet.drivers.contracts import container
from trivet.drivers.contracts.container import Containers, HealthCheck, LiveResizing, Question, Restart
from trivet.drivers.contracts.patience import BULKY_S, LOOK_S, PLAIN_S, REMOVE_S, within
from trivet.drivers.contracts.topology import Topology
from trivet.drivers.contracts.volume import Connection

Power = Literal["running", "paused", "suspended", "stopped", "crashed"]


class Disk(msgspec.Struct, frozen=True):
    """The source of the root disk: a local, complete, checked copy of the image."""

    path: str
    format: Literal["qcow2", "raw", "oci"]
    size_gib: int = 0
    """0 keeps the size of the image."""


class Nic(msgspec.Struct, frozen=True):
    """One network card. The wire driver has already made `device` (a tap, or a link inside the netns)."""

    port_id: str
    mac: str
    device: str
    mtu: int
    vlan: int = 0
    """Physical machines: what the port's network is called on the switches."""


class VolumeDisk(msgspec.Struct, frozen=True):
    """A volume that the machine has, and how it is reached."""

    id: str
    """The id of the attachment. When a volume is attached to the machine again, that is another attachment."""
    volume_id: str
    size_gib: int
    connection: Connection
    read_only: bool = False
    shared: bool = False
    """Other machines may write to it, too."""
    at: str = ""
    """Containers: where it is mounted, or with `/dev/` before it, which device it is."""
    boots: bool = False
    """The machine boots from it instead of from a root disk made from an image; it stays as long as the machine
    does."""


EmptyFormat = Literal["ext2", "ext3", "ext4", "swap"]
EMPTY_FORMATS: tuple[EmptyFormat, ...] = get_args(EmptyFormat)


class EmptyDisk(msgspec.Struct, frozen=True):
    """A disk of the machine's own that goes with it, formatted and otherwise empty at first."""

    name: str
    """`ephemeral0`, `ephemeral1`..., `swap`."""
    size_mib: int
    format: EmptyFormat


class RescueDisk(msgspec.Struct, frozen=True):
    """What a machine in rescue boots from."""

    disk: Disk
    mark: str
    """`observe` gives it as the mark `rescue`, until the machine is in rescue no more."""
    device: Literal["disk", "cdrom"] = "disk"
    bus: Literal["virtio", "scsi", "ide", "sata", "usb"] | None = None
    """Behind all that the machine has, which keeps its place. None: in place of its root disk, which is the next."""


class MachineSpec(msgspec.Struct, frozen=True):
    """Everything a driver needs to make the machine; complete, so that it can be made again from nothing."""

    id: str
    hostname: str
    vcpus: int
    memory_mib: int
    disk: Disk | None
    """None: a volume takes its place."""
    nics: tuple[Nic, ...] = ()
    empty: tuple[EmptyDisk, ...] = ()
    filled: dict[str, Disk] = {}
    """Empty disks that are not empty, by name: they come from another host."""
    volumes: tuple[VolumeDisk, ...] = ()
    netns: str | None = None
    """Containers: the named network namespace that the wire driver filled."""
    config_drive: bytes | None = None
    """VMs: an ISO image to show as a CD. Containers: the same files arrive in `files`."""
    files: dict[str, bytes] = {}
    """Containers: absolute path -> content, laid into the root file system before the first start."""
    cpus: float = 0.0
    """Containers: how much of `vcpus` it may use. 0: all."""
    command: tuple[str, ...] = ()
    """Containers: what is said here of their program goes before what the image says."""
    entrypoint: tuple[str, ...] | None = None
    environment: dict[str, str] = {}
    workdir: str | None = None
    restart: Restart = "no"
    restarts_most: int = 0
    """0: however often it fails."""
    stdin: bool = False
    """What it reads stays open for whoever attaches to it."""
    tty: bool = False
    health: HealthCheck | None = None
    properties: dict[str, str] = {}
    """Image properties and flavor extra specs that an engine may honour (hw_machine_type, hw_firmware_type...)."""
    marks: dict[str, str] = {}
    topology: Topology | None = None
    """None: it is like any other, and runs wherever its host has room."""


def shape_of(spec: MachineSpec) -> str:
    """The mark `shape`, which `observe` gives as the machine is now, resized or not; `nics` and `volumes` likewise."""
    inside = spec.topology.name if spec.topology is not None else ""
    disk_gib = spec.disk.size_gib if spec.disk else 0
    return shape(spec.vcpus, spec.memory_mib, disk_gib, spec.empty, inside=inside, cpus=spec.cpus)


def shape(
    vcpus: int,
    memory_mib: int,
    disk_gib: int,
    empty: Sequence[EmptyDisk] = (),
    *,
    inside: str = "",
    cpus: float = 0.0,
) -> str:
    """How large a machine is, in the words of the mark `shape`. `inside`: the name of its topology; `cpus`: the part of
    its CPUs that it may have, where that is no whole number."""
    words = [f"{vcpus}/{memory_mib}/{disk_gib}", *(f"{disk.name}={disk.size_mib}" for disk in empty)]
    words += [f"inside={inside}"] * bool(inside) + [f"cpus={cpus:g}"] * bool(cpus)
    return "/".join(words)


def volumes_of(spec: MachineSpec) -> str:
    """The mark `volumes`: attachments and how large their disks are."""
    return ",".join(f"{volume.id}={volume.size_gib}" for volume in spec.volumes)


class Seen(msgspec.Struct, frozen=True):
    """What is really there."""

    id: str
    power: Power
    marks: dict[str, str]
    exit_code: int | None = None
    """The exit code of a machine that stopped by itself, where the engine knows it."""


class DevicePlace(msgspec.Struct, frozen=True):
    """Where the guest finds a device."""

    bus: Literal["pci", "scsi", "none"]
    address: str = ""
    """Nothing where the guest numbers them itself."""


class MachineDriver(Protocol):
    """The verbs every kind has. All are idempotent; all raise DriverError and nothing else."""

    @within(LOOK_S, about="only", looks=True)
    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        """All machines of ours on this host (or just one), half-made ones included (as stopped)."""
        ...

    @within(BULKY_S, about="spec.id")
    async def create(self, spec: MachineSpec) -> None:
        """Disks and definition, not running. A half-made machine of the same id is finished or replaced."""
        ...

    @within(PLAIN_S, about="id")
    async def start(self, id: str, marks: dict[str, str]) -> None:
        """Run it, and keep `marks` in place of the old ones. Running already is fine."""
        ...

    @within(PLAIN_S, about="id", longer_by="grace_s")
    async def stop(self, id: str, grace_s: float) -> bool:
        """Ask it to stop, wait up to `grace_s`, then cut the power. True if it went by itself."""
        ...

    @within(REMOVE_S, about="id")
    async def remove(self, id: str) -> None:
        """Every trace of it. Absent already is fine."""
        ...

    @within(LOOK_S, about="id", looks=True)
    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        """The newest output of the machine, across reboots."""
        ...

    def watch(self) -> AsyncIterator[str]:
        """Ids of machines whose power changed by itself (a guest that powered off). A hint; may miss."""
        ...


@runtime_checkable
class Pausing(Protocol):
    @within(PLAIN_S, about="id")
    async def pause(self, id: str) -> None: ...
    @within(PLAIN_S, about="id")
    async def unpause(self, id: str) -> None: ...


@runtime_checkable
class Suspending(Protocol):
    """Memory to disk and back; survives a reboot of the host."""

    @within(BULKY_S, about="id")
    async def suspend(self, id: str) -> None: ...
    @within(BULKY_S, about="id")
    async def resume(self, id: str) -> None: ...


@runtime_checkable
class NicHotplug(Protocol):
    @within(PLAIN_S, about="id")
    async def attach_nic(self, id: str, nic: Nic) -> None: ...
    @within(PLAIN_S, about="id")
    async def detach_nic(self, id: str, port_id: str) -> None: ...


@runtime_checkable
class Sheltering(Protocol):
    @within(PLAIN_S, about="id")
    async def shelter(self, id: str, netns: str) -> bool:
        """Make the network namespace in which the machine will be root, before anything is put in.

        False if nothing changed. One that is there and belongs to others is made anew, with nothing in it.
        """
        ...


@runtime_checkable
class VolumeHotplug(Protocol):
    """Attaches and detaches volumes of a machine that runs; one that is stopped has them when it is started again."""

    @within(PLAIN_S, about="id")
    async def attach_volume(self, id: str, volume: VolumeDisk) -> None: ...
    @within(PLAIN_S, about="id")
    async def detach_volume(self, id: str, attachment_id: str) -> None: ...

    @within(PLAIN_S, about="id")
    async def resize_volume(self, id: str, attachment_id: str, size_gib: int) -> None:
        """It has grown already; the guest is told."""
        ...


@runtime_checkable
class Snapshotting(Protocol):
    @within(BULKY_S, about="id")
    async def snapshot(self, id: str, path: str) -> Literal["qcow2", "raw", "oci"]:
        """Write the root disk as a complete image to `path`; says which format it wrote."""
        ...


@runtime_checkable
class Moving(Protocol):
    @within(BULKY_S, about="id")
    async def export_disk(self, id: str, name: str, path: str) -> Literal["qcow2", "oci"]:
        """Of a stopped machine: one of its disks (`root`, or an empty one by its name) as a complete image at `path`,
        from which `create` makes it on another host."""
        ...


@runtime_checkable
class Resizing(Protocol):
    @within(BULKY_S, about="id")
    async def resize(
        self,
        id: str,
        vcpus: int,
        memory_mib: int,
        disk_gib: int,
        empty: tuple[EmptyDisk, ...] = (),
        *,
        topology: Topology | None = None,
    ) -> None:
        """Of a stopped machine; a disk never shrinks, but what was swapped to is nothing to keep."""
        ...


@runtime_checkable
class Rescuing(Protocol):
    """Of a stopped machine; both hold from its next start on."""

    @within(BULKY_S, about="id")
    async def rescue(self, id: str, rescue: RescueDisk, config_drive: bytes | None) -> None:
        """`config_drive` stands in for its own, where it has one."""
        ...

    @within(PLAIN_S, about="id")
    async def unrescue(self, id: str) -> None: ...


@runtime_checkable
class CrashDump(Protocol):
    @within(PLAIN_S, about="id")
    async def inject_nmi(self, id: str, marks: dict[str, str]) -> None:
        """And keep `marks` beside those that it has."""
        ...


@runtime_checkable
class GuestAgent(Protocol):
    """Talks to an agent inside the guest, where the machine's properties ask for one and the guest runs it."""

    @within(PLAIN_S, about="id")
    async def set_password(self, id: str, user: str, password: str, marks: dict[str, str]) -> None:
        """And keep `marks` beside those that it has."""
        ...


@runtime_checkable
class Placing(Protocol):
    def places(self, id: str, spec: MachineSpec | None = None) -> dict[str, DevicePlace]:
        """By port, attachment, name of an empty disk, and `root`. `spec` says of a machine that is yet to be made."""
        ...


@runtime_checkable
class SerialConsole(Protocol):
    def serial_path(self, id: str) -> str:
        """A Unix stream socket that carries the serial port (or an exec shell); one session at a time."""
        ...


@runtime_checkable
class GraphicalConsole(Protocol):
    def vnc_path(self, id: str) -> str:
        """A Unix stream socket that speaks RFB without a password."""
        ...


MACHINES = (
    MachineDriver,
    Pausing,
    Suspending,
    NicHotplug,
    Sheltering,
    VolumeHotplug,
    Snapshotting,
    Moving,
    Resizing,
    Rescuing,
    CrashDump,
    GuestAgent,
    Placing,
    SerialConsole,
    GraphicalConsole,
    Containers,
    LiveResizing,
)
"""What every driver of machines keeps, and what some can do besides."""


async def answered(driver: MachineDriver, id: str, question: Question | None, limit_bytes: int) -> bytes:
    """What is asked of a machine; without a question, what its console said last."""
    if question is None:
        return await driver.console_log(id, limit_bytes)
    return await container.answer(driver, id, question)
