"""/os-security-groups and their rules, until 2.35: the network's own, in nova's words. Only what lets traffic in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body, Text, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.groups import security_group_rules, security_groups
from trivet.domain.network.groups.security_group_rules import RuleCreate
from trivet.domain.network.groups.security_groups import (
    SECURITY_GROUPS,
    SecurityGroup,
    SecurityGroupCreate,
    SecurityGroupRule,
    SecurityGroupUpdate,
)
from trivet.errors import Conflict, InTheWay, Invalid, Stale
from trivet.ids import is_uuid
from trivet.store import lists
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()

_LAST = "2.35"
Port = Annotated[int, msgspec.Meta(ge=-1, le=65535)]


class GroupWanted(Body, frozen=True, kw_only=True):
    name: Text
    description: Text


class GroupBody(Body, frozen=True, kw_only=True):
    security_group: GroupWanted


class RuleWanted(Body, frozen=True, kw_only=True):
    parent_group_id: str | int
    ip_protocol: str | None = None
    from_port: Port | None = None
    to_port: Port | None = None
    cidr: str | None = None
    group_id: str | UnsetType | None = UNSET


class RuleBody(Body, frozen=True, kw_only=True):
    security_group_rule: RuleWanted


@resource.on("GET", "/v2.1/os-security-groups", may="reader", tx="write", until=_LAST)
async def index(request: Request) -> Reply:
    """A project's first look makes its default group."""
    where = Where()
    everybody = request.caller.is_operator and request.asked_flag("all_tenants")
    if not everybody:
        project_id = request.caller.project_id or ""
        where.equal("project_id", project_id)
        if project_id:
            await security_groups.default_of(request.tx, project_id)
    asked = pages.by_offset(request, (("project_id", False), ("name", False), ("id", False)))
    found = await lists.page(request.tx, SECURITY_GROUPS, where, asked, seen=where)
    return Reply(200, {"security_groups": await shown(request.tx, found)})


@resource.on("GET", "/v2.1/os-security-groups/{security_group_id}", may="reader", until=_LAST)
async def show(request: Request) -> Reply:
    group = await security_groups.visible(request.tx, request.caller, _uuid(request.values["security_group_id"]))
    return await _reply(request, group)


@resource.on("POST", "/v2.1/os-security-groups", may="member", until=_LAST)
async def create(request: Request) -> Reply:
    said = request.read(GroupBody).security_group
    wanted = SecurityGroupCreate(name=_named_well(said.name), description=said.description)
    with _conflicts_as_mistakes():
        group = await security_groups.create(request.tx, request.caller, wanted)
    return await _reply(request, group)


@resource.on("PUT", "/v2.1/os-security-groups/{security_group_id}", may="member", until=_LAST)
async def change(request: Request) -> Reply:
    said = request.read(GroupBody).security_group
    id = _uuid(request.values["security_group_id"])
    group = await security_groups.own(request.tx, request.caller, id, "update_security_group")
    wanted = SecurityGroupUpdate(name=_named_well(said.name), description=said.description)
    with _conflicts_as_mistakes():
        group = await security_groups.update(request.tx, group, wanted)
    return await _reply(request, group)


@resource.on("DELETE", "/v2.1/os-security-groups/{security_group_id}", may="member", until=_LAST)
async def delete(request: Request) -> Reply:
    id = _uuid(request.values["security_group_id"])
    group = await security_groups.own(request.tx, request.caller, id, "delete_security_group")
    with _conflicts_as_mistakes():
        await security_groups.delete(request.tx, request.caller, group)
    return Reply(202)


@resource.on("POST", "/v2.1/os-security-group-rules", may="member", until=_LAST)
async def create_rule(request: Request) -> Reply:
    said = request.read(RuleBody, strict=False).security_group_rule
    group = await security_groups.visible(request.tx, request.caller, _uuid(str(said.parent_group_id)))
    source = or_none(said.group_id)
    if source is not None:
        await security_groups.visible(request.tx, request.caller, source)
    with _conflicts_as_mistakes():
        rule = await security_group_rules.create(request.tx, request.caller, _rule_of(said, group, source))
    return Reply(200, {"security_group_rule": _rule(rule, await _named(request.tx, [rule]))})


