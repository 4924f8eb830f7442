"""Default rules: what a new security group begins with, as the operator wants it.

One list for the groups called `default` and one for all others; a rule may be in both. The group that a
rule will be in is called PARENT here, since it is not there yet.
"""

from typing import Any

from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

PARENT = "PARENT"


TRAFFIC = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)


class Rule(Record, frozen=True, kw_only=True):
    """What may pass, said alike by the rules of a group and by the default ones."""

    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    """For ICMP the type."""
    port_range_max: int | None = None
    """For ICMP the code."""
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str = ""

    def traffic(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in TRAFFIC}


class DefaultRule(Rule, frozen=True, kw_only=True):
    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True


DEFAULT_RULES = Table("default_security_group_rules", DefaultRule)


async def visible(tx: Tx, id: str) -> DefaultRule:
    rule = await tx.get(DEFAULT_RULES, id)
    if rule is None:
        raise NotFound("default_security_group_rule.absent", f"Default Security Group rule {id} does not exist.")
    return rule


async def templates(tx: Tx, *, default: bool) -> list[DefaultRule]:
    column = "used_in_default_sg" if default else "used_in_non_default_sg"
    return await tx.select(DEFAULT_RULES, Where().equal(column, 1), order="id")


async def delete(tx: Tx, rule: DefaultRule) -> None:
    await tx.delete(DEFAULT_RULES, rule)
