"""What clients see of containers. A list finds what is the same for all of them once: hosts and ports."""

from collections.abc import Sequence
from typing import Any

from trivet import clock
from trivet.api.kit.request import Request
from trivet.domain.hosts import hosts
from trivet.domain.network.ports import ports
from trivet.domain.network.ports.ports import Port
from trivet.domain.servers.containers.containers import Container, status_of
from trivet.domain.servers.containers.create import cpus_of
from trivet.drivers.contracts.container import HealthCheck

Json = dict[str, Any]

_TASKS = {
    "spawning": "container_creating",
    "powering-on": "container_starting",
    "powering-off": "container_stopping",
    "rebooting": "container_rebooting",
    "rebooting_hard": "container_rebooting",
    "pausing": "container_pausing",
    "unpausing": "container_unpausing",
    "rebuilding": "container_rebuilding",
    "deleting": "container_deleting",
}


def links(request: Request, what: str, id: str) -> list[Json]:
    return [
        {"rel": "self", "href": f"{request.url}/v1/{what}/{id}"},
        {"rel": "bookmark", "href": f"{request.url}/{what}/{id}"},
    ]


async def shown(request: Request, container: Container) -> Json:
    return (await listed(request, [container]))[0]


async def listed(request: Request, found: Sequence[Container]) -> list[Json]:
    plugs = await ports.of_servers(request.tx, {one.server.id: one.server.project_id for one in found})
    names: dict[str, str] = {}
    if request.caller.is_operator:
        names = await hosts.names_of(request.tx, {one.server.host_id for one in found if one.server.host_id})
    return [_view(request, one, plugs.get(one.server.id, []), names) for one in found]


def _view(request: Request, container: Container, plugs: Sequence[Port], names: dict[str, str]) -> Json:
    server, facts = container.server, container.facts
    program = facts.program
    view = {
        "uuid": server.id,
        "links": links(request, "containers", server.id),
        "user_id": server.user_id,
        "project_id": server.project_id,
        "name": server.name,
        "image": facts.image,
        "image_driver": facts.image_driver,
        "command": list(program.command),
        "entrypoint": None if program.entrypoint is None else list(program.entrypoint),
        "status": status_of(server),
        "status_reason": server.fault.message if server.fault is not None else None,
        "status_detail": detail_of(container),
        "task_state": _TASKS.get(server.task or ""),
        "cpu": cpus_of(server.flavor),
        "cpu_policy": facts.cpu_policy or "shared",
        "memory": str(server.flavor.ram_mib),
        "disk": server.flavor.disk_gib,
        "environment": program.environment,
        "workdir": program.workdir,
        "ports": [int(port.partition("/")[0]) for port in facts.exposed_ports],
        "hostname": server.hostname,
        "labels": facts.labels,
        "addresses": addresses(plugs),
        "restart_policy": facts.restart_policy,
        "interactive": program.stdin,
        "tty": program.tty,
        "security_groups": list(dict.fromkeys(group for port in plugs for group in port.security_groups)),
        "auto_remove": server.ends_with_program,
        "auto_heal": facts.auto_heal,
        "healthcheck": _health(program.health),
        "registry_id": None,
        "created_at": clock.iso(server.created_at),
        "updated_at": clock.iso(server.updated_at),
    }
    if request.caller.is_operator:
        view["host"] = names.get(server.host_id or "")
        view["image_pull_policy"] = facts.image_pull_policy
        view["privileged"] = False
        view["runtime"] = facts.runtime
    return view


def addresses(plugs: Sequence[Port]) -> Json:
    found: dict[str, list[Json]] = {}
    for port in plugs:
        listed = found.setdefault(port.network_id, [])
        for fixed in port.fixed_ips:
            listed.append(
                {
                    "addr": fixed.ip_address,
                    "version": 6 if ":" in fixed.ip_address else 4,
                    "port": port.id,
                    "subnet_id": fixed.subnet_id,
                    "preserve_on_delete": not port.created_for_server,
                }
            )
    return found


def detail_of(container: Container) -> str | None:
    server = container.server
    match status_of(server):
        case "Running":
            return "Up" if server.health is None else f"Up ({server.health})"
        case "Paused":
            return "Up (Paused)"
        case "Stopped":
            return "Exited" if server.exit_code is None else f"Exited({server.exit_code})"
        case "Created":
            return "Created"
    return None


def _health(check: HealthCheck | None) -> Json | None:
    if check is None:
        return None
    return {"test": check.command, "interval": check.every_s, "timeout": check.within_s, "retries": check.failures}
