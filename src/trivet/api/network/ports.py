"""/v2.0/ports"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType, field

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.domain.hosts import hosts
from trivet.domain.network.nets import networks
from trivet.domain.network.ports import changes as port_changes
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import PORTS, Port
from trivet.domain.network.ports.wishes import PortCreate, PortUpdate, VnicType
from trivet.domain.network.words import Text
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()

W = TypeVar("W", bound=PortCreate | PortUpdate)
_DNS_DOMAIN = "openstacklocal."


class PortIn(PortCreate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tenant_id: Text | UnsetType = UNSET
    host_id: Text | UnsetType | None = field(default=UNSET, name="binding:host_id")
    vnic_type: VnicType = field(default="normal", name="binding:vnic_type")
    binding_profile: dict[str, Any] | UnsetType | None = field(default=UNSET, name="binding:profile")
    qos_policy_id: None = None


class PortChange(PortUpdate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host_id: Text | UnsetType | None = field(default=UNSET, name="binding:host_id")
    vnic_type: VnicType | UnsetType = field(default=UNSET, name="binding:vnic_type")
    binding_profile: dict[str, Any] | UnsetType | None = field(default=UNSET, name="binding:profile")
    qos_policy_id: None = None


async def show_all(request: Request, found: Sequence[Port]) -> list[Json]:
    operator = request.caller.may_see(None)
    names = await hosts.names_of(request.tx, {port.host_id for port in found if port.host_id}) if operator else {}
    return [_view(port, names, operator=operator) for port in found]


def _view(port: Port, names: dict[str, str], *, operator: bool) -> Json:
    shown: Json = {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": port.fixed_ips,
        "security_groups": port.security_groups,
        "port_security_enabled": port.port_security_enabled,
        "allowed_address_pairs": port.allowed_address_pairs,
        "extra_dhcp_opts": port.extra_dhcp_opts,
        "binding:vnic_type": port.vnic_type,
        "dns_name": port.dns_name,
        "dns_domain": port.dns_domain,
        "dns_assignment": _dns(port),
        "ip_allocation": port.ip_allocation,
        "propagate_uplink_status": port.propagate_uplink_status,
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        **bodies.standard(port),
    }
    if operator:
        bound = bool(port.host_id)
        shown |= {
            "binding:host_id": names.get(port.host_id or "", port.host_id or ""),
            "binding:profile": _profile(port),
            "binding:vif_type": "ovs" if bound else "unbound",
            "binding:vif_details": (
                {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int"} if bound else {}
            ),
            "resource_request": None,
            "trusted": port.trusted,
        }
    return shown


def _profile(port: Port) -> dict[str, Any]:
    """Whether the device is trusted stands here, too: it is where drivers look."""
    return port.binding_profile if port.trusted is None else port.binding_profile | {"trusted": port.trusted}


def _dns(port: Port) -> list[Json]:
    assigned = []
    for ip in port.fixed_ips:
        host = port.dns_name or "host-" + ip.ip_address.replace(".", "-").replace(":", "-")
        assigned.append({"hostname": host, "ip_address": ip.ip_address, "fqdn": f"{host}.{_DNS_DOMAIN}"})
    return assigned


async def _with_host_id(request: Request, wanted: W) -> W:
    """Hosts have ids here and names out there; a host that we do not know keeps what was said."""
    id = await hosts.id_of(request.tx, wanted.host_id) if wanted.host_id else None
    return msgspec.structs.replace(wanted, host_id=id) if id is not None else wanted


def _by_address(request: Request, where: Where, values: list[str]) -> None:
    for value in values:
        name, _, wanted = value.partition("=")
        if name == "ip_address":
            where.add("id IN (SELECT port_id FROM addresses WHERE ip = ?)", wanted)
        elif name == "subnet_id":
            where.add("id IN (SELECT port_id FROM addresses WHERE subnet_id = ?)", wanted)
        elif name == "ip_address_substr":
            where.inside("id", "SELECT port_id FROM addresses", Where().holding("ip", wanted.lower()))
        else:
            raise Invalid("filter.invalid", f"['fixed_ips={value[:64]}'] is invalid attribute for filtering")


def _by_groups(request: Request, where: Where, values: list[str]) -> None:
    where.inside("id", "SELECT port_id FROM port_security_groups", Where().any_of("group_id", values))


def _by_host(request: Request, where: Where, values: list[str]) -> None:
    named = Where().inside("host_id", "SELECT id FROM hosts", Where().any_of("name", values))
    where.either([Where().any_of("host_id", values), named])


COLLECTION = Collection(
    PORTS,
    "port",
    "ports",
    show_all,
    text=(
        "network_id",
        "mac_address",
        "status",
        "device_id",
        "device_owner",
        "binding:vnic_type",
        "dns_name",
        "dns_domain",
        "ip_allocation",
    ),
    flags=("admin_state_up", "port_security_enabled", "propagate_uplink_status", "trusted"),
    named={"binding:vnic_type": "vnic_type"},
    special={"fixed_ips": _by_address, "security_groups": _by_groups, "binding:host_id": _by_host},
    for_operators=("binding:host_id", "trusted"),
)


@resource.on("GET", "/v2.0/ports", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, ports.seen_by(request.caller))


@resource.on("POST", "/v2.0/ports", may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    async def make(wanted: PortIn) -> Port:
        said = await _with_host_id(request, bodies.owned(wanted))
        return await ports.create(request.tx, request.caller, said)

    async def before(wishes: Sequence[PortIn]) -> None:
        await ports.before_several(request.tx, request.caller, [bodies.owned(wish) for wish in wishes])

    return await COLLECTION.made(request, PortIn, make, before)


@resource.on("GET", "/v2.0/ports/{port_id}", may="reader")
async def show(request: Request) -> Reply:
    return await COLLECTION.one(request, await ports.visible(request.tx, request.caller, request.values["port_id"]))


@resource.on("PUT", "/v2.0/ports/{port_id}", may="member")
async def update(request: Request) -> Reply:
    wanted = bodies.one(request, PortChange, "port")
    port = await ports.visible(request.tx, request.caller, request.values["port_id"])
    bodies.matching(request, port)
    said = await _with_host_id(request, wanted)
    return await COLLECTION.one(request, await port_changes.update(request.tx, request.caller, port, said))


@resource.on("DELETE", "/v2.0/ports/{port_id}", may="member")
async def delete(request: Request) -> Reply:
    port = await ports.visible(request.tx, request.caller, request.values["port_id"])
    bodies.matching(request, port)
    if not request.caller.owns(port.project_id):
        await networks.own(request.tx, request.caller, port.network_id, "delete_port")
    await ports.delete(request.tx, port)
    return Reply(204)
