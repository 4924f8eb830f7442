"""Making a server: everything in one transaction, from the first check to the last claim.

If there is no room the server is made all the same, in error and with a fault that says so, holding nothing:
that is how clients of this API learn about capacity. Every other reason to refuse is told at once.
Quota is held exactly as long as the claim on a host.
"""

import re
from typing import Any, Literal

import msgspec

from trivet.domain.hosts.hosts import Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.images import images, signatures
from trivet.domain.images.images import Image
from trivet.domain.limits import quotas
from trivet.domain.network.groups import security_groups
from trivet.domain.network.ports import ports
from trivet.domain.numbers import whole_number
from trivet.domain.placement import claims
from trivet.domain.servers import actions as server_actions
from trivet.domain.servers import disks as server_disks
from trivet.domain.servers import exposing, flavors, keypairs, local_disks, no_room, usage, volume_images, wishes
from trivet.domain.servers import nics as server_nics
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers.actions import Call
from trivet.domain.servers.disks import Disks, DiskWanted
from trivet.domain.servers.flavors import Flavor
from trivet.domain.servers.kinds import kind_of
from trivet.domain.servers.local_disks import LocalWanted
from trivet.domain.servers.nics import Nic, NicsWanted
from trivet.domain.servers.placing import Spot
from trivet.domain.servers.servers import SERVERS, SIZED, Fault, FlavorOf, Server
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.machine import EmptyDisk
from trivet.errors import Forbidden, Invalid, NotFound, OverQuota
from trivet.store.tx import Tx

SPAWN_S = 300.0
METAL_S = 3600.0
"""A physical machine boots twice, and is written to its last sector if its image says so."""
NO_ROOM = "No valid host was found. There are not enough hosts available."
"""Whatever stands in the way, these words come first: clients look for them."""


