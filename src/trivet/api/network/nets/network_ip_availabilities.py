"""/v2.0/network-ip-availabilities: how many addresses there are and how many are taken, counted when asked."""

from collections.abc import Sequence

import msgspec

from trivet.api.kit import lists
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import collections
from trivet.api.network.bodies import Json
from trivet.domain.network import addresses
from trivet.domain.network.addresses import parsed
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.store import lists as store_lists
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()

_COLUMNS = {"network_id": "id", "network_name": "name", "project_id": "project_id", "tenant_id": "project_id"}


def _addresses(subnet: Subnet) -> int:
    return sum(int(parsed(pool.end)) - int(parsed(pool.start)) + 1 for pool in subnet.allocation_pools)


async def _views(tx: Tx, found: Sequence[Network], version: int | None) -> list[Json]:
    inside = Where().any_of("network_id", [network.id for network in found])
    if version is not None:
        inside.equal("ip_version", version)
    subnets = await tx.select(SUBNETS, inside, order="created_at, id")
    used = await addresses.used_in(tx, [subnet.id for subnet in subnets])
    by_network: dict[str, list[Subnet]] = {network.id: [] for network in found}
    for subnet in subnets:
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


def _of_version(request: Request, where: Where, values: list[str]) -> None:
    versions = Where().any_of("ip_version", [collections.whole(value) for value in values])
    where.inside("id", "SELECT network_id FROM subnets", versions)


_FILTERS = {name: lists.equal(column) for name, column in _COLUMNS.items()} | {"ip_version": _of_version}


@resource.on("GET", "/v2.0/network-ip-availabilities", may="operator")
async def index(request: Request) -> Reply:
    everything = Where()
    where = lists.narrow(
        request, everything.copy(), _FILTERS.get, aside=collections.PAGING, unknown=collections.unknown_filter
    )
    asked = lists.asked(request, collections.SPELLING, lists.sort_of(request, collections.SORTING, _COLUMNS))
    found = await store_lists.page(request.tx, NETWORKS, where, asked, seen=everything)
    said = request.asked("ip_version")
    shown = await _views(request.tx, found, None if said is None else collections.whole(said))
    fields = lists.fields_of(request)
    return Reply(200, {"network_ip_availabilities": [lists.cut(view, fields) for view in shown]})


@resource.on("GET", "/v2.0/network-ip-availabilities/{network_id}", may="operator")
async def show(request: Request) -> Reply:
    network = await networks.visible(request.tx, request.caller, request.values["network_id"])
    (shown,) = await _views(request.tx, [network], None)
    return Reply(200, {"network_ip_availability": lists.cut(shown, lists.fields_of(request))})
