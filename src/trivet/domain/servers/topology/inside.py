"""Inside: what a server's host is told of the parts that the server has there, and how its own CPUs are divided."""

from collections.abc import Mapping

from trivet.domain.servers.servers import FlavorOf, Server
from trivet.domain.servers.topology import asks, guest_cpus
from trivet.drivers.contracts.topology import Topology
from trivet.errors import Invalid


def name_of(flavor: FlavorOf, properties: Mapping[str, str]) -> str:
    """By which one size of a server is told from the next; nothing if it is like that of any other server."""
    return flavor.id if asks.of(flavor, properties) is not None or _divided(flavor, properties) else ""


def of_server(server: Server, held: Mapping[tuple[str, str, str], Topology]) -> Topology | None:
    """`held`: what servers hold, by server, host and name."""
    found = held.get((server.id, server.host_id or "", server.flavor.id))
    if found is not None:
        return found
    shape = _divided(server.flavor, server.properties)
    return Topology(server.flavor.id, *shape) if shape is not None else None


def _divided(flavor: FlavorOf, properties: Mapping[str, str]) -> guest_cpus.Shape | None:
    """None: each CPU is a socket, as where nothing is said."""
    try:
        shape = guest_cpus.shape_of(flavor, properties)
    except Invalid:
        # Made before that was refused.
        return None
    return shape if shape != guest_cpus.plain(flavor.vcpus) else None
