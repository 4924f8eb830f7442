"""What clients see of servers, in every microversion.

A list of 500 servers comes through here, so everything that is the same for all of them is found once: hosts,
addresses, names of groups, and what this version and this caller get to see.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha224
from typing import Any

from trivet import clock
from trivet.api.compute.servers.words import POWER, status_of
from trivet.api.kit.request import Request
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.hosts.zones import DEFAULT_ZONE
from trivet.domain.servers import addresses as server_addresses
from trivet.domain.servers.addresses import NOTHING, Connected
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.domain.volumes import attachments
from trivet.domain.volumes.attachments import Attachment
from trivet.store.where import Where

Json = dict[str, Any]

_PROGRESSING = frozenset(("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"))
_FAULTY = frozenset(("ERROR", "DELETED"))


class Shown:
    """Which parts of a server a reply shows. Nova showed little after a change, until 2.75."""

    __slots__ = ("extended", "groups", "key", "user_data")

    def __init__(
        self, *, extended: bool = True, key: bool = True, groups: bool = False, user_data: bool = True
    ) -> None:
        self.extended = extended
        self.key = key
        self.groups = groups
        self.user_data = user_data


EVERYTHING = Shown()


def links(request: Request, id: str) -> list[Json]:
    return [
        {"rel": "self", "href": f"{request.url}/v2.1/servers/{id}"},
        {"rel": "bookmark", "href": f"{request.url}/servers/{id}"},
    ]


def brief(request: Request, server: Server) -> Json:
    return {"id": server.id, "name": server.name, "links": links(request, server.id)}


async def detailed(request: Request, servers: Sequence[Server], parts: Shown = EVERYTHING) -> list[Json]:
    placed = {server.host_id for server in servers if server.host_id is not None}
    found: dict[str, Host] = {}
    if placed:
        found = {host.id: host for host in await request.tx.select(HOSTS, Where().any_of("id", sorted(placed)))}
    connected: dict[str, Connected] = {}
    if servers:
        connected = await server_addresses.of(request.tx, [server.id for server in servers])
    volumes = await attachments.of_servers(request.tx, [server.id for server in servers]) if parts.extended else {}
    view = _View(request, found, connected, parts, volumes=volumes)
    return [view.of(server) for server in servers]


async def shown(request: Request, server: Server, parts: Shown = EVERYTHING) -> Json:
    return (await detailed(request, (server,), parts))[0]


class _View:
    def __init__(
        self,
        request: Request,
        found: dict[str, Host],
        connected: dict[str, Connected],
        parts: Shown,
        *,
        volumes: dict[str, list[Attachment]],
    ) -> None:
        self._volumes = volumes
        self._version = request.version
        self._request = request
        self._operator = request.caller.is_operator
        self._hosts = found
        self._connected = connected
        self._parts = parts
        self._url = request.url
        self._flavors: dict[str, Json] = {}

    def of(self, server: Server) -> Json:
        parts = self._parts
        connected = self._connected.get(server.id, NOTHING)
        host = self._hosts.get(server.host_id) if server.host_id is not None else None
        status = status_of(server)
        view: Json = {
            "id": server.id,
            "name": server.name,
            "status": status,
            "tenant_id": server.project_id,
            "user_id": server.user_id,
            "metadata": server.metadata,
            "hostId": host_id(server.project_id, host.name) if host is not None else "",
            "image": self._image(server),
            "flavor": self._flavor(server.flavor),
            "created": second(int(server.created_at)),
            "updated": second(int(server.updated_at)),
            "addresses": self._addresses(server, connected),
            "accessIPv4": server.access_ipv4 or "",
            "accessIPv6": server.access_ipv6 or "",
            "links": links(self._request, server.id),
            "OS-DCF:diskConfig": server.disk_config,
        }
        if status in _PROGRESSING:
            view["progress"] = 100 if status == "ACTIVE" else 0
        if status in _FAULTY and server.fault is not None:
            view["fault"] = self._fault(server)
        if parts.key:
            view["key_name"] = server.key_name
        if parts.extended:
            self._extend(view, server, host, connected)
        if self._version >= 2009:
            self._newer(view, server)
        return view

    def _newer(self, view: Json, server: Server) -> None:
        """What came with microversions, in the order in which it came."""
        version, parts = self._version, self._parts
        view["locked"] = server.locked
        if version >= 2019:
            view["description"] = server.description
        if version >= 2026:
            view["tags"] = server.tags
        if version >= 2063:
            view["trusted_image_certificates"] = server.trusted_certificates or None
        if version >= 2071 and parts.groups:
            view["server_groups"] = [server.group_id] if server.group_id else []
        if version >= 2073:
            view["locked_reason"] = server.locked_reason
        if version >= 2090:
            view["OS-EXT-SRV-ATTR:hostname"] = server.hostname
        if version >= 2096 and parts.extended:
            view["pinned_availability_zone"] = server.zone
        if version >= 2100:
            # As the scheduler reads them: whoever says one word says a list of one.
            view["scheduler_hints"] = {
                name: said if isinstance(said, list) else [said] for name, said in server.hints.items()
            }

    def _extend(self, view: Json, server: Server, host: Host | None, connected: Connected) -> None:
        view["OS-EXT-AZ:availability_zone"] = (host.zone or DEFAULT_ZONE) if host is not None else (server.zone or "")
        view["config_drive"] = "True" if server.config_drive else ""
        view["OS-SRV-USG:launched_at"] = microsecond(server.launched_at)
        view["OS-SRV-USG:terminated_at"] = microsecond(server.deleted_at)
        if connected.groups:
            view["security_groups"] = [{"name": name} for name in connected.groups]
        view["OS-EXT-STS:task_state"] = server.task
        view["OS-EXT-STS:vm_state"] = server.status
        view["OS-EXT-STS:power_state"] = POWER[server.power]
        view["os-extended-volumes:volumes_attached"] = [
            {"id": one.volume_id, "delete_on_termination": one.delete_on_termination}
            if self._version >= 2003
            else {"id": one.volume_id}
            for one in self._volumes.get(server.id, ())
            if not one.undone
        ]
        if not self._operator:
            return
        view["OS-EXT-SRV-ATTR:host"] = view["OS-EXT-SRV-ATTR:hypervisor_hostname"] = host.name if host else None
        view["OS-EXT-SRV-ATTR:instance_name"] = server.id
        if self._version >= 2003:
            view["OS-EXT-SRV-ATTR:hostname"] = server.hostname
            view["OS-EXT-SRV-ATTR:kernel_id"] = ""
            view["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
            view["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
            view["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
            view["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
            if self._parts.user_data:
                view["OS-EXT-SRV-ATTR:user_data"] = server.user_data
        if self._version >= 2016:
            view["host_status"] = self._host_status(host)

    def _host_status(self, host: Host | None) -> str:
        if host is None:
            return ""
        if host.forced_down or host.dead:
            return "DOWN"
        if not host.enabled:
            return "MAINTENANCE"
        return "UP" if hosts.is_up(host) else "UNKNOWN"

    def _image(self, server: Server) -> Json | str:
        if server.image_id is None:
            return ""
        view: Json = {
            "id": server.image_id,
            "links": [{"rel": "bookmark", "href": f"{self._url}/images/{server.image_id}"}],
        }
        if self._version >= 2098:
            view["properties"] = server.properties
        return view

    def _flavor(self, flavor: FlavorOf) -> Json:
        if self._version >= 2047:
            return {
                "vcpus": flavor.vcpus,
                "ram": flavor.ram_mib,
                "disk": flavor.disk_gib,
                "ephemeral": flavor.ephemeral_gib,
                "swap": flavor.swap_mib,
                "original_name": flavor.name,
                "extra_specs": flavor.extra_specs,
            }
        known = self._flavors.get(flavor.id)
        if known is None:
            known = self._flavors[flavor.id] = {
                "id": flavor.id,
                "links": [{"rel": "bookmark", "href": f"{self._url}/flavors/{flavor.id}"}],
            }
        return known

    def _addresses(self, server: Server, connected: Connected) -> Json:
        if server.status == "building":
            return {}
        return addresses(connected, extended=self._parts.extended)

    def _fault(self, server: Server) -> Json:
        fault = server.fault
        assert fault is not None
        view: Json = {"code": fault.code, "created": clock.iso(fault.at), "message": fault.message}
        if fault.details and (self._operator or fault.code != 500):
            view["details"] = fault.details
        return view


def addresses(connected: Connected, *, extended: bool) -> Json:
    view: Json = {}
    for name, listed in connected.networks.items():
        entries = []
        for address in listed:
            entry: Json = {"version": 6 if ":" in address.ip else 4, "addr": address.ip}
            if extended:
                entry["OS-EXT-IPS:type"] = "floating" if address.floating else "fixed"
                entry["OS-EXT-IPS-MAC:mac_addr"] = address.mac
            entries.append(entry)
        view[name] = entries
    return view


@lru_cache(maxsize=8192)
def second(at: int) -> str | None:
    return clock.iso(at)


@lru_cache(maxsize=8192)
def microsecond(at: float | None) -> str | None:
    return clock.iso_micros(at)


@lru_cache(maxsize=8192)
def host_id(project_id: str, host_name: str) -> str:
    """The host's name for this project: the same for its servers on one host, and meaningless to anybody else."""
    return sha224((project_id + host_name).encode()).hexdigest()
