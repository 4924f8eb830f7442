"""Auto topology: a network with a subnet and a router that leads out, for a project that wants no more than that.

Asked for twice it is the same one. It needs a default external network and a default subnet pool.
"""

from msgspec import Struct

from trivet.domain.callers import Caller
from trivet.domain.network.nets import networks, subnet_pools, subnets
from trivet.domain.network.nets.networks import NETWORKS, Network, NetworkCreate
from trivet.domain.network.nets.subnet_pools import SUBNET_POOLS, SubnetPool
from trivet.domain.network.nets.subnets import SubnetCreate
from trivet.domain.network.routers import legs, routers
from trivet.domain.network.routers.routers import ROUTERS, GatewayAsked, RouterCreate
from trivet.errors import Conflict, NotFound, Stale
from trivet.store.tx import Tx
from trivet.store.where import Where


class Topology(Struct, frozen=True):
    project_id: str
    network_id: str
    router_id: str


async def of(tx: Tx, project_id: str) -> Topology | None:
    row = await tx.row("SELECT project_id, network_id, router_id FROM auto_topologies WHERE project_id = ?", project_id)
    return Topology(*row) if row is not None else None


async def check(tx: Tx) -> tuple[Network, list[SubnetPool]]:
    """What it is made from, or a Conflict that says what is missing."""
    outside = await tx.find(NETWORKS, "is_default = 1 AND external = 1")
    pools = await tx.select(SUBNET_POOLS, Where().equal("is_default", 1), order="ip_version")
    if outside is None:
        raise Conflict(
            "auto_topology.impossible",
            "Deployment error: No default router:external network.",
        )
    if not pools:
        raise Conflict("auto_topology.impossible", "Deployment error: No default subnetpools defined.")
    return outside, pools


async def ensure(tx: Tx, caller: Caller, project_id: str) -> Topology:
    found = await of(tx, project_id)
    if found is not None:
        return found
    outside, pools = await check(tx)
    network = await networks.create(tx, caller, NetworkCreate(project_id=project_id, name="auto_allocated_network"))
    # Before the router's address: who asks for subnets holds the pools that they are cut from first.
    await subnet_pools.hold(tx, (pool.id for pool in pools))
    router = await routers.create(
        tx,
        caller,
        RouterCreate(
            project_id=project_id,
            name="auto_allocated_router",
            external_gateway_info=GatewayAsked(network_id=outside.id),
        ),
    )
    for pool in pools:
        wanted = SubnetCreate(
            project_id=project_id,
            network_id=network.id,
            name=f"auto_allocated_subnet_v{pool.ip_version}",
            ip_version=pool.ip_version,
            subnetpool_id=pool.id,
        )
        subnet = await subnets.create(tx, caller, wanted)
        router = (await legs.add_interface(tx, caller, router, subnet.id, None)).router
    taken = await tx.run(
        "INSERT INTO auto_topologies (project_id, network_id, router_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        project_id,
        network.id,
        router.id,
    )
    if not taken:
        raise Stale("auto_topologies", project_id)
    return Topology(project_id, network.id, router.id)


async def delete(tx: Tx, project_id: str) -> None:
    found = await of(tx, project_id)
    if found is None:
        raise NotFound("auto_topology.absent", f"There is no auto-allocated topology for project {project_id}.")
    router = await tx.get(ROUTERS, found.router_id)
    if router is not None:
        for port in (await routers.interfaces(tx, [router]))[router.id]:
            router = (await legs.remove_interface(tx, router, None, port.id)).router
        await routers.delete(tx, router)
    network = await tx.get(NETWORKS, found.network_id)
    if network is not None:
        await networks.delete(tx, network)
    await tx.run("DELETE FROM auto_topologies WHERE project_id = ?", project_id)
