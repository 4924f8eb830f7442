"""Default rules: what a new security group begins with, as the operator wants it.

One list for the groups called `default` and one for all others; a rule may be in both. The group that a
rule will be in is called PARENT here, since it is not there yet.
"""

from trivet.errors import NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

PARENT = "PARENT"


class DefaultRule(Record, frozen=True, kw_only=True):
    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None
    description: str = ""
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
