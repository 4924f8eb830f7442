"""Making a container: a server whose size and program are said in numbers and words, instead of by a flavor."""

import math
from typing import Any

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.servers.actions import Call
from trivet.domain.servers.containers import images
from trivet.domain.servers.containers.containers import CONTAINERS, Container, Facts
from trivet.domain.servers.create import ServerCreate, create
from trivet.domain.servers.disks import DiskWanted
from trivet.domain.servers.nics import NicWanted
from trivet.domain.servers.servers import SIZED, FlavorOf
from trivet.domain.volumes.volumes import VOLUMES
from trivet.drivers.contracts.container import Program
from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tx import Tx
from trivet.store.where import Where


class NetWanted(msgspec.Struct, frozen=True, kw_only=True):
    network: str | None = None
    """Its id or name."""
    port: str | None = None
    fixed_ip: str | None = None


class MountWanted(msgspec.Struct, frozen=True, kw_only=True):
    destination: str
    volume: str | None = None
    """Its id or name."""
    size_gib: int | None = None
    """Of a new volume that goes with the container."""
    content: str | None = None
    """Of a file, in base64."""


class ContainerCreate(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    image: str
    image_driver: str
    program: Program
    cpus: float
    memory_mib: int
    disk_gib: int
    run: bool
    restart_policy: dict[str, str] | None = None
    """As clients say it."""
    image_pull_policy: str | None = None
    labels: dict[str, str] = {}
    nets: tuple[NetWanted, ...] = ()
    mounts: tuple[MountWanted, ...] = ()
    security_groups: tuple[str, ...] | None = None
    exposed_ports: dict[str, dict[str, str]] = {}
    hostname: str | None = None
    zone: str | None = None
    host: str | None = None
    hints: dict[str, Any] = {}
    auto_remove: bool = False
    auto_heal: bool = False
    runtime: str | None = None
    cpu_policy: str | None = None


async def create_container(tx: Tx, call: Call, wanted: ContainerCreate) -> Container:
    image = await images.find(tx, call.caller, wanted.image)
    server = (
        await create(
            tx,
            call,
            ServerCreate(
                name=wanted.name,
                image_id=image.id,
                found_image=image,
                sized=sized(wanted.cpus, wanted.memory_mib, wanted.disk_gib),
                running=wanted.run,
                disks=await _disks(tx, call.caller, wanted.mounts),
                files={mount.destination: mount.content for mount in wanted.mounts if mount.content is not None},
                networks=await _nics(tx, call.caller, wanted.nets),
                security_groups=wanted.security_groups,
                exposed=tuple(_exposed(port) for port in wanted.exposed_ports),
                ends_with_program=wanted.auto_remove,
                hostname=wanted.hostname,
                zone=wanted.zone,
                host=wanted.host,
                hints=wanted.hints,
            ),
        )
    )[0]
    facts = Facts(
        id=server.id,
        image=wanted.image,
        image_driver=wanted.image_driver,
        image_pull_policy=wanted.image_pull_policy,
        program=wanted.program,
        restart_policy=wanted.restart_policy,
        labels=wanted.labels,
        exposed_ports=wanted.exposed_ports,
        auto_heal=wanted.auto_heal,
        runtime=wanted.runtime,
        cpu_policy=wanted.cpu_policy,
    )
    return Container(server, await tx.insert(CONTAINERS, facts))


def sized(cpus: float, memory_mib: int, disk_gib: int) -> FlavorOf:
    """Room is claimed in whole processors, and no more is given than was asked for."""
    vcpus = max(1, math.ceil(cpus))
    return FlavorOf(
        id=SIZED, name=SIZED, vcpus=vcpus, ram_mib=memory_mib, disk_gib=disk_gib, cpus=0.0 if cpus == vcpus else cpus
    )


def cpus_of(flavor: FlavorOf) -> float:
    return flavor.cpus or float(flavor.vcpus)


def _exposed(port: str) -> tuple[str, int]:
    number, _, protocol = port.partition("/")
    return protocol, int(number)


# -- networks


async def _nics(tx: Tx, caller: Caller, wanted: tuple[NetWanted, ...]) -> tuple[NicWanted, ...]:
    if not wanted:
        return (NicWanted(network_id=await _any_network(tx, caller)),)
    return tuple([await nic(tx, caller, net) for net in wanted])


async def nic(tx: Tx, caller: Caller, wanted: NetWanted) -> NicWanted:
    if wanted.port is not None:
        return NicWanted(port_id=wanted.port)
    return NicWanted(network_id=await network_called(tx, caller, wanted.network or ""), fixed_ip=wanted.fixed_ip)


async def network_called(tx: Tx, caller: Caller, ident: str) -> str:
    if is_uuid(ident):
        try:
            return (await networks.visible(tx, caller, ident)).id
        except NotFound as error:
            raise _no_network(ident) from error
    found = await tx.select(
        NETWORKS, Where().equal("name", ident).equal("project_id", caller.project_id or ""), order="id", limit=2
    )
    if not found:
        found = [network for network in await networks.for_servers(tx, caller) if network.name == ident]
    if len(found) > 1:
        raise Conflict(
            "network.ambiguous",
            f"Multiple neutron networks exist with same name {ident[:255]}. Please use the id instead.",
        )
    if not found:
        raise _no_network(ident)
    return found[0].id


def _no_network(ident: str) -> NotFound:
    return NotFound("network.absent", f"Neutron network {ident[:255]} could not be found.")


async def _any_network(tx: Tx, caller: Caller) -> str:
    """The project's own come first."""
    found = [network for network in await networks.for_servers(tx, caller) if network.subnets]
    found.sort(key=lambda network: (network.project_id != caller.project_id, network.id))
    if not found:
        raise Conflict("network.none", "There is no neutron network available. Make one, with a subnet.")
    return found[0].id


# -- volumes


async def _disks(tx: Tx, caller: Caller, mounts: tuple[MountWanted, ...]) -> tuple[DiskWanted, ...]:
    found = []
    for mount in mounts:
        if mount.volume is not None:
            id = await _volume_called(tx, caller, mount.volume)
            found.append(DiskWanted(source="volume", id=id, device=mount.destination))
        elif mount.size_gib is not None:
            found.append(
                DiskWanted(
                    source="blank", size_gib=mount.size_gib, device=mount.destination, delete_on_termination=True
                )
            )
    return tuple(found)


async def _volume_called(tx: Tx, caller: Caller, ident: str) -> str:
    """Only the project's own."""
    where = Where().equal("project_id", caller.project_id or "")
    by_id = await tx.select(VOLUMES, where.copy().equal("id", ident), limit=1)
    found = by_id or await tx.select(VOLUMES, where.equal("name", ident), order="id", limit=2)
    if len(found) > 1:
        raise Conflict("volume.ambiguous", f"Multiple volumes exist with same name {ident[:255]}. Please use the id.")
    if not found:
        raise NotFound("volume.absent", f"Volume {ident[:255]} could not be found.")
    if found[0].status != "available" and not found[0].multiattach:
        raise Invalid("volume.status", f"Volume {found[0].id} not usable for the container: it is {found[0].status}.")
    return found[0].id
