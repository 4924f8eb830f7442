"""/v2.0/network-ip-availabilities: how many addresses there are and how many are taken, counted when asked."""

from collections.abc import Sequence

import msgspec

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import listing
from trivet.api.network.listing import Json
from trivet.domain.network.addresses import parsed
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()

_SORTS = ("network_id", "network_name", "project_id", "tenant_id")
_PAGING = ("sort_key", "sort_dir", "limit", "marker")


def _addresses(subnet: Subnet) -> int:
    return sum(int(parsed(pool.end)) - int(parsed(pool.start)) + 1 for pool in subnet.allocation_pools)


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
    totals = {subnet.id: _addresses(subnet) for subnet in subnets}
    each: list[Json] = [
        {
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "ip_version": subnet.ip_version,
            "total_ips": _number(totals[subnet.id]),
            "used_ips": used.get(subnet.id, 0),
        }
        for subnet in subnets
    ]
    return {
        "network_id": network.id,
        "network_name": network.name,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "subnet_ip_availability": each,
        "total_ips": _number(sum(totals.values())),
        "used_ips": sum(entry["used_ips"] for entry in each),
    }


def _number(number: int) -> int | msgspec.Raw:
    """A /64 has more addresses than 64 bits can say; JSON takes any number of digits."""
    return number if number < 2**63 else msgspec.Raw(str(number).encode())


def _page(request: Request, shown: list[Json]) -> list[Json]:
    keys, directions = request.asked_all("sort_key"), request.asked_all("sort_dir")
    if directions and len(directions) != len(keys):
        raise Invalid("query.invalid", "The number of sort_keys and sort_dirs must be same")
    for n, key in reversed(list(enumerate(keys))):
        if key not in _SORTS:
            raise Invalid("query.invalid", f"['{key}'] is invalid attribute for sort_keys")
        shown.sort(key=lambda view: str(view[key]), reverse=bool(directions) and directions[n] == "desc")
    marker = request.asked("marker")
    if marker is not None:
        places = [view["network_id"] for view in shown]
        if marker not in places:
            raise NotFound("marker.absent", f"There is no {marker[:64]} to begin after.")
        shown = shown[places.index(marker) + 1 :]
    limit = listing.whole(request.asked("limit") or "0")
    return shown[:limit] if limit > 0 else shown


@resource.on("GET", "/v2.0/network-ip-availabilities", may="operator")
async def index(request: Request) -> Reply:
    """They are few, and counted at each request: the order and the pages are made of the answer."""
    where = Where()
    version = None
    for name, value in request.query:
        if name == "ip_version":
            version = listing.whole(value)
        elif name in ("network_id", "network_name", "project_id", "tenant_id"):
            column = {"network_id": "id", "network_name": "name", "tenant_id": "project_id"}.get(name, name)
            where.equal(column, value)
        elif name not in ("fields", *_PAGING):
            raise Invalid("filter.invalid", f"[{name!r}] is invalid attribute for filtering")
    found = await request.tx.select(NETWORKS, where, order="id")
    shown = await _views(request.tx, found, version) if found else []
    if version is not None:
        shown = [view for view in shown if view["subnet_ip_availability"]]
    fields = listing.fields_of(request)
    return Reply(200, {"network_ip_availabilities": [listing.cut(view, fields) for view in _page(request, shown)]})


@resource.on("GET", "/v2.0/network-ip-availabilities/{network_id}", may="operator")
async def show(request: Request) -> Reply:
    network = await networks.visible(request.tx, request.caller, request.values["network_id"])
    (shown,) = await _views(request.tx, [network], None)
    return Reply(200, {"network_ip_availability": listing.cut(shown, listing.fields_of(request))})
