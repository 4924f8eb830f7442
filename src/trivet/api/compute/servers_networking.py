"""Actions that change what a server's ports are part of: security groups, and floating IPs until 2.43."""

from msgspec import UNSET, UnsetType, field

from trivet.api.compute.servers import call_of
from trivet.api.compute.servers_actions import ACCEPTED, PATH, server_id
from trivet.api.kit.bodies import Body, Name, Text
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain import server_plugs

resource = Resource()


class Group(Body, frozen=True, kw_only=True):
    name: Name


class AddGroup(Body, frozen=True, kw_only=True):
    group: Group = field(name="addSecurityGroup")


class RemoveGroup(Body, frozen=True, kw_only=True):
    group: Group = field(name="removeSecurityGroup")


class Floating(Body, frozen=True, kw_only=True):
    address: Text
    fixed_address: Text | UnsetType = UNSET


class AddFloating(Body, frozen=True, kw_only=True):
    floating: Floating = field(name="addFloatingIp")


class RemoveFloating(Body, frozen=True, kw_only=True):
    floating: Floating = field(name="removeFloatingIp")


@resource.action(PATH, "addSecurityGroup", may="member")
async def add_group(request: Request) -> Reply:
    name = request.read(AddGroup).group.name
    await server_plugs.add_group(request.tx, call_of(request), server_id(request), name)
    return Reply(ACCEPTED)


@resource.action(PATH, "removeSecurityGroup", may="member")
async def remove_group(request: Request) -> Reply:
    name = request.read(RemoveGroup).group.name
    await server_plugs.remove_group(request.tx, call_of(request), server_id(request), name)
    return Reply(ACCEPTED)


@resource.action(PATH, "addFloatingIp", may="member", until="2.43")
async def add_floating_ip(request: Request) -> Reply:
    said = request.read(AddFloating).floating
    fixed = None if said.fixed_address is UNSET else said.fixed_address
    await server_plugs.add_floating_ip(request.tx, call_of(request), server_id(request), said.address, fixed)
    return Reply(ACCEPTED)


@resource.action(PATH, "removeFloatingIp", may="member", until="2.43")
async def remove_floating_ip(request: Request) -> Reply:
    address = request.read(RemoveFloating).floating.address
    await server_plugs.remove_floating_ip(request.tx, call_of(request), server_id(request), address)
    return Reply(ACCEPTED)
