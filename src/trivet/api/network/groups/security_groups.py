"""/v2.0/security-groups"""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.api.network.granted import SHARED_FIRST, by_sharing, shared_of
from trivet.api.network.groups.security_group_rules import view as view_rule
from trivet.domain.network import rbac_policies
from trivet.domain.network.groups import security_groups
from trivet.domain.network.groups.security_groups import SECURITY_GROUPS, SecurityGroup, SecurityGroupRule
from trivet.domain.network.words import Text
from trivet.errors import NotFound
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()


class SecurityGroupIn(security_groups.SecurityGroupCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET


class SecurityGroupChange(security_groups.SecurityGroupUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


async def show_all(request: Request, found: Sequence[SecurityGroup]) -> list[Json]:
    rules = await security_groups.rules_of(request.tx, [group.id for group in found]) if found else {}
    shared = await shared_of(request, "security_group", found)
    return [_view(group, rules[group.id], shared=group.id in shared) for group in found]


def _view(group: SecurityGroup, rules: list[SecurityGroupRule], *, shared: bool) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "stateful": group.stateful,
        "shared": shared,
        "security_group_rules": [view_rule(rule) for rule in rules],
        **bodies.standard(group),
    }


COLLECTION = Collection(
    SECURITY_GROUPS,
    "security_group",
    "security_groups",
    show_all,
    flags=("stateful",),
    special={"shared": by_sharing("security_group")},
    sorts={"shared": SHARED_FIRST.format(kind="security_group", id="security_groups.id")},
)


@resource.on("GET", "/v2.0/security-groups", may="reader", tx="none")
async def index(request: Request) -> Reply:
    """Lists security groups. A project's default group is always among them, so it is made if need be."""
    await _ensure_default(request)
    async with request.parts.store.read() as tx:
        request.within(tx)
        return await COLLECTION.reply(request, rbac_policies.seen_by(request.caller, "security_group"))


async def _ensure_default(request: Request) -> None:
    """Makes the default group of the caller's project, or of the one project that an operator asks for."""
    asked = request.asked("project_id") or request.asked("tenant_id")
    project_id = asked if asked and request.caller.is_operator else request.caller.project_id
    if project_id is None:
        return
    async with request.parts.store.read() as tx:
        if await tx.find(SECURITY_GROUPS, "project_id = ? AND is_default = 1", project_id) is not None:
            return

    async def act(tx: Tx) -> None:
        await security_groups.default_of(tx, project_id)

    # Of a project that was removed a moment ago there is nothing to see.
    with suppress(NotFound):
        await transact(request.parts.store, act)


@resource.on("POST", "/v2.0/security-groups", may="member")
async def create(request: Request) -> Reply:
    return await COLLECTION.create(request, SecurityGroupIn, security_groups.create, security_groups.before_several)


@resource.on("GET", "/v2.0/security-groups/{security_group_id}", may="reader")
async def show(request: Request) -> Reply:
    id = request.values["security_group_id"]
    return await COLLECTION.one(request, await security_groups.visible(request.tx, request.caller, id))


@resource.on("PUT", "/v2.0/security-groups/{security_group_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, SecurityGroupChange, "security_group")
    group = await _own(request, "update_security_group")
    bodies.matching(request, group)
    return await COLLECTION.one(request, await security_groups.update(request.tx, group, wanted))


@resource.on("DELETE", "/v2.0/security-groups/{security_group_id}", may="member")
async def delete(request: Request) -> Reply:
    group = await _own(request, "delete_security_group")
    bodies.matching(request, group)
    await security_groups.delete(request.tx, request.caller, group)
    return Reply(204)


async def _own(request: Request, what: str) -> SecurityGroup:
    return await security_groups.own(request.tx, request.caller, request.values["security_group_id"], what)
