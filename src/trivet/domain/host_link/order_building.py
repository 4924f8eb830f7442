"""Building orders: from the rows of a host's servers, in a few queries however many there are.

One of which none can be made (a row that cannot be read, an address that is none) keeps no other from its own: then
all are built in small lots, and the lot that it is in one by one.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial

import msgspec

from trivet.domain.host_link import moving_orders, volume_orders
from trivet.domain.host_link.volume_orders import NO_DISKS, Disks
from trivet.domain.hosts import cards
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.network.addresses import network_of, parsed
from trivet.domain.network.nets import networks as nets
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import Port
from trivet.domain.servers import state as reports
from trivet.domain.servers.containers import containers
from trivet.domain.servers.orders import ImageAt, Order, Orders, RescueWanted
from trivet.domain.servers.servers import SERVERS, Server
from trivet.domain.servers.shelving import OFFLOADING
from trivet.domain.servers.topology import inside, places
from trivet.drivers.contracts.container import Program
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.drivers.contracts.network import Wire, netns_name
from trivet.drivers.contracts.topology import Topology
from trivet.errors import TrivetError
from trivet.store.store import Store, transact
from trivet.store.tables import R, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

METADATA_IP = "169.254.169.254"
_LOT = 50
_logger = logging.getLogger(__name__)


async def build(tx: Tx, hosts: Collection[str], servers: Collection[str] | None = None) -> Orders:
    """What is placed on these hosts (or just these servers of it)."""
    where = _at("host_id", hosts, servers)
    others = _at("other_host_id", hosts, servers)
    try:
        found = await foreseen("orders", _orders(tx, where), TrivetError)
        return Orders(found + await foreseen("orders of others", _of_others(tx, others), TrivetError))
    except Unforeseen:
        rows = await tx.rows("SELECT id, host_id FROM servers" + where.sql, *where.values)
        apart = await _apart(tx, {str(id): str(host_id) for id, host_id in rows})
        kept = await _others_apart(tx, others)
        return Orders(apart.orders + kept.orders, apart.unclear | kept.unclear)


def _at(column: str, hosts: Collection[str], servers: Collection[str] | None) -> Where:
    where = Where().any_of(column, hosts).add("deleted_at IS NULL")
    return where if servers is None else where.any_of("id", servers)


async def _of_others(tx: Tx, where: Where) -> list[Order]:
    """For servers between two hosts, of which these are the other one."""
    orders = [moving_orders.other(server) for server in await tx.select(SERVERS, where)]
    return [order for order in orders if order is not None]


async def _others_apart(tx: Tx, where: Where) -> Orders:
    """One of which no order can be made is left as it is: what is kept of it is no stray."""
    orders: list[Order] = []
    unclear: dict[str, str] = {}
    for id, host_id in await tx.rows("SELECT id, other_host_id FROM servers" + where.sql, *where.values):
        one = Where().equal("id", id).add("other_host_id IS NOT NULL")
        try:
            orders += await foreseen(f"order of {id}", _of_others(tx, one), TrivetError)
        except Unforeseen:
            unclear[str(id)] = str(host_id)
    return Orders(orders, unclear)


async def _apart(tx: Tx, servers: dict[str, str]) -> Orders:
    found, unclear = await _lots(tx, list(servers), _LOT)
    for id in unclear:
        _logger.error("Server %s: no order for its host can be made of its rows", id)
    return Orders(found, {id: servers[id] for id in unclear})


async def _lots(tx: Tx, ids: list[str], size: int) -> tuple[list[Order], list[str]]:
    orders: list[Order] = []
    unclear: list[str] = []
    for at in range(0, len(ids), size):
        lot = ids[at : at + size]
        where = Where().any_of("id", lot).add("deleted_at IS NULL")
        try:
            orders += await foreseen(f"orders of {lot[0]} and {size - 1} more", _orders(tx, where), TrivetError)
        except Unforeseen:
            found, left = await _lots(tx, lot, 1) if size > 1 else ([], lot)
            orders += found
            unclear += left
    return orders, unclear


async def tell(store: Store, unclear: Collection[str], admit: Callable[[Tx], Awaitable[object]]) -> None:
    """Tells clients that wait for a server why no order can be made. `admit` raises if the caller may not speak any
    more."""
    for id in sorted(unclear):
        with suppress(Unforeseen):
            await foreseen(f"server {id}", transact(store, partial(_note, id, admit)), TrivetError)


async def _note(id: str, admit: Callable[[Tx], Awaitable[object]], tx: Tx) -> None:
    await admit(tx)
    await reports.note(tx, id, "The server cannot be described to its host; the operator's log says why.")


async def _orders(tx: Tx, where: Where) -> list[Order]:
    found = await tx.select(SERVERS, where)
    plugs = await ports.of_servers(tx, {server.id: server.project_id for server in found})
    all_ports = [port for group in plugs.values() for port in group]
    networks = await _by_id(tx, NETWORKS, {port.network_id for port in all_ports})
    subnets = await _by_id(tx, SUBNETS, {ip.subnet_id for port in all_ports for ip in port.fixed_ips})
    images = await _by_id(tx, IMAGES, {id for server in found for id in _images_of(server) if id})
    disks = await volume_orders.of_servers(tx, found)
    held = await places.of_servers(tx, [server.id for server in found])
    programs = await containers.programs(tx, [server.id for server in found if server.kind == "container"])
    vlans = await _vlans(tx, [server for server in found if server.kind == "metal"], plugs)
    return [
        _order(
            moving_orders.as_here(server),
            plugs.get(server.id, []),
            networks,
            subnets,
            images,
            disks=disks.get(server.id, NO_DISKS),
            vlans=vlans,
            topology=inside.of_server(server, held),
            program=programs.get(server.id),
        )
        for server in found
    ]


async def _vlans(tx: Tx, machines: list[Server], plugs: dict[str, list[Port]]) -> dict[str, int]:
    """Port -> what its network is called on the switch that its card is cabled to."""
    on_cards = [(server, port) for server in machines for port in plugs.get(server.id, [])]
    if not on_cards:
        return {}
    known = await cards.of_hosts(tx, {server.host_id or "" for server in machines})
    segments = await nets.segments_of(tx, {port.network_id for _, port in on_cards})
    return {
        port.id: segments.get(port.network_id, {}).get(card.fabric, 0)
        for server, port in on_cards
        for card in known.get(server.host_id or "", [])
        if card.mac == port.mac_address
    }


def _images_of(server: Server) -> tuple[str | None, ...]:
    return server.image_id, server.shelved_image_id, server.rescue_image_id


async def _by_id(tx: Tx, table: Table[R], ids: Collection[str]) -> dict[str, R]:
    if not ids:
        return {}
    return {record.id: record for record in await tx.select(table, Where().any_of("id", ids))}


def _order(
    server: Server,
    plugs: list[Port],
    networks: dict[str, Network],
    subnets: dict[str, Subnet],
    images: dict[str, Image],
    *,
    disks: Disks,
    vlans: dict[str, int],
    topology: Topology | None,
    program: Program | None,
) -> Order:
    assert server.host_id is not None
    # What comes back from the shelf is made of what was put there.
    image_id = server.shelved_image_id if server.status == "shelved_offloaded" else server.image_id
    order = Order(
        server_id=server.id,
        host_id=server.host_id,
        revision=server.revision,
        kind=server.kind,
        want="gone" if server.task == OFFLOADING else server.want,
        boots=server.boots,
        builds=server.builds,
        grace_s=server.grace_s,
        hostname=server.hostname,
        vcpus=server.flavor.vcpus,
        memory_mib=server.flavor.ram_mib,
        disk_gib=server.root_gib,
        image=_image_at(server, images, image_id),
        wires=tuple(
            msgspec.structs.replace(_wire(server, port, number, networks, subnets), vlan=vlans.get(port.id, 0))
            for number, port in enumerate(plugs)
        ),
        # What begins with `trivet:` grants things, so it is the operator's (a flavor) and not the tenant's (an image).
        properties={name: text for name, text in server.properties.items() if not name.startswith("trivet:")}
        | server.flavor.extra_specs,
        config_drive=server.config_drive,
        snapshot_image_id=server.snapshot_image_id,
        empty=server.local_disks,
        interrupts=server.interrupts,
        passwords=server.passwords,
        rescue=_rescue(server, images),
        volumes=disks.volumes,
        volumes_pending=disks.pending,
        volumes_moving=disks.moving,
        cpus=server.flavor.cpus,
        program=program,
        settled=server.task is None,
        crashed=server.power == "crashed",
        topology=topology,
    )
    return moving_orders.told(server, order)


def _image_at(server: Server, images: dict[str, Image], id: str | None) -> ImageAt | None:
    image = images.get(id) if id is not None else None
    if image is None or image.blob_key is None:
        return None
    return ImageAt(image.id, image.blob_key, "oci" if server.kind == "container" else image.disk_format or "")


def _rescue(server: Server, images: dict[str, Image]) -> RescueWanted | None:
    rescue = server.rescue
    if rescue is None:
        return None
    return RescueWanted(
        rescue.number, _image_at(server, images, server.rescue_image_id), device=rescue.device, bus=rescue.bus
    )


def _wire(server: Server, port: Port, number: int, networks: dict[str, Network], subnets: dict[str, Subnet]) -> Wire:
    on = [(subnets[ip.subnet_id], ip.ip_address) for ip in port.fixed_ips if ip.subnet_id in subnets]
    container = server.kind == "container"
    gateway = next((subnet.gateway_ip for subnet, _ in on if subnet.ip_version == 4 and subnet.gateway_ip), None)
    # Read anew: a command of the host's gets them, and rows from before may hold texts that nobody read.
    routes = [
        (str(network_of(route.destination)), str(parsed(route.nexthop)))
        for subnet, _ in on
        for route in subnet.host_routes
    ]
    return Wire(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        mtu=networks[port.network_id].mtu,
        kind="netns" if container else "switch" if server.kind == "metal" else "tap",
        netns=netns_name(server.id) if container else None,
        device=f"eth{number}",
        addresses=tuple(f"{ip}/{ipaddress.ip_network(subnet.cidr).prefixlen}" for subnet, ip in on),
        # The first interface leads out, as with DHCP.
        gateway=gateway if number == 0 else None,
        routes=(*routes, (f"{METADATA_IP}/32", "")) if number == 0 else tuple(routes),
    )