@resource.on("DELETE", "/v2.1/os-security-group-rules/{rule_id}", may="member", until=_LAST)
async def delete_rule(request: Request) -> Reply:
    rule = await security_group_rules.visible(request.tx, request.caller, _uuid(request.values["rule_id"]))
    await security_groups.own(request.tx, request.caller, rule.security_group_id, "delete_security_group_rule")
    await security_group_rules.delete(request.tx, rule)
    return Reply(202)


def _rule_of(said: RuleWanted, group: SecurityGroup, source: str | None) -> RuleCreate:
    protocol = said.ip_protocol.lower() if said.ip_protocol else None
    whole = protocol in ("icmp", None) and said.from_port in (-1, None) and said.to_port in (-1, None)
    if source is None:
        if protocol is None or said.from_port is None or said.to_port is None:
            raise Invalid("security_group_rule.incomplete", "Not enough parameters to build a valid rule.")
        if protocol not in ("tcp", "udp", "icmp"):
            raise Invalid("security_group_rule.protocol", f"Invalid IP protocol {protocol[:64]}.")
        if not whole and (said.from_port > said.to_port or said.from_port < 0) and protocol != "icmp":
            raise Invalid("security_group_rule.ports", f"Invalid port range {said.from_port}:{said.to_port}.")
    cidr = said.cidr or ("0.0.0.0/0" if source is None else None)
    return RuleCreate(
        security_group_id=group.id,
        direction="ingress",
        ethertype="IPv6" if cidr is not None and ":" in cidr else "IPv4",
        protocol=protocol,
        port_range_min=None if whole or said.from_port == -1 else said.from_port,
        port_range_max=None if whole or said.to_port == -1 else said.to_port,
        remote_ip_prefix=cidr if source is None else None,
        remote_group_id=source,
    )


@contextmanager
def _conflicts_as_mistakes() -> Iterator[None]:
    """Nova said 400 where the network says 409. Who lost a race made no mistake: that runs again."""
    try:
        yield
    except (Stale, InTheWay):
        raise
    except Conflict as error:
        raise Invalid(error.code, error.message) from error


def _uuid(id: str) -> str:
    if not is_uuid(id):
        raise Invalid("security_group.id", f"Security group id {id[:64]!r} should be a uuid.")
    return id


def _named_well(name: str) -> str:
    if not name.strip():
        raise Invalid("body.invalid", "Security group name cannot be empty.")
    return name


async def _reply(request: Request, group: SecurityGroup) -> Reply:
    return Reply(200, {"security_group": (await shown(request.tx, [group]))[0]})


async def shown(tx: Tx, groups: list[SecurityGroup]) -> list[dict[str, Any]]:
    """Security groups with their rules. Rules about what goes out are left out: nova never had any."""
    rules = await security_groups.rules_of(tx, [group.id for group in groups]) if groups else {}
    names = await _named(tx, [rule for found in rules.values() for rule in found])
    return [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [_rule(rule, names) for rule in rules[group.id] if rule.direction == "ingress"],
        }
        for group in groups
    ]


async def _named(tx: Tx, rules: list[SecurityGroupRule]) -> dict[str, SecurityGroup]:
    ids = sorted({rule.remote_group_id for rule in rules if rule.remote_group_id is not None})
    if not ids:
        return {}
    return {group.id: group for group in await tx.select(SECURITY_GROUPS, Where().any_of("id", ids))}


def _rule(rule: SecurityGroupRule, names: dict[str, SecurityGroup]) -> dict[str, Any]:
    low, high = rule.port_range_min, rule.port_range_max
    if rule.protocol == "icmp":
        low, high = -1 if low is None else low, -1 if high is None else high
    view: dict[str, Any] = {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": low,
        "to_port": high,
        "group": {},
        "ip_range": {},
    }
    source = names.get(rule.remote_group_id or "")
    if source is not None:
        view["group"] = {"name": source.name, "tenant_id": source.project_id}
    else:
        everything = "::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0"
        view["ip_range"] = {"cidr": rule.remote_ip_prefix or everything}
    return view
