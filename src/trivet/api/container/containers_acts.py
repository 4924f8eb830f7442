"""What is done to a container from outside: power, its image, its place in networks and security groups."""

from typing import Annotated

import msgspec

from trivet.api.container import said
from trivet.api.container.bodies import checked_ip
from trivet.api.container.containers import CONTAINER
from trivet.api.container.said import Nothing, call_of
from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.network.ports import ports
from trivet.domain.servers.containers import acts
from trivet.domain.servers.containers.create import NetWanted, network_called
from trivet.errors import Invalid

resource = Resource()


class Timed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: Annotated[int, msgspec.Meta(ge=0, le=1 << 31)] | None = None


class OtherImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    image: Name | None = None
    image_driver: str | None = None


class Committing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    repository: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    tag: Annotated[str, msgspec.Meta(max_length=54)] | None = None


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class Detaching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    network: Name | None = None
    port: Name | None = None


class Attaching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    network: Name | None = None
    port: Name | None = None
    fixed_ip: Name | None = None


@resource.on("POST", f"{CONTAINER}/start", may="member")
async def start(request: Request) -> Reply:
    server = await said.found(request)
    said.words(request, Nothing)
    await acts.start(request.tx, call_of(request), server)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/stop", may="member")
async def stop(request: Request) -> Reply:
    server = await said.found(request)
    timeout = said.words(request, Timed).timeout
    await acts.stop(request.tx, call_of(request), server, timeout)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/reboot", may="member")
async def reboot(request: Request) -> Reply:
    server = await said.found(request)
    timeout = said.words(request, Timed).timeout
    await acts.reboot(request.tx, call_of(request), server, timeout)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/pause", may="member")
async def pause(request: Request) -> Reply:
    server = await said.found(request)
    said.words(request, Nothing)
    await acts.pause(request.tx, call_of(request), server)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/unpause", may="member")
async def unpause(request: Request) -> Reply:
    server = await said.found(request)
    said.words(request, Nothing)
    await acts.unpause(request.tx, call_of(request), server)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/rebuild", may="member")
async def rebuild(request: Request) -> Reply:
    server = await said.found(request)
    other = said.words(request, OtherImage)
    if other.image_driver not in (None, "docker", "glance"):
        raise Invalid(
            "container.image_driver", "Invalid input for image_driver, it should be within the image drivers list"
        )
    await acts.rebuild(request.tx, call_of(request), server, other.image, other.image_driver)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/commit", may="member")
async def commit(request: Request) -> Reply:
    server = await said.found(request)
    wanted = said.words(request, Committing)
    image = await acts.commit(request.tx, call_of(request), server, wanted.repository, wanted.tag or None)
    return Reply(202, {"uuid": image.id})


# -- its place in networks


@resource.on("POST", f"{CONTAINER}/network_attach", may="member", since="1.8")
async def network_attach(request: Request) -> Reply:
    server = await said.found(request)
    wanted = said.words(request, Attaching)
    if wanted.network is not None and wanted.port is not None:
        raise Invalid("body.invalid", "Name either a network or a port.")
    if wanted.network is None and wanted.port is None:
        raise Invalid("body.invalid", "Name a network or a port.")
    address = None if wanted.fixed_ip is None else checked_ip(wanted.fixed_ip)
    net = NetWanted(network=wanted.network, port=wanted.port, fixed_ip=address)
    await acts.attach_network(request.tx, call_of(request), server, net)
    return Reply(200, {})


@resource.on("POST", f"{CONTAINER}/network_detach", may="member", since="1.6")
async def network_detach(request: Request) -> Reply:
    server = await said.found(request)
    wanted = said.words(request, Detaching)
    if (wanted.network is None) == (wanted.port is None):
        raise Invalid("body.invalid", "Name either a network or a port.")
    network_id = None
    if wanted.network is not None:
        network_id = await network_called(request.tx, request.caller, wanted.network)
    await acts.detach_network(request.tx, call_of(request), server, network_id=network_id, port_id=wanted.port)
    return Reply(202)


@resource.on("GET", f"{CONTAINER}/network_list", may="reader", since="1.13", until="1.17")
async def old_network_list(request: Request) -> Reply:
    server = await said.found(request)
    found = [
        {
            "net_id": port.network_id,
            "subnet_id": fixed.subnet_id,
            "port_id": port.id,
            "version": 6 if ":" in fixed.ip_address else 4,
            "ip_address": fixed.ip_address,
        }
        for port in await ports.of_server(request.tx, server.id, server.project_id)
        for fixed in port.fixed_ips
    ]
    return Reply(200, {"networks": found})


@resource.on("GET", f"{CONTAINER}/network_list", may="reader", since="1.18")
async def network_list(request: Request) -> Reply:
    server = await said.found(request)
    found = [
        {
            "net_id": port.network_id,
            "port_id": port.id,
            "fixed_ips": [
                {
                    "subnet_id": fixed.subnet_id,
                    "version": 6 if ":" in fixed.ip_address else 4,
                    "ip_address": fixed.ip_address,
                }
                for fixed in port.fixed_ips
            ],
        }
        for port in await ports.of_server(request.tx, server.id, server.project_id)
    ]
    return Reply(200, {"networks": found})


@resource.on("POST", f"{CONTAINER}/add_security_group", may="member", until="1.14")
async def add_security_group(request: Request) -> Reply:
    server = await said.found(request)
    name = said.words(request, Group).name
    await acts.add_group(request.tx, call_of(request), server, name)
    return Reply(202)


@resource.on("POST", f"{CONTAINER}/remove_security_group", may="member", until="1.14")
async def remove_security_group(request: Request) -> Reply:
    server = await said.found(request)
    name = said.words(request, Group).name
    await acts.remove_group(request.tx, call_of(request), server, name)
    return Reply(202)
