"""Hosts as nova speaks of them: a hypervisor (the machine) and a service (the agent on it) of one name.

Until 2.52 ids are numbers; ours are made of the host's own id, so that every process makes the same.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from trivet.api.kit.request import Request
from trivet.clock import iso_micros
from trivet.domain.hosts import hosts, zones
from trivet.domain.hosts.capacity import Capacity
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid, NotFound
from trivet.ids import is_uuid

BY_UUID = 2053
_LEAN = 2088
BINARY = "nova-compute"


def number_of(host: Host) -> int:
    return int(host.id.replace("-", "")[:7], 16) + 1 if is_uuid(host.id) else sum(host.id.encode()) + 1


def id_of(request: Request, host: Host) -> str | int:
    return host.id if request.version >= BY_UUID else number_of(host)


async def needed(request: Request, said: str, noun: str, *, invalid_number: bool) -> Host:
    """The host with that id, in the spelling of the version that was asked."""
    absent = NotFound("host.absent", f"{noun} with ID '{said[:64]}' could not be found.")
    if request.version >= BY_UUID:
        if not is_uuid(said):
            raise Invalid("host.id", f"Invalid uuid {said[:64]}")
        host = await request.tx.get(HOSTS, said)
        if host is None:
            raise absent
        return host
    if whole_number(said) is None:
        raise Invalid("host.id", f"Invalid input: id {said[:64]!r} is no number.") if invalid_number else absent
    for host in await request.tx.select(HOSTS):
        if str(number_of(host)) == said:
            return host
    raise absent


def hypervisor(request: Request, host: Host) -> dict[str, Any]:
    up = hosts.is_up(host)
    return {
        "id": id_of(request, host),
        "hypervisor_hostname": host.name,
        "state": "up" if up else "down",
        "status": "enabled" if host.enabled else "disabled",
    }


def hypervisor_detail(request: Request, host: Host, capacity: Capacity) -> dict[str, Any]:
    view = hypervisor(request, host) | {
        "hypervisor_type": host.hypervisor_type,
        "hypervisor_version": host.hypervisor_version,
        "host_ip": host.address,
        "service": {"id": id_of(request, host), "host": host.name, "disabled_reason": host.disabled_reason},
    }
    if request.version >= _LEAN:
        return view | {"uptime": uptime(request, host)}
    return view | {
        "vcpus": capacity.vcpus,
        "memory_mb": capacity.memory_mib,
        "local_gb": capacity.disk_gib,
        "vcpus_used": capacity.vcpus_used,
        "memory_mb_used": capacity.memory_mib_used,
        "local_gb_used": capacity.disk_gib_used,
        "free_ram_mb": capacity.memory_mib - capacity.memory_mib_used,
        "free_disk_gb": capacity.disk_gib - capacity.disk_gib_used,
        "disk_available_least": capacity.disk_gib - capacity.disk_gib_used,
        "current_workload": capacity.busy,
        "running_vms": capacity.servers,
        "cpu_info": msgspec.json.decode(host.cpu_info or "{}") if request.version >= 2028 else host.cpu_info or "{}",
    }


def uptime(request: Request, host: Host) -> str | None:
    """The uptime of a host in the words of the command `uptime`. What no agent reports is left out."""
    if host.booted_at is None or not hosts.is_up(host):
        return None
    now = request.parts.clock.now()
    minutes = max(0, int(now - host.booted_at)) // 60
    days, hours = divmod(minutes // 60, 24)
    clock = datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S")
    return f" {clock} up {days} days, {hours:2}:{minutes % 60:02}"


def service(request: Request, host: Host) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": id_of(request, host),
        "binary": BINARY,
        "host": host.name,
        "zone": zones.of_host(host),
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if hosts.is_up(host) else "down",
        "updated_at": iso_micros(host.agent_seen_at),
        "disabled_reason": host.disabled_reason,
    }
    if request.version >= 2011:
        view["forced_down"] = host.forced_down
    return view
