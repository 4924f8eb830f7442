"""/v2.0/default-security-group-rules"""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network.collections import Collection, Json
from trivet.domain.network.groups import default_security_group_rules, security_group_rules
from trivet.domain.network.groups.default_security_group_rules import DEFAULT_RULES, DefaultRule
from trivet.domain.network.groups.security_group_rules import RuleCreate
from trivet.domain.network.words import Text
from trivet.store.where import Where

resource = Resource()


class DefaultRuleIn(RuleCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    security_group_id: Text = default_security_group_rules.PARENT
    tenant_id: Text | UnsetType = UNSET
    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True


async def show_all(request: Request, found: Sequence[DefaultRule]) -> list[Json]:
    return [_view(rule) for rule in found]


def _view(rule: DefaultRule) -> Json:
    return {
        "id": rule.id,
        **rule.traffic(),
        "description": rule.description,
        "used_in_default_sg": rule.used_in_default_sg,
        "used_in_non_default_sg": rule.used_in_non_default_sg,
    }


COLLECTION = Collection(
    DEFAULT_RULES,
    "default_security_group_rule",
    "default_security_group_rules",
    show_all,
    text=("direction", "ethertype", "protocol", "remote_ip_prefix", "remote_group_id", "remote_address_group_id"),
    flags=("used_in_default_sg", "used_in_non_default_sg"),
    numbers=("port_range_min", "port_range_max"),
    tagged=False,
)


@resource.on("GET", "/v2.0/default-security-group-rules", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, Where())


@resource.on("POST", "/v2.0/default-security-group-rules", may="admin")
async def create(request: Request) -> Reply:
    async def make(wanted: DefaultRuleIn) -> DefaultRule:
        return await security_group_rules.create_default(
            request.tx, wanted, in_default=wanted.used_in_default_sg, in_others=wanted.used_in_non_default_sg
        )

    return await COLLECTION.made(request, DefaultRuleIn, make)


@resource.on("GET", "/v2.0/default-security-group-rules/{default_security_group_rule_id}", may="reader")
async def show(request: Request) -> Reply:
    rule = await default_security_group_rules.visible(request.tx, request.values["default_security_group_rule_id"])
    return await COLLECTION.one(request, rule)


@resource.on("DELETE", "/v2.0/default-security-group-rules/{default_security_group_rule_id}", may="admin")
async def delete(request: Request) -> Reply:
    rule = await default_security_group_rules.visible(request.tx, request.values["default_security_group_rule_id"])
    await default_security_group_rules.delete(request.tx, rule)
    return Reply(204)
