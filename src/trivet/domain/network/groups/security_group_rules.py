"""Security group rules: what may pass, checked so that an engine can do exactly what was asked."""

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies
from trivet.domain.network.addresses import network_of
from trivet.domain.network.groups import address_groups, security_groups
from trivet.domain.network.groups.default_security_group_rules import DEFAULT_RULES, DefaultRule, Rule
from trivet.domain.network.groups.security_groups import SECURITY_GROUP_RULES, SecurityGroupRule
from trivet.domain.network.words import Number, Text
from trivet.domain.numbers import whole_number
from trivet.drivers.contracts.protocols import NUMBERS
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tx import Tx
from trivet.store.where import Where

_WITH_PORTS = {6, 17, 33, 132, 136}
_ICMP = {1, 58}
_ONLY_IPV6 = {41, 43, 44, 58, 59, 60}
"""Headers of IPv6, by whichever name or number."""


class RuleCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    security_group_id: Text
    direction: Literal["ingress", "egress"]
    ethertype: Text | None = "IPv4"
    protocol: Text | Number | None = None
    port_range_min: Number | None = None
    port_range_max: Number | None = None
    remote_ip_prefix: Text | None = None
    remote_group_id: Text | None = None
    remote_address_group_id: Text | None = None
    description: Text = ""


def number(protocol: str) -> int:
    return NUMBERS[protocol] if protocol in NUMBERS else int(protocol)


def seen_by(caller: Caller) -> Where:
    """One's own rules, those of one's own groups, and those of groups that are shared."""
    if caller.may_see(None):
        return Where()
    project_id = caller.project_id or ""
    return Where().add(
        "(project_id = ? OR security_group_id IN (SELECT id FROM security_groups WHERE project_id = ?"
        " UNION SELECT object_id FROM rbac_policies"
        " WHERE object_type = 'security_group' AND target_tenant IN ('*', ?)))",
        project_id,
        project_id,
        project_id,
    )


async def visible(tx: Tx, caller: Caller, id: str) -> SecurityGroupRule:
    rule = await tx.get(SECURITY_GROUP_RULES, id)
    if rule is None or not (
        caller.may_see(rule.project_id)
        or await rbac_policies.is_granted(tx, caller, "security_group", rule.security_group_id)
    ):
        raise NotFound("security_group_rule.absent", f"Security group rule {id} does not exist")
    return rule


async def create(tx: Tx, caller: Caller, wanted: RuleCreate) -> SecurityGroupRule:
    project_id = rbac_policies.owner(caller, wanted.project_id)
    group = await security_groups.visible(tx, caller, wanted.security_group_id)
    rbac_policies.must_own(caller, group.project_id, "create_security_group_rule")
    if not caller.is_operator and project_id != group.project_id:
        raise security_groups.absent(group.id)
    rule = _checked(tx, wanted, project_id if wanted.project_id is not UNSET else group.project_id)
    await security_groups.touch(tx, group.id)
    if rule.remote_group_id and rule.remote_group_id != group.id:
        await security_groups.visible(tx, caller, rule.remote_group_id)
    if rule.remote_address_group_id:
        await address_groups.visible(tx, caller, rule.remote_address_group_id)
    await _is_new(tx, rule)
    await tx.insert(SECURITY_GROUP_RULES, rule)
    quotas.at_end(tx, rule.project_id, {"security_group_rule": 1})
    return rule


async def before_several(tx: Tx, caller: Caller, wishes: Sequence[RuleCreate]) -> None:
    await security_groups.hold(tx, {wish.security_group_id for wish in wishes})


async def create_default(tx: Tx, wanted: RuleCreate, *, in_default: bool, in_others: bool) -> DefaultRule:
    """Twice in one of the two lists is once too often."""
    rule = _checked(tx, wanted, "")
    for other in await tx.select(DEFAULT_RULES):
        both = (in_default and other.used_in_default_sg) or (in_others and other.used_in_non_default_sg)
        if both and _meaning(other) == _meaning(rule):
            raise Conflict(
                "default_security_group_rule.exists",
                f"Default Security group rule already exists. Rule id is {other.id}.",
            )
    new = DefaultRule(
        id=rule.id,
        description=rule.description,
        used_in_default_sg=in_default,
        used_in_non_default_sg=in_others,
        **rule.traffic(),
    )
    return await tx.insert(DEFAULT_RULES, new)


def _checked(tx: Tx, wanted: RuleCreate, project_id: str) -> SecurityGroupRule:
    now = tx.clock.now()
    rule = SecurityGroupRule(
        id=tx.ids.uuid(),
        project_id=project_id,
        security_group_id=wanted.security_group_id,
        direction=wanted.direction,
        ethertype=_ethertype(wanted.ethertype),
        protocol=_protocol(wanted.protocol),
        port_range_min=wanted.port_range_min,
        port_range_max=wanted.port_range_max,
        remote_ip_prefix=_prefix(wanted.remote_ip_prefix),
        normalized_cidr=str(network_of(wanted.remote_ip_prefix)) if wanted.remote_ip_prefix else None,
        remote_group_id=wanted.remote_group_id or None,
        remote_address_group_id=wanted.remote_address_group_id or None,
        description=wanted.description,
        created_at=now,
        updated_at=now,
    )
    _check_ports(rule)
    _check_remote(rule)
    return rule


