"""/v1/hosts: machines that run containers, for operators."""

from collections.abc import Sequence
from typing import Any

from trivet.api.container import views
from trivet.api.container.paging import next_of
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.hosts import capacity
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import NotFound

resource = Resource()
_PINNING_SINCE = 1029


@resource.on("GET", "/v1/hosts", may="operator", since="1.4")
async def index(request: Request) -> Reply:
    found = [host for host in await request.tx.select(HOSTS, order="name") if "container" in host.kinds]
    body = {"hosts": await _views(request, found), "next": next_of(request, "/v1/hosts", [])}
    return Reply(200, body)


@resource.on("GET", "/v1/hosts/{host_ident}", may="operator", since="1.4")
async def show(request: Request) -> Reply:
    ident = request.values["host_ident"]
    for host in await request.tx.select(HOSTS):
        if ident in (host.id, host.name) and "container" in host.kinds:
            return Reply(200, (await _views(request, [host]))[0])
    raise NotFound("host.absent", f"Compute node {ident[:64]} could not be found.")


async def _views(request: Request, found: Sequence[Host]) -> list[dict[str, Any]]:
    has = await capacity.of_hosts(request.tx, [host.id for host in found])
    listed = []
    for host in found:
        room = has[host.id]
        view = {
            "uuid": host.id,
            "links": views.links(request, "hosts", host.id),
            "hostname": host.name,
            "mem_total": room.memory_mib,
            "mem_used": room.memory_mib_used,
            "cpus": room.vcpus,
            "cpu_used": float(room.vcpus_used),
            "disk_total": room.disk_gib,
            "disk_used": room.disk_gib_used,
            "disk_quota_supported": False,
            "total_containers": room.servers,
            "architecture": "x86_64",
            "os_type": "linux",
            "os": host.hypervisor_type,
            "kernel_version": None,
            "labels": {},
            "runtimes": ["runc"],
        }
        if request.version >= _PINNING_SINCE:
            view["enable_cpu_pinning"] = False
        listed.append(view)
    return listed
