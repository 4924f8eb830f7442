"""What clients do about networks in the simulation: networks, ports and security groups come, change and go."""

import random
from typing import Any

from trivet.domain.callers import Caller
from trivet.domain.network.groups import security_group_rules, security_groups
from trivet.domain.network.groups.security_group_rules import RuleCreate
from trivet.domain.network.groups.security_groups import SECURITY_GROUP_RULES, SECURITY_GROUPS, SecurityGroupCreate
from trivet.domain.network.nets import networks, subnets
from trivet.domain.network.nets.networks import NETWORKS, NetworkCreate, NetworkUpdate
from trivet.domain.network.nets.subnets import SubnetCreate
from trivet.domain.network.ports import changes as port_changes
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.network.ports.wishes import PortCreate, PortUpdate
from trivet.domain.servers.nics import NicsWanted, NicWanted
from trivet.store.store import Store, transact
from trivet.store.tx import Tx
from trivet.store.where import Where

_ACTS = ("network", "port", "port", "group", "rule", "switch", "move", "unnetwork", "unport", "unrule")


async def act(store: Store, caller: Caller, chance: random.Random) -> None:
    """One of them, on whatever is there."""
    async with store.read() as tx:
        there = {table: await tx.select(table, order="id") for table in (NETWORKS, PORTS, SECURITY_GROUPS)}
        rules = await tx.select(SECURITY_GROUP_RULES, order="id")
    seed = chance.getrandbits(64)

    async def once(tx: Tx) -> None:
        # A transaction that lost a race runs again: the same choice, on what was there before.
        await _one(tx, caller, random.Random(seed), there, rules)

    await transact(store, once)


async def _one(tx: Tx, caller: Caller, chance: random.Random, there: Any, rules: list[Any]) -> None:
    all_networks, all_ports, groups = there[NETWORKS], there[PORTS], there[SECURITY_GROUPS]
    what = chance.choice(
        ["network", "port", "port", "group", "rule", "switch", "move", "unnetwork", "unport", "unrule"]
    )
    if what == "network" or not all_networks:
        network = await networks.create(tx, caller, NetworkCreate(name="n"))
        await subnets.create(tx, caller, SubnetCreate(network_id=network.id, cidr="10.0.0.0/24", ip_version=4))
    elif what == "port":
        await ports.create(tx, caller, PortCreate(network_id=chance.choice(all_networks).id))
    elif what == "group":
        await security_groups.create(tx, caller, SecurityGroupCreate(name="g"))
    elif what == "rule" and groups:
        wanted = RuleCreate(
            security_group_id=chance.choice(groups).id, direction="ingress", protocol="tcp",
            port_range_min=(number := chance.randrange(1, 2000)), port_range_max=number,
        )  # fmt: skip
        await security_group_rules.create(tx, caller, wanted)
    elif what == "unrule" and rules:
        await security_group_rules.delete(tx, chance.choice(rules))
    elif what == "switch":
        network = await tx.need(NETWORKS, chance.choice(all_networks).id, "network")
        await networks.update(tx, caller, network, NetworkUpdate(admin_state_up=not network.admin_state_up))
    elif what == "unnetwork":
        await networks.delete(tx, await tx.need(NETWORKS, chance.choice(all_networks).id, "network"))
    elif all_ports:
        port = await tx.need(PORTS, chance.choice(all_ports).id, "port")
        if what == "move":
            await port_changes.update(tx, caller, port, PortUpdate(admin_state_up=not port.admin_state_up))
        elif not port.device_owner:
            await ports.delete(tx, port)


async def for_a_server(store: Store, chance: random.Random) -> NicsWanted:
    """None at all, or one on a network that is there."""
    async with store.read() as tx:
        found = await tx.select(NETWORKS, Where(), order="id")
    if not found or chance.random() < 0.5:
        return "none"
    return (NicWanted(network_id=chance.choice(found).id),)
