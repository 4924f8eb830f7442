"""/v2.0/security-group-rules"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.domain.network import rbac_policies
from trivet.domain.network.addresses import network_of
from trivet.domain.network.groups import security_group_rules
from trivet.domain.network.groups.security_groups import SECURITY_GROUP_RULES, SecurityGroupRule
from trivet.domain.network.words import Text
from trivet.store.where import Where

resource = Resource()


class RuleIn(security_group_rules.RuleCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


def view(rule: SecurityGroupRule) -> Json:
    return {
        "id": rule.id,
        "security_group_id": rule.security_group_id,
        **rule.traffic(),
        "normalized_cidr": str(network_of(rule.remote_ip_prefix)) if rule.remote_ip_prefix else None,
        "description": rule.description,
        **bodies.stamped(rule),
    }


_CIDR = "COALESCE(normalized_cidr, remote_ip_prefix)"


def _by_cidr(request: Request, where: Where, values: list[str]) -> None:
    where.any_of(_CIDR, values)


async def show_all(request: Request, found: Sequence[SecurityGroupRule]) -> list[Json]:
    return [view(rule) for rule in found]


COLLECTION = Collection(
    SECURITY_GROUP_RULES,
    "security_group_rule",
    "security_group_rules",
    show_all,
    text=(
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "remote_ip_prefix",
        "remote_group_id",
        "remote_address_group_id",
    ),
    numbers=("port_range_min", "port_range_max"),
    special={"normalized_cidr": _by_cidr},
    sorts={"normalized_cidr": f"COALESCE({_CIDR}, '')"},
    tagged=False,
)


@resource.on("GET", "/v2.0/security-group-rules", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, security_group_rules.seen_by(request.caller))


@resource.on("POST", "/v2.0/security-group-rules", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, RuleIn, security_group_rules.create, security_group_rules.before_several)


@resource.on("GET", "/v2.0/security-group-rules/{security_group_rule_id}", may="reader")
async def show(request: Request) -> Reply:
    rule = await _visible(request)
    return await COLLECTION.one(request, rule)


@resource.on("DELETE", "/v2.0/security-group-rules/{security_group_rule_id}", may="member")
async def delete(request: Request) -> Reply:
    rule = await _visible(request)
    rbac_policies.must_own(request.caller, rule.project_id, "delete_security_group_rule")
    await security_group_rules.delete(request.tx, rule)
    return Reply(204)


async def _visible(request: Request) -> SecurityGroupRule:
    return await security_group_rules.visible(request.tx, request.caller, request.values["security_group_rule_id"])
