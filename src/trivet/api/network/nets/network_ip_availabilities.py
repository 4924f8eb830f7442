"""/v2.0/network-ip-availabilities: how many addresses there are and how many are taken, counted when asked."""

from collections.abc import Sequence

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import listing
from trivet.api.network.listing import Json
from trivet.domain.network.addresses import parsed
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()


async def _views(tx: Tx, found: Sequence[Network], version: int | None) -> list[Json]:
    inside = Where().any_of("network_id", [network.id for network in found])
    if version is not None:
        inside.equal("ip_version", version)
    used = {
        str(row[0]): int(row[1])
        for row in await tx.rows("SELECT subnet_id, COUNT(*) FROM addresses GROUP BY subnet_id")
    }
    by_network: dict[str, list[Subnet]] = {network.id: [] for network in found}
    for subnet in await tx.select(SUBNETS, inside, order="created_at, id"):
        by_network[subnet.network_id].append(subnet)
    return [_view(network, by_network[network.id], used) for network in found]


def _view(network: Network, subnets: Sequence[Subnet], used: dict[str, int]) -> Json:
    each: list[Json] = [
        {
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "ip_version": subnet.ip_version,
            "total_ips": sum(int(parsed(pool.end)) - int(parsed(pool.start)) + 1 for pool in subnet.allocation_pools),
            "used_ips": used.get(subnet.id, 0),
        }
        for subnet in subnets
    ]
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "subnet_ip_availability": [_bounded(entry) for entry in each],
        "total_ips": _json_number(sum(entry["total_ips"] for entry in each)),
        "used_ips": sum(entry["used_ips"] for entry in each),
    }


def _bounded(entry: Json) -> Json:
    return entry | {"total_ips": _json_number(entry["total_ips"])}


def _json_number(number: int) -> int | float:
    """A /64 has more addresses than an integer of 64 bits."""
    return number if number < 2**63 else float(number)


@resource.on("GET", "/v2.0/network-ip-availabilities", may="operator")
async def index(request: Request) -> Reply:
    where = Where()
    version = None
    for name, value in request.query:
        if name == "ip_version":
            version = listing.whole(value)
        elif name in ("network_id", "network_name", "project_id", "tenant_id"):
            column = {"network_id": "id", "network_name": "name", "tenant_id": "project_id"}.get(name, name)
            where.equal(column, value)
        elif name != "fields":
            raise Invalid("filter.invalid", f"[{name!r}] is invalid attribute for filtering")
    found = await request.tx.select(NETWORKS, where, order="id")
    shown = await _views(request.tx, found, version) if found else []
    if version is not None:
        shown = [view for view in shown if view["subnet_ip_availability"]]
    fields = listing.fields_of(request)
    return Reply(200, {"network_ip_availabilities": [listing.cut(view, fields) for view in shown]})


@resource.on("GET", "/v2.0/network-ip-availabilities/{network_id}", may="operator")
async def show(request: Request) -> Reply:
    network = await networks.visible(request.tx, request.caller, request.values["network_id"])
    (shown,) = await _views(request.tx, [network], None)
    return Reply(200, {"network_ip_availability": listing.cut(shown, listing.fields_of(request))})
