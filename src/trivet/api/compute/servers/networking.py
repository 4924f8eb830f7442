"""Actions that change what a server's ports are part of: security groups, and until 2.43 their addresses."""

from msgspec import UNSET, UnsetType, field

from trivet.api.compute.servers.actions import PATH, accepted
from trivet.api.kit.bodies import Body, Name, Text, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import plugs as server_plugs

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


class FixedNetwork(Body, frozen=True, kw_only=True):
    networkId: Text  # noqa: N815 - as it is spelled on the wire


class AddFixed(Body, frozen=True, kw_only=True):
    fixed: FixedNetwork = field(name="addFixedIp")


class FixedAddress(Body, frozen=True, kw_only=True):
    address: Text


class RemoveFixed(Body, frozen=True, kw_only=True):
    fixed: FixedAddress = field(name="removeFixedIp")


@resource.action(PATH, "addSecurityGroup", may="member")
async def add_group(request: Request) -> Reply:
    return await accepted(request, server_plugs.add_group, request.read(AddGroup).group.name)


@resource.action(PATH, "removeSecurityGroup", may="member")
async def remove_group(request: Request) -> Reply:
    return await accepted(request, server_plugs.remove_group, request.read(RemoveGroup).group.name)


@resource.action(PATH, "addFloatingIp", may="member", until="2.43")
async def add_floating_ip(request: Request) -> Reply:
    said = request.read(AddFloating).floating
    return await accepted(request, server_plugs.add_floating_ip, said.address, or_none(said.fixed_address))


@resource.action(PATH, "removeFloatingIp", may="member", until="2.43")
async def remove_floating_ip(request: Request) -> Reply:
    return await accepted(request, server_plugs.remove_floating_ip, request.read(RemoveFloating).floating.address)


@resource.action(PATH, "addFixedIp", may="member", until="2.43")
async def add_fixed_ip(request: Request) -> Reply:
    return await accepted(request, server_plugs.add_fixed_ip, request.read(AddFixed).fixed.networkId)


@resource.action(PATH, "removeFixedIp", may="member", until="2.43")
async def remove_fixed_ip(request: Request) -> Reply:
    return await accepted(request, server_plugs.remove_fixed_ip, request.read(RemoveFixed).fixed.address)
