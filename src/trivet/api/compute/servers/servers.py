"""Servers: the compute API's front door for whatever runs for a tenant.

A request here only records what is wanted; the agent of the chosen host makes it so, and reports.
"""

from typing import Any

from msgspec import UNSET

from trivet.api.compute import pages, quota_words
from trivet.api.compute.servers import bodies as said
from trivet.api.compute.servers import views
from trivet.api.compute.servers.block_devices import devices_of
from trivet.api.compute.servers.bodies import CreateBody, Nic, UpdateBody
from trivet.api.compute.servers.queries import query_of, sort_of
from trivet.api.kit.bodies import or_none
from trivet.api.kit.request import Reply, Request, encode
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.domain.servers import changes as server_changes
from trivet.domain.servers import search as server_search
from trivet.domain.servers import servers, soft_deletion
from trivet.domain.servers.actions import Call
from trivet.domain.servers.create import ServerCreate, create
from trivet.domain.servers.nics import NicsWanted, NicWanted
from trivet.domain.servers.servers import Server
from trivet.errors import Invalid

resource = Resource()

_NO_CONTENT = 204
_COUNT_MAX = 500
"""The most servers that one request makes: it makes them in one transaction, and others wait meanwhile."""
_HINTS_MAX = 8 * 1024


def call_of(request: Request) -> Call:
    parts = request.parts
    return Call(request.caller, request.id, parts.settings.container_isolation, parts.secrets)


def server_id(request: Request) -> str:
    return request.values["server_id"]


async def visible(request: Request) -> Server:
    return await servers.visible(request.tx, request.caller, server_id(request))


@resource.on("POST", "/v2.1/servers", may="member", body_max=LONG_BODY_MAX)
async def create_servers(request: Request) -> Reply:
    body = request.read(CreateBody, strict=False)
    password = request.parts.ids.secret()[:12] if body.server.adminPass is UNSET else body.server.adminPass
    wanted = await _wanted(request, body, request.parts.secrets.seal(password))
    made = await create(request.tx, call_of(request), wanted)
    if body.server.return_reservation_id:
        return Reply(202, {"reservation_id": made[0].reservation_id})
    first = made[0]
    groups = body.server.security_groups
    links = views.links(request, first.id)
    view = {
        "id": first.id,
        "links": links,
        "OS-DCF:diskConfig": first.disk_config,
        "security_groups": [{"name": "default"}] if groups is UNSET else [{"name": group.name} for group in groups],
        "adminPass": password,
    }
    return Reply(202, {"server": view}, [(b"location", links[0]["href"].encode())])


@resource.on("GET", "/v2.1/servers", may="reader")
async def list_servers(request: Request) -> Reply:
    found = await _found(request)
    return pages.page(request, "servers", "servers", found, [views.brief(request, server) for server in found])


@resource.on("GET", "/v2.1/servers/detail", may="reader")
async def list_in_detail(request: Request) -> Reply:
    found = await _found(request)
    return pages.page(request, "servers", "servers/detail", found, await views.detailed(request, found))


async def _found(request: Request) -> list[Server]:
    query, asked = query_of(request), pages.asked(request, sort_of(request))
    return await server_search.page(request.tx, query, asked) if query else []


@resource.on("GET", "/v2.1/servers/{server_id}", may="reader")
async def show(request: Request) -> Reply:
    server = await visible(request)
    return Reply(200, {"server": await views.shown(request, server, views.Shown(groups=True))})


@resource.on("PUT", "/v2.1/servers/{server_id}", may="member")
async def update(request: Request) -> Reply:
    body = request.read(UpdateBody, strict=False).server
    changes: dict[str, Any] = {}
    if body.name is not UNSET:
        changes["name"] = said.check_name(body.name)
    if body.description is not UNSET:
        changes["description"] = body.description
    if body.disk_config is not UNSET:
        changes["disk_config"] = body.disk_config
    if body.accessIPv4 is not UNSET:
        changes["access_ipv4"] = said.ipv4(body.accessIPv4)
    if body.accessIPv6 is not UNSET:
        changes["access_ipv6"] = said.ipv6(body.accessIPv6)
    if body.hostname is not UNSET:
        changes["hostname"] = said.check_hostname(body.hostname, request.version)
    pin = body.pinned_availability_zone
    server = await server_changes.update(
        request.tx, call_of(request), server_id(request), changes, zone=... if pin is UNSET else pin
    )
    whole = request.version >= 2075
    parts = views.Shown(extended=whole, key=whole, groups=True)
    return Reply(200, {"server": await views.shown(request, server, parts)})


