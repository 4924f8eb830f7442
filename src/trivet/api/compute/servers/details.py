"""The small things below a server: diagnostics, topology, password, security groups, and what came with volumes,
shares, migrations and nova's own network, which there is none of yet."""

from typing import Any

from trivet.api.compute.servers.servers import call_of, server_id, visible
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts.hosts import HOSTS
from trivet.domain.network.groups import security_groups
from trivet.domain.network.ports import ports
from trivet.domain.numbers import whole_number
from trivet.domain.servers import migrations, servers
from trivet.domain.servers.rules import ready
from trivet.domain.servers.topology import inside, places
from trivet.drivers.contracts.topology import GuestNode, Topology
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = Resource()
SERVER = "/v2.1/servers/{server_id}"
_POWER = {
    "running": "running",
    "paused": "paused",
    "suspended": "suspended",
    "stopped": "shutdown",
    "crashed": "crashed",
}


@resource.on("GET", SERVER + "/diagnostics", may="admin")
async def diagnostics(request: Request) -> Reply:
    """What the records tell; nothing is asked of the engine."""
    server = await ready(
        request.tx, call_of(request), server_id(request), "diagnostics", method="get_diagnostics", tasks=None
    )
    plugged = await ports.of_server(request.tx, server.id, server.project_id)
    if request.version < 2048:
        return Reply(200, {"memory": server.flavor.ram_mib * 1024, "vcpus": server.flavor.vcpus})
    host = await request.tx.get(HOSTS, server.host_id) if server.host_id else None
    uptime = int(request.parts.clock.now() - server.launched_at) if server.launched_at else None
    view = {
        "state": _POWER.get(server.power, "pending"),
        "driver": "libvirt",
        "hypervisor": host.hypervisor_type.lower() if host else None,
        "hypervisor_os": "linux",
        "uptime": uptime,
        "config_drive": server.config_drive,
        "num_cpus": server.flavor.vcpus,
        "num_nics": len(plugged),
        "num_disks": 1,
        "memory_details": {"maximum": server.flavor.ram_mib, "used": None},
        "cpu_details": [{"id": n, "time": None, "utilisation": None} for n in range(server.flavor.vcpus)],
        "nic_details": [_nic(port.mac_address) for port in plugged],
        "disk_details": [
            {
                "read_bytes": None,
                "read_requests": None,
                "write_bytes": None,
                "write_requests": None,
                "errors_count": None,
            }
        ],
    }
    return Reply(200, view)


def _nic(mac: str) -> dict[str, Any]:
    counters = ("octets", "errors", "drop", "packets", "rate")
    return {"mac_address": mac, **{f"{way}_{what}": None for way in ("rx", "tx") for what in counters}}


@resource.on("GET", SERVER + "/topology", may="reader", since="2.78")
async def topology(request: Request) -> Reply:
    """The server's NUMA nodes; which parts of the host bear them is told to operators."""
    server = await visible(request)
    found = inside.of_server(server, await places.of_servers(request.tx, (server.id,)))
    if found is None or not found.nodes:
        return Reply(200, {"nodes": [], "pagesize_kb": None})
    nodes = [_node(found, node, whole=request.caller.is_operator) for node in found.nodes]
    return Reply(200, {"nodes": nodes, "pagesize_kb": max(node.page_kib for node in found.nodes)})


def _node(topology: Topology, node: GuestNode, *, whole: bool) -> dict[str, Any]:
    width = topology.threads
    view: dict[str, Any] = {
        "vcpu_set": list(node.cpus),
        "siblings": [list(node.cpus[at : at + width]) for at in range(0, len(node.cpus), width)] if width > 1 else [],
        "memory_mb": node.memory_mib,
    }
    if whole:
        view["host_node"] = node.host_node
        view["cpu_pinning"] = {str(cpu): topology.pins[cpu] for cpu in node.cpus if cpu in topology.pins}
    return view


@resource.on("GET", SERVER + "/os-server-password", may="reader")
async def password(request: Request) -> Reply:
    """The password that the guest itself reported, sealed with the server's key."""
    server = await visible(request)
    return Reply(200, {"password": server.guest_password or ""})


@resource.on("DELETE", SERVER + "/os-server-password", may="member")
async def clear_password(request: Request) -> Reply:
    server = await servers.changeable(request.tx, request.caller, server_id(request))
    await servers.forget_password(request.tx, server)
    return Reply(204)


@resource.on("GET", SERVER + "/os-security-groups", may="reader")
async def groups(request: Request) -> Reply:
    server = await visible(request)
    plugged = await ports.of_server(request.tx, server.id, server.project_id)
    ids = {id for port in plugged for id in port.security_groups}
    found = await request.tx.select(
        security_groups.SECURITY_GROUPS, Where().any_of("id", sorted(ids)), order="name, id"
    )
    view = [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [],
        }
        for group in found
    ]
    return Reply(200, {"security_groups": view})


@resource.on("GET", SERVER + "/os-virtual-interfaces", may="reader")
async def virtual_interfaces(request: Request) -> Reply:
    raise Invalid("virtual_interfaces.gone", "They came with nova's own network; use os-interface.", status=410)


async def _refused(request: Request, action: str) -> Reply:
    """Refuses an action with the reason that the table of actions gives."""
    request.read_object()
    server = await ready(request.tx, call_of(request), server_id(request), action, tasks=None)
    raise AssertionError(f"{action} is said to work for a {server.kind}, but nothing does it")


# -- shares


@resource.on("GET", SERVER + "/shares", may="reader", since="2.97")
async def shares(request: Request) -> Reply:
    await visible(request)
    return Reply(200, {"shares": []})


@resource.on("POST", SERVER + "/shares", may="member", since="2.97")
async def attach_share(request: Request) -> Reply:
    return await _refused(request, "attach share")


@resource.on("GET", SERVER + "/shares/{share_id}", may="reader", since="2.97")
@resource.on("DELETE", SERVER + "/shares/{share_id}", may="member", since="2.97")
async def no_share(request: Request) -> Reply:
    server, share_id = await visible(request), request.values["share_id"]
    raise NotFound("share.absent", f"Share {share_id[:64]} is not attached to instance {server.id}.")


# -- migrations


@resource.on("GET", SERVER + "/migrations", may="admin", since="2.23")
async def live_migrations(request: Request) -> Reply:
    await visible(request)
    return Reply(200, {"migrations": []})


@resource.on("GET", SERVER + "/migrations/{migration_id}", may="admin", since="2.23")
@resource.on("DELETE", SERVER + "/migrations/{migration_id}", may="admin", since="2.24")
@resource.action(SERVER + "/migrations/{migration_id}/action", "force_complete", may="admin", since="2.22")
async def no_migration(request: Request) -> Reply:
    """Only live migrations are looked at here while they last, and there are none yet."""
    server, id = await visible(request), request.values["migration_id"]
    number = whole_number(id) or 0
    if await migrations.of_server(request.tx, server.id, number) is not None:
        raise NotFound("migration.other", f"Migration {id} for server {server.id} is not live-migration.")
    raise NotFound("migration.absent", f"In-progress live migration {id[:64]} is not found for server {server.id}.")