async def delete(tx: Tx, rule: SecurityGroupRule) -> None:
    await security_groups.touch(tx, rule.security_group_id)
    await tx.delete(SECURITY_GROUP_RULES, rule)
    quotas.at_end(tx, rule.project_id, {"security_group_rule": -1})


_PLAIN = (
    "direction", "ethertype", "port_range_min", "port_range_max", "remote_group_id", "remote_address_group_id",
)  # fmt: skip


async def _is_new(tx: Tx, rule: SecurityGroupRule) -> None:
    """Only what the database cannot tell apart is compared here: a group may have many rules, and many come at once."""
    where = Where().equal("security_group_id", rule.security_group_id)
    for column in _PLAIN:
        where.equal(column, getattr(rule, column))
    meaning = _meaning(rule)
    for other in await tx.select(SECURITY_GROUP_RULES, where):
        if _meaning(other) == meaning:
            raise Conflict("security_group_rule.exists", f"Security group rule already exists. Rule id is {other.id}.")


def _meaning(rule: Rule) -> dict[str, object]:
    """Rules that let the same pass are one, however they spell it."""
    prefix = str(network_of(rule.remote_ip_prefix)) if rule.remote_ip_prefix else None
    protocol = number(rule.protocol) if rule.protocol is not None else None
    return rule.traffic() | {"remote_ip_prefix": prefix, "protocol": protocol}


def _ethertype(given: str | None) -> str:
    known = {"ipv4": "IPv4", "ipv6": "IPv6"}
    found = known.get((given or "IPv4").lower())
    if found is None:
        raise Invalid("security_group_rule.ethertype", f"Invalid ethertype '{given}': IPv4 and IPv6 are supported.")
    return found


def _protocol(given: str | int | None) -> str | None:
    if given is None or given == "" or str(given).lower() == "any":
        return None
    text = str(given).lower()
    if text in NUMBERS:
        return text
    number = whole_number(text)
    if number is not None and number <= 255:
        return text
    raise Invalid(
        "security_group_rule.protocol",
        f"Security group rule protocol {text[:32]} not supported. Only protocol values"
        f" {sorted(NUMBERS)} and integer representations [0 to 255] are supported.",
    )


def _prefix(given: str | None) -> str | None:
    if not given:
        return None
    block = network_of(given)
    return given if "/" in given else str(block)


def _check_ports(rule: SecurityGroupRule) -> None:
    low, high = rule.port_range_min, rule.port_range_max
    if rule.protocol is not None and number(rule.protocol) in _ONLY_IPV6 and rule.ethertype == "IPv4":
        raise Invalid("security_group_rule.ethertype_conflict", f"Invalid ethertype IPv4 for protocol {rule.protocol}.")
    if low is None and high is None:
        return
    if rule.protocol is None:
        raise Invalid("security_group_rule.protocol_missing", "Must also specify protocol if port range is given.")
    protocol = number(rule.protocol)
    if protocol in _ICMP:
        for name, value in (("port_range_min", low), ("port_range_max", high)):
            if value is not None and not 0 <= value <= 255:
                raise Invalid(
                    "security_group_rule.icmp",
                    f"Invalid value for ICMP {'type' if name.endswith('min') else 'code'} ({name}): {value}."
                    " It must be 0 to 255.",
                )
        if low is None:
            raise Invalid(
                "security_group_rule.icmp_type",
                f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
            )
        return
    if protocol not in _WITH_PORTS:
        raise Invalid("security_group_rule.ports", f"Invalid port range: protocol {rule.protocol} has no ports.")
    for value in (low, high):
        if value is not None and not 1 <= value <= 65535:
            raise Invalid("security_group_rule.ports", f"Invalid value for port {value}: it must be 1 to 65535.")
    if low is None or high is None or low > high:
        raise Invalid("security_group_rule.ports", "For TCP/UDP protocols, port_range_min must be <= port_range_max")


def _check_remote(rule: SecurityGroupRule) -> None:
    given = [rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id]
    if sum(value is not None for value in given) > 1:
        raise Invalid(
            "security_group_rule.remotes",
            "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be provided.",
        )
    if rule.remote_ip_prefix is not None:
        version = network_of(rule.remote_ip_prefix).version
        if f"IPv{version}" != rule.ethertype:
            raise Invalid(
                "security_group_rule.conflict",
                f"Conflicting value ethertype {rule.ethertype} for CIDR {rule.remote_ip_prefix}",
            )
