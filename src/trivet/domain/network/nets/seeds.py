"""Network seeds: what a new cloud has before anybody asks: one network that leads out of it."""

from ipaddress import IPv4Network

from trivet.domain.network import addresses, rbac_policies
from trivet.domain.network.addresses import Pool
from trivet.domain.network.nets.networks import NETWORKS, PROVIDER_MTU, Network
from trivet.domain.network.nets.subnet_pools import SUBNET_POOLS, SubnetPool
from trivet.domain.network.nets.subnets import SUBNETS, Subnet
from trivet.settings import PUBLIC, Settings
from trivet.store.tx import Tx

_POOL = "10.64.0.0/10"


async def seed_external(tx: Tx, settings: Settings, project_id: str) -> Network:
    """Owned by the operator's project, seen by all. The first address is the host's own; twice is once."""
    found = await tx.find(NETWORKS, "network_type = 'flat' AND physical_network = ?", PUBLIC)
    if found is not None:
        return found
    now = tx.clock.now()
    block = IPv4Network(settings.external_cidr)
    network_id, subnet_id = tx.ids.uuid(), tx.ids.uuid()
    network = Network(
        id=network_id,
        project_id=project_id,
        name=PUBLIC,
        description="Leads out of the cloud.",
        mtu=PROVIDER_MTU,
        network_type="flat",
        physical_network=PUBLIC,
        external=True,
        is_default=True,
        subnets=(subnet_id,),
        created_at=now,
        updated_at=now,
    )
    subnet = Subnet(
        id=subnet_id,
        project_id=project_id,
        network_id=network_id,
        name=f"{PUBLIC}-subnet",
        cidr=str(block),
        gateway_ip=str(block[1]),
        enable_dhcp=False,
        allocation_pools=(Pool(str(block[2]), str(block[-2])),),
        created_at=now,
        updated_at=now,
    )
    await tx.insert(NETWORKS, network)
    await tx.insert(SUBNETS, subnet)
    await addresses.open_pools(tx, subnet_id, subnet.allocation_pools)
    await tx.run(
        "INSERT INTO network_segments (network_type, physical_network, segmentation_id, network_id)"
        " VALUES ('flat', ?, 0, ?)",
        PUBLIC,
        network_id,
    )
    await rbac_policies.grant(tx, project_id, "network", network_id, "access_as_external")
    await _seed_pool(tx, project_id)
    return network


async def _seed_pool(tx: Tx, project_id: str) -> None:
    """Makes the subnet pool from which projects that name no addresses get them."""
    now = tx.clock.now()
    pool = SubnetPool(
        id=tx.ids.uuid(),
        project_id=project_id,
        name="default",
        description="Addresses for who names none.",
        ip_version=4,
        prefixes=(_POOL,),
        default_prefixlen=24,
        min_prefixlen=8,
        max_prefixlen=32,
        is_default=True,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(SUBNET_POOLS, pool)
    await rbac_policies.grant(tx, project_id, "subnetpool", pool.id, "access_as_shared")
