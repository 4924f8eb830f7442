"""Exposing: a security group that a server has to itself, through which everybody reaches the ports it was made for."""

from trivet.domain.callers import Caller
from trivet.domain.network.groups import security_group_rules, security_groups
from trivet.domain.network.groups.security_group_rules import RuleCreate
from trivet.domain.network.groups.security_groups import SecurityGroupCreate
from trivet.store.tx import Tx


async def group_for(tx: Tx, caller: Caller, name: str, ports: tuple[tuple[str, int], ...]) -> str:
    """The id of a new group with a way in for each (protocol, port), in both versions of IP."""
    group = await security_groups.create(
        tx,
        caller,
        SecurityGroupCreate(name=name[:255], description="Made with what exposes these ports; goes with it."),
    )
    for protocol, port in ports:
        for ethertype in ("IPv4", "IPv6"):
            rule = RuleCreate(
                security_group_id=group.id, direction="ingress", ethertype=ethertype, protocol=protocol,
                port_range_min=port, port_range_max=port,
            )  # fmt: skip
            await security_group_rules.create(tx, caller, rule)
    return group.id