class ServerCreate(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants, in our words, whichever dialect it came in."""

    name: str
    image_id: str | None
    """The image of a root disk on its host; None: the server boots from one of its volumes."""
    flavor_id: str = ""
    sized: FlavorOf | None = None
    """A size of its own, in place of a flavor."""
    running: bool = True
    """False: it is made and waits to be started."""
    exposed: tuple[tuple[str, int], ...] = ()
    """(protocol, port) that everybody may reach: in place of security groups it gets one of its own."""
    ends_with_program: bool = False
    found_image: Image | None = None
    """The image, if whoever read the words has looked at it already, as this caller and in this transaction."""
    described_by: str | None = None
    """An image without a disk, which says what kind of machine it is and of which volumes."""
    disks: tuple[DiskWanted, ...] = ()
    local_disks: tuple[LocalWanted, ...] = ()
    root_tag: str | None = None
    networks: NicsWanted = ()
    security_groups: tuple[str, ...] | None = None
    key_name: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    files: dict[str, str] = {}
    sealed_password: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    description: str | None = None
    hostname: str | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: Literal["MANUAL", "AUTO"] = "MANUAL"
    trusted_certificates: tuple[str, ...] = ()
    zone: str | None = None
    host: str | None = None
    hypervisor_hostname: str | None = None
    hints: dict[str, Any] = {}
    min_count: int = 1
    max_count: int = 1


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for a wish: the same for all servers of one request."""

    wanted: ServerCreate
    flavor: FlavorOf
    image: Image | None
    properties: dict[str, str]
    disks: Disks
    local_disks: tuple[EmptyDisk, ...]
    kind: Kind
    key_public: str | None
    nics: list[Nic]
    spot: Spot
    reservation_id: str
    unmet: str | None
    """A wish that no host does, so none is looked for."""
    security_groups: tuple[str, ...] | None = None
    own_group_id: str | None = None


class _Place(msgspec.Struct, frozen=True):
    """One server of the request, and the host that was claimed for it."""

    id: str
    name: str
    index: int
    host: Host | None
    why_not: str = ""


async def create(tx: Tx, call: Call, wanted: ServerCreate) -> list[Server]:
    caller = call.caller
    if caller.project_id is None:
        raise Forbidden("scope.project_needed", "A server belongs to a project: use a token scoped to one.")
    copy = wanted.sized or flavor_of(await _flavor(tx, call, wanted.flavor_id))
    disks = await server_disks.plan(tx, call, wanted.disks, wanted.max_count, wanted.trusted_certificates)
    image = await _image(tx, call, wanted, wanted.image_id)
    if image is None and not disks.boots:
        raise Invalid("server.no_image", "Missing imageRef attribute")
    described = await _image(tx, call, wanted, wanted.described_by)
    kind = kind_of(copy.extra_specs, container=image is not None and image.is_oci, isolation=call.isolation)
    _check(image, disks, copy, kind)
    properties = _properties(image or described, disks)
    wishes.check(copy, properties)
    empty = local_disks.plan(wanted.local_disks, copy)
    nics = await server_nics.plan(tx, caller, wanted.networks, wanted.max_count)
    plan = _Plan(
        wanted=wanted,
        flavor=copy,
        image=image,
        properties=properties,
        disks=disks,
        local_disks=empty,
        kind=kind,
        key_public=await find_key(tx, call, wanted.key_name),
        nics=nics,
        spot=server_placing.within(
            await server_placing.spot(
                tx, caller, zone=wanted.zone, host=wanted.host, node=wanted.hypervisor_hostname, hints=wanted.hints
            ),
            disks.hosts,
        ),
        reservation_id=f"r-{tx.ids.hex()[:8]}",
        unmet=await _doubt(tx, call, wanted, image)
        or disks.doubt
        or wishes.unmet(copy, properties, kind)
        or _unmet(wanted, nics),
    )
    count = await _count(tx, call, caller.project_id, plan)
    await quotas.foresee(tx, caller.project_id, "volumes", count * disks.made)
    places = await _places(tx, call, caller.project_id, plan, count)
    plan = await _with_shared(tx, call, caller.project_id, plan, places)
    made = [await _one(tx, call, caller.project_id, plan, place) for place in places]
    await _take_quota(tx, call, caller.project_id, plan.flavor, made)
    return made


def spawn_s(kind: Kind) -> float:
    """How long a server may take to be there."""
    return METAL_S if kind == "metal" else SPAWN_S


def cost(flavor: FlavorOf, count: int = 1) -> dict[str, int]:
    """What servers take of their project's quota."""
    taken = {"servers": count, "class:VCPU": count * flavor.vcpus, "class:MEMORY_MB": count * flavor.ram_mib}
    return taken | {"class:DISK_GB": count * flavor.disk_gib} if flavor.id == SIZED else taken


def _properties(image: Image | None, disks: Disks) -> dict[str, str]:
    if image is None:
        return disks.properties
    return {name: value for name, value in image.properties.items() if name not in volume_images.WORDS}


async def _doubt(tx: Tx, call: Call, wanted: ServerCreate, image: Image | None) -> str | None:
    if image is None or image.status != "active":
        return None
    return await signatures.doubt(tx, call.secrets, call.caller, image, wanted.trusted_certificates)


def _unmet(wanted: ServerCreate, nics: list[Nic]) -> str | None:
    for nic in nics:
        if nic.port is not None and (why := wishes.unmet_port(nic.port)) is not None:
            return why
    return wishes.unmet_hint(wanted.hints)


async def _places(tx: Tx, call: Call, project_id: str, plan: _Plan, count: int) -> list[_Place]:
    """All rooms are taken before anything that many requests share (addresses, quotas), so that nobody waits for a
    room with such a row in hand."""
    if count > 1:
        await claims.take_turn(tx)
    found = []
    for index in range(count):
        id = tx.ids.uuid()
        name = plan.wanted.name if count == 1 else f"{plan.wanted.name}-{index + 1}"
        found.append(await _place(tx, call, project_id, plan, _Place(id, name, index, None)))
    return found


async def _place(tx: Tx, call: Call, project_id: str, plan: _Plan, place: _Place) -> _Place:
    if plan.unmet is not None:
        return msgspec.structs.replace(place, why_not=plan.unmet)
    properties = plan.properties
    host = await server_placing.claim(
        tx,
        place.id,
        project_id,
        call.caller.user_id,
        kind=plan.kind,
        flavor=_on_host(plan),
        properties=properties,
        where=plan.spot,
    )
    why_not = "" if host else await no_room.why_not(tx, plan.kind, _on_host(plan), properties, plan.spot)
    return msgspec.structs.replace(place, host=host, why_not=why_not)


async def _with_shared(tx: Tx, call: Call, project_id: str, plan: _Plan, places: list[_Place]) -> _Plan:
    """What the project still lacks is made, and what several ports need is held, with the rooms in hand: the default
    group first, then a network, then addresses. In any other order first servers wait for each other in a circle."""
    groups = await _groups(tx, call, plan.wanted.security_groups)
    if not any(place.host for place in places):
        return msgspec.structs.replace(plan, security_groups=groups)
    if plan.wanted.exposed:
        own = await exposing.group_for(tx, call.caller, plan.wanted.name, plan.wanted.exposed)
        groups, plan = (own,), msgspec.structs.replace(plan, own_group_id=own)
    nics = await server_nics.with_networks(tx, call.caller, plan.nics)
    network_ids = [nic.network.id for nic in nics if nic.network is not None]
    if network_ids and len(places) * len(nics) > 1:
        if groups is None:
            await security_groups.default_id(tx, project_id)
        await ports.hold(tx, network_ids)
    return msgspec.structs.replace(plan, nics=nics, security_groups=groups)


async def _one(tx: Tx, call: Call, project_id: str, plan: _Plan, place: _Place) -> Server:
    now = tx.clock.now()
    wanted = plan.wanted
    id, name, host = place.id, place.name, place.host
    group = plan.spot.group
    server = Server(
        id=id,
        project_id=project_id,
        user_id=call.caller.user_id,
        name=name,
        kind=plan.kind,
        flavor=plan.flavor,
        hostname=wanted.hostname or hostname_of(name, id),
        created_at=now,
        updated_at=now,
        description=wanted.description,
        image_id=plan.image.id if plan.image is not None else None,
        properties=plan.properties,
        local_disks=plan.local_disks,
        disk_tags=local_disks.tags(wanted.local_disks, wanted.root_tag),
        host_id=host.id if host else None,
        zone=plan.spot.zone,
        pinned=bool(wanted.host or wanted.hypervisor_hostname or ":" in (wanted.zone or "")),
        group_id=group.id if group else None,
        key_name=wanted.key_name,
        key_public=plan.key_public,
        user_data=wanted.user_data,
        config_drive=wanted.config_drive or plan.properties.get("img_config_drive") == "mandatory",
        files=wanted.files,
        sealed_password=wanted.sealed_password,
        metadata=wanted.metadata,
        tags=wanted.tags,
        access_ipv4=wanted.access_ipv4,
        access_ipv6=wanted.access_ipv6,
        disk_config=wanted.disk_config,
        reservation_id=plan.reservation_id,
        launch_index=place.index,
        trusted_certificates=wanted.trusted_certificates,
        hints=wanted.hints,
        grace_s=grace_of(plan.properties),
        own_group_id=plan.own_group_id,
        ends_with_program=wanted.ends_with_program,
        want="running" if wanted.running else "stopped",
        boots=int(wanted.running),
        status="building" if host else "error",
        task="spawning" if host else None,
        fault=None if host else Fault(code=500, message=f"{NO_ROOM} {place.why_not}", at=now),
        deadline_at=now + spawn_s(plan.kind) + (server_disks.MADE_S if plan.disks.made else 0.0) if host else None,
    )
    if host is None:
        await tx.insert(SERVERS, server)
        await server_actions.begin(tx, call, server, "create", error=f"{NO_ROOM} {place.why_not}")
        return server
    nic_tags = {}
    for nic in plan.nics:
        port = await server_nics.attach(
            tx, call.caller, server, nic, group_ids=plan.security_groups, zone=host.zone or DEFAULT_ZONE
        )
        if nic.tag is not None:
            nic_tags[port.id] = nic.tag
    server = await tx.insert(SERVERS, msgspec.structs.replace(server, nic_tags=nic_tags) if nic_tags else server)
    await server_disks.attach(tx, call, server, plan.disks)
    await server_actions.begin(tx, call, server, "create")
    return server


def _on_host(plan: _Plan) -> FlavorOf:
    """What it takes of its host: a root disk only if it has one there."""
    return plan.flavor if plan.image is not None else msgspec.structs.replace(plan.flavor, disk_gib=0)


def _check(image: Image | None, disks: Disks, flavor: FlavorOf, kind: Kind) -> None:
    if kind == "container" and disks.boots:
        raise Invalid(
            "volume.mapping",
            "Block Device Mapping is Invalid: a container starts from its image; give it volumes without a boot_index.",
        )
    if image is not None:
        check_image(image, flavor, kind)
    elif disks.image is not None and (disks.image.min_ram or 0) > flavor.ram_mib:
        raise Invalid("image.needs_memory", "Flavor's memory is too small for requested image.")


async def _count(tx: Tx, call: Call, project_id: str, plan: _Plan) -> int:
    """How many servers to try: as many as were wanted if the quota has room for them, else the fewest."""
    wanted = plan.wanted
    if wanted.min_count == wanted.max_count:
        return wanted.max_count
    amounts = cost(plan.flavor, wanted.max_count)
    await tx.savepoint()
    try:
        await quotas.take(tx, project_id, amounts, user_id=call.caller.user_id, count=usage.taken_by_user)
    except OverQuota:
        return wanted.min_count
    else:
        return wanted.max_count
    finally:
        await tx.undo()


async def _take_quota(tx: Tx, call: Call, project_id: str, flavor: FlavorOf, made: list[Server]) -> None:
    """Last, for the row of a busy project is where its requests meet. Those without room must pass, but keep none."""
    await quotas.take(
        tx, project_id, cost(flavor, len(made)), user_id=call.caller.user_id, count=usage.taken_by_user, there=True
    )
    roomless = sum(server.host_id is None for server in made)
    if roomless:
        await quotas.give_back(tx, project_id, cost(flavor, roomless))


async def _flavor(tx: Tx, call: Call, flavor_id: str) -> Flavor:
    try:
        return await flavors.visible(tx, call.caller, flavor_id)
    except NotFound as error:
        raise Invalid(error.code, f"Flavor {flavor_id} could not be found.") from error


async def _image(tx: Tx, call: Call, wanted: ServerCreate, id: str | None) -> Image | None:
    found = wanted.found_image
    if id is None or (found is not None and found.id == id):
        return found if id is not None else None
    return await find_image(tx, call, id)


async def find_image(tx: Tx, call: Call, image_id: str, otherwise: str = "Can not find requested image") -> Image:
    try:
        return await images.visible(tx, call.caller, image_id)
    except NotFound as error:
        raise Invalid(error.code, otherwise) from error


async def find_key(tx: Tx, call: Call, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return (await keypairs.visible(tx, call.caller.user_id, name)).public_key
    except NotFound as error:
        raise Invalid(error.code, "Invalid key_name provided.") from error


async def _groups(tx: Tx, call: Call, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else await server_nics.groups(tx, call.caller, names)


def check_image(image: Image, flavor: Flavor | FlavorOf, kind: Kind) -> None:
    """Whether a root disk of this flavor can be made from the image."""
    if image.status != "active":
        raise Invalid("image.not_active", f"Image {image.id} is not active.")
    if image.blob_key is None:
        raise Invalid("image.no_disk", f"Image {image.id} holds no disk, so no root disk can be made from it.")
    if (image.min_ram or 0) > flavor.ram_mib:
        raise Invalid("image.needs_memory", "Flavor's memory is too small for requested image.")
    if kind == "container" or flavor.disk_gib == 0:
        return
    room = flavor.disk_gib << 30
    size = max(image.size or 0, image.virtual_size or 0)
    if size > room:
        raise Invalid(
            "image.needs_disk",
            f"Flavor's disk is too small for requested image. Flavor disk is {room} bytes, image is {size} bytes.",
        )
    if (image.min_disk or 0) > flavor.disk_gib:
        raise Invalid(
            "image.needs_disk",
            f"Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {room} "
            f"bytes, minimum size is {(image.min_disk or 0) << 30} bytes.",
        )


def flavor_of(flavor: Flavor) -> FlavorOf:
    return FlavorOf(
        id=flavor.id,
        name=flavor.name,
        vcpus=flavor.vcpus,
        ram_mib=flavor.ram_mib,
        disk_gib=flavor.disk_gib,
        ephemeral_gib=flavor.ephemeral_gib,
        swap_mib=flavor.swap_mib,
        extra_specs=flavor.extra_specs,
    )


def grace_of(properties: dict[str, str]) -> float:
    """How long the guest of an image may take to stop, unless the call says otherwise."""
    said = whole_number(properties.get("os_shutdown_timeout", ""))
    return min(float(said), 3600.0) if said is not None else 60.0


def hostname_of(name: str, id: str) -> str:
    """A name that the guest can bear: letters, digits and dashes, at most 63. Who wants dots says a hostname."""
    plain = re.sub(r"[^a-z0-9-]", "", re.sub(r"[ _.]", "-", name[:63]).lower()).strip("-")
    return plain or f"Server-{id}"
