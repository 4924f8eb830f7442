"""Orders: what an agent is told to make true, and what it says of it.

An order is whole: it can be followed from nothing, twice, or late. A report says what is there now;
`domain/servers/state.py` compares the two.
"""

import msgspec

from trivet.domain.servers.words import Kind, RescueBus, RescueDevice, Want
from trivet.drivers.contracts.container import Program
from trivet.drivers.contracts.machine import EmptyDisk, Power, VolumeDisk, shape
from trivet.drivers.contracts.network import Wire
from trivet.drivers.contracts.topology import Topology


class ImageAt(msgspec.Struct, frozen=True):
    """The bytes that a root disk is made from."""

    id: str
    blob_key: str
    format: str


class DiskAt(msgspec.Struct, frozen=True):
    """The bytes of a disk that comes from another host."""

    name: str
    blob_key: str
    format: str
    sha512: str


class RescueWanted(msgspec.Struct, frozen=True):
    number: int
    image: ImageAt | None
    """None: its bytes are gone. Who is in rescue already stays so."""
    device: RescueDevice | None = None
    bus: RescueBus | None = None


class Order(msgspec.Struct, frozen=True):
    server_id: str
    host_id: str
    revision: int
    kind: Kind
    want: Want
    boots: int
    builds: int
    grace_s: float
    hostname: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    image: ImageAt | None
    wires: tuple[Wire, ...]
    properties: dict[str, str] = {}
    config_drive: bool = False
    snapshot_image_id: str | None = None
    empty: tuple[EmptyDisk, ...] = ()
    interrupts: int = 0
    passwords: int = 0
    """How often the guest is to have been told."""
    rescue: RescueWanted | None = None
    volumes: tuple[VolumeDisk, ...] = ()
    volumes_pending: bool = False
    """It cannot start yet: a volume that it needs is still being made, or its back end has not opened yet."""
    volumes_moving: bool = False
    """One is on its way in or out: what the machine has by now may not have been told."""
    keeps: bool = False
    """It has moved, and may come back: its disk stays here, and nothing of it runs."""
    leaves: bool = False
    """It goes to another host: stopped here, its disks are handed over."""
    gives: tuple[str, ...] = ()
    """Names of the disks that have not been handed over yet."""
    brings: tuple[DiskAt, ...] = ()
    """It comes from another host, with these disks."""
    settled: bool = False
    """Nothing was asked since the last report: following it only checks."""
    cpus: float = 0.0
    program: Program | None = None
    """What a container runs, where somebody said so."""
    crashed: bool = False
    """The last report said that the machine had crashed."""
    topology: Topology | None = None

    @property
    def rescue_mark(self) -> str:
        return rescue_mark(self.rescue.number if self.rescue is not None else None)

    @property
    def shape(self) -> str:
        inside = self.topology.name if self.topology is not None else ""
        return shape(self.vcpus, self.memory_mib, self.disk_gib, self.empty, inside=inside, cpus=self.cpus)


def rescue_mark(number: int | None) -> str:
    """As the machine's marks tell it; nothing if it is in no rescue."""
    return "" if number is None else str(number)


class Orders(msgspec.Struct, frozen=True):
    orders: list[Order]
    unclear: dict[str, str] = {}
    """Server -> host, of those that are there and of which no order can be made: they are left as they are."""


class Report(msgspec.Struct, frozen=True):
    server_id: str
    host_id: str
    revision: int
    """The revision of the order that was followed."""
    power: Power | None = None
    """None: there is nothing here."""
    boots: int = 0
    builds: int = 0
    shape: str = ""
    rescue: str = ""
    passwords: int = 0
    exit_code: int | None = None
    health: str = ""
    snapshot_image_id: str | None = None
    """The image that was filled."""
    volumes: tuple[str, ...] = ()
    """Attachments that the machine has."""
    volume_faults: dict[str, str] = {}
    """Attachment -> why it cannot be had, for good."""
    error: str | None = None
    again: bool = False
    """The error may pass: the agent tries again by itself."""
    mending: bool = False
    """The machine has died by itself, and the agent is about to start it again; another report follows."""