@resource.on("DELETE", "/v2.1/servers/{server_id}", may="member")
async def delete(request: Request) -> Reply:
    keep_s = request.parts.settings.reclaim_servers_s
    await soft_deletion.delete(request.tx, call_of(request), server_id(request), keep_s)
    return Reply(_NO_CONTENT)


# -- from nova's words to ours


async def _wanted(request: Request, body: CreateBody, sealed_password: str) -> ServerCreate:
    server = body.server
    most = server.min_count if server.max_count is UNSET else server.max_count
    if server.min_count > most:
        raise Invalid("server.counts", "min_count must be <= max_count")
    if most > _COUNT_MAX:
        raise Invalid("server.too_many", f"One request makes at most {_COUNT_MAX} servers; send several.")
    if most > 1 and server.hostname is not UNSET:
        raise Invalid("server.hostname_shared", "Unable to allocate a single hostname to multiple instances")
    name = said.check_name(server.name)
    tags = () if server.tags is UNSET else tuple(dict.fromkeys(server.tags))
    certificates = () if server.trusted_image_certificates in (UNSET, None) else server.trusted_image_certificates
    hints = body.hints if body.hints is not UNSET else body.old_hints
    if hints is not UNSET and len(encode(hints)) > _HINTS_MAX:
        raise Invalid("hint.too_long", f"Scheduler hints may be at most {_HINTS_MAX} bytes long.")
    metadata_max = await quota_words.metadata_most(request)
    groups = server.security_groups
    devices = await devices_of(request, body)
    return ServerCreate(
        name=name,
        image_id=devices.image_id,
        disks=devices.disks,
        local_disks=devices.local,
        root_tag=devices.root_tag,
        described_by=devices.described_by,
        found_image=devices.found,
        flavor_id=str(server.flavorRef).rpartition("/")[2],
        networks=_networks(request, body),
        security_groups=None if groups is UNSET else tuple(group.name for group in groups),
        key_name=server.key_name,
        user_data=None if server.user_data is None else said.check_base64(server.user_data, "user_data"),
        config_drive=bool(server.config_drive),
        files=said.files_of(server.personality),
        sealed_password=sealed_password,
        metadata=said.metadata_within(server.metadata, metadata_max),
        tags=tags,
        description=_description(request, body, name),
        hostname=None if server.hostname is UNSET else said.check_hostname(server.hostname, request.version),
        access_ipv4=said.ipv4(server.accessIPv4),
        access_ipv6=said.ipv6(server.accessIPv6),
        disk_config=server.disk_config,
        trusted_certificates=tuple(certificates or ()),
        zone=server.availability_zone,
        host=or_none(server.host),
        hypervisor_hostname=or_none(server.hypervisor_hostname),
        hints={} if hints is UNSET else hints,
        min_count=server.min_count,
        max_count=most,
    )


def _description(request: Request, body: CreateBody, name: str) -> str | None:
    """Before 2.19 there was none to be said, and a server was described by its name."""
    if request.version < 2019:
        return name
    return or_none(body.server.description)


def _networks(request: Request, body: CreateBody) -> NicsWanted:
    said_networks = body.server.networks
    if said_networks is UNSET:
        if request.version >= 2037:
            raise Invalid(
                "body.invalid", "Invalid input for field/attribute server. 'networks' is a required property."
            )
        return ()
    if isinstance(said_networks, str):
        if request.version < 2037:
            raise Invalid(
                "body.invalid", "Invalid input for field/attribute networks: a list is needed at this version."
            )
        return said_networks
    return tuple(_nic(request, nic) for nic in said_networks)


def _nic(request: Request, nic: Nic) -> NicWanted:
    if nic.tag is not UNSET and not (2032 <= request.version <= 2036 or request.version >= 2042):
        raise Invalid(
            "body.invalid", "Additional properties are not allowed ('tag' was unexpected at this API version)."
        )
    return NicWanted(
        network_id=or_none(nic.uuid),
        port_id=nic.port,
        fixed_ip=nic.fixed_ip,
        tag=or_none(nic.tag),
    )
