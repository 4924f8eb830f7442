"""Gateways that wait for an address: a router may be given an external network before that has a subnet."""

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
    subnet = await subnets.create(tx, caller, wanted)
    network = await tx.need(NETWORKS, subnet.network_id, "network")
    if not network.external:
        return subnet
    waiting = Where().equal("network_id", network.id).equal("device_owner", GATEWAY).equal("fixed_ips", "[]")
    for port in await tx.select(PORTS, waiting, order="id"):
        router = await tx.get(ROUTERS, port.device_id)
        if router is None or router.gateway is None or router.gateway_port_id != port.id:
            continue
        seeker = Seeker(tx, network, [subnet], port_id=port.id, mac=port.mac_address, owner=GATEWAY)
        found = await seeker.any()
        now = tx.clock.now()
        await tx.update(PORTS, port, fixed_ips=found, updated_at=now)
        gateway = Gateway(network.id, port.id, router.gateway.enable_snat, found)
        await tx.update(ROUTERS, router, gateway=gateway, updated_at=now)
    return subnet
