"""Gateways that wait for an address: a router may be given an external network before that has a subnet."""

from collections.abc import Iterable

from trivet.domain.callers import Caller
from trivet.domain.network.nets import subnets
from trivet.domain.network.nets.networks import NETWORKS
from trivet.domain.network.nets.subnets import Subnet, SubnetCreate
from trivet.domain.network.ports.addresses import Seeker
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.network.routers.routers import GATEWAY, ROUTERS, Gateway
from trivet.store.tx import Tx
from trivet.store.where import Where


async def create_subnet(tx: Tx, caller: Caller, wanted: SubnetCreate) -> Subnet:
    """A subnet, of which those that waited on its network have an address at once."""
    where = Where().equal("network_id", wanted.network_id).equal("device_owner", GATEWAY).equal("fixed_ips", "[]")
    waiting = {port.id: port.device_id for port in await tx.select(PORTS, where, order="id")}
    if waiting:
        # In the order of all: what a subnet is cut from, who waits, and the network at last.
        await subnets.hold_pools(tx, [wanted])
        await _hold(tx, "ports", waiting)
        await _hold(tx, "routers", waiting.values())
    subnet = await subnets.create(tx, caller, wanted)
    for port_id, router_id in waiting.items():
        await _address(tx, subnet, port_id, router_id)
    return subnet


async def _hold(tx: Tx, table: str, ids: Iterable[str]) -> None:
    for id in sorted(ids):
        await tx.run(f"UPDATE {table} SET revision = revision WHERE id = ?", id)


async def _address(tx: Tx, subnet: Subnet, port_id: str, router_id: str) -> None:
    port, router = await tx.get(PORTS, port_id), await tx.get(ROUTERS, router_id)
    if port is None or port.fixed_ips or router is None or router.gateway is None or router.gateway_port_id != port_id:
        return
    network = await tx.need(NETWORKS, subnet.network_id, "network")
    found = await Seeker(tx, network, [subnet], port_id=port_id, mac=port.mac_address, owner=GATEWAY).any()
    now = tx.clock.now()
    await tx.update(PORTS, port, fixed_ips=found, updated_at=now)
    gateway = Gateway(network.id, port_id, router.gateway.enable_snat, found)
    await tx.update(ROUTERS, router, gateway=gateway, updated_at=now)
