"""/os-server-groups: rules about which servers share a host."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import server_groups
from trivet.domain.servers.server_groups import SERVER_GROUPS, GroupPolicy, ServerGroup
from trivet.errors import Forbidden, Invalid
from trivet.store import lists
from trivet.store.where import Where

resource = Resource()

GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^\S(.*\S)?\Z")]
_RULED = 2064
"""From this version on a group has one policy with rules, in place of a list of policies."""


class OldGroupWanted(Body, frozen=True, kw_only=True):
    name: GroupName
    policies: Annotated[list[GroupPolicy], msgspec.Meta(min_length=1, max_length=1)]


class OldGroupCreate(Body, frozen=True, kw_only=True):
    server_group: OldGroupWanted


class Rules(Body, frozen=True, kw_only=True):
    max_server_per_host: Annotated[int, msgspec.Meta(ge=1, le=0x7FFF_FFFF)] | UnsetType = UNSET


class GroupWanted(Body, frozen=True, kw_only=True):
    name: GroupName
    policy: Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]
    rules: Rules | UnsetType = UNSET


class GroupCreate(Body, frozen=True, kw_only=True):
    server_group: GroupWanted


@resource.on("GET", "/v2.1/os-server-groups", may="reader")
async def index(request: Request) -> Reply:
    pages.known(request, {"all_projects", "limit", "offset"}, since=2075)
    where = Where()
    if request.asked("all_projects") is None or not request.caller.is_operator:
        where.equal("project_id", request.caller.project_id or "")
    asked = pages.by_offset(request, (("created_at", False), ("id", False)))
    found = await lists.page(request.tx, SERVER_GROUPS, where, asked, seen=where)
    members = await server_groups.members(request.tx, [group.id for group in found])
    return Reply(200, {"server_groups": [_shown(request, group, members[group.id]) for group in found]})


@resource.on("GET", "/v2.1/os-server-groups/{server_group_id}", may="reader")
async def show(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    group = await server_groups.visible(request.tx, request.caller, request.values["server_group_id"])
    members = await server_groups.members(request.tx, [group.id])
    return Reply(200, {"server_group": _shown(request, group, members[group.id])})


@resource.on("POST", "/v2.1/os-server-groups", may="member")
async def create(request: Request) -> Reply:
    name, policy, most = _wanted(request)
    project_id = request.caller.project_id
    if project_id is None:
        raise Forbidden("policy.forbidden", "A server group belongs to a project; use a token of one.")
    group = ServerGroup(
        id=request.parts.ids.uuid(),
        project_id=project_id,
        user_id=request.caller.user_id,
        name=name,
        policy=policy,
        created_at=request.parts.clock.now(),
        max_per_host=most,
    )
    return Reply(200, {"server_group": _shown(request, await server_groups.create(request.tx, group), [])})


@resource.on("DELETE", "/v2.1/os-server-groups/{server_group_id}", may="member")
async def delete(request: Request) -> Reply:
    await server_groups.delete(request.tx, request.caller, request.values["server_group_id"])
    return Reply(204)


def _wanted(request: Request) -> tuple[str, GroupPolicy, int | None]:
    if request.version >= _RULED:
        said = request.read(GroupCreate).server_group
        most = None if said.rules is UNSET else or_none(said.rules.max_server_per_host)
        if most is not None and said.policy != "anti-affinity":
            raise Invalid("server_group.rules", "Only anti-affinity policy supports rules.")
        return said.name, said.policy, most
    old = request.read(OldGroupCreate).server_group
    policy = old.policies[0]
    if policy.startswith("soft-") and request.version < 2015:
        raise Invalid("body.invalid", f"Invalid input: {policy!r} is not one of ['anti-affinity', 'affinity'].")
    return old.name, policy, None


def _shown(request: Request, group: ServerGroup, members: list[str]) -> dict[str, Any]:
    view: dict[str, Any] = {"id": group.id, "name": group.name, "members": members}
    if request.version >= _RULED:
        view["policy"] = group.policy
        view["rules"] = {} if group.max_per_host is None else {"max_server_per_host": group.max_per_host}
    else:
        view["policies"] = [group.policy]
        view["metadata"] = {}
    if request.version >= 2013:
        view["project_id"] = group.project_id
        view["user_id"] = group.user_id
    return view
