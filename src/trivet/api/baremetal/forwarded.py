"""Every call of the bare metal API that a client may make, by what it is about. The engine answers all of them.

Those of its API that are not here (look-up, heartbeat, what an inspection found) are for the deploy ramdisk, which
has no token and comes by another door.
"""

from trivet.api.baremetal import owners
from trivet.api.baremetal.forwarding import forward
from trivet.api.kit.callers import Decision
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource

_NODE = "/v1/nodes/{node_ident}"
_DRIVER = "/v1/drivers/{driver_name}"
_ALL = "GET POST PUT PATCH DELETE"
_CALLS = {
    "/v1/allocations": "GET POST",
    "/v1/allocations/{allocation_id}": "GET PATCH DELETE",
    "/v1/chassis": "GET POST",
    "/v1/chassis/detail": "GET",
    "/v1/chassis/{chassis_id}": "GET PATCH DELETE",
    "/v1/chassis/{chassis_id}/nodes": "GET",
    "/v1/chassis/{chassis_id}/nodes/detail": "GET",
    "/v1/conductors": "GET",
    "/v1/conductors/{hostname}": "GET",
    "/v1/deploy_templates": "GET POST",
    "/v1/deploy_templates/{deploy_template_id}": "GET PATCH DELETE",
    "/v1/drivers": "GET",
    _DRIVER: "GET",
    f"{_DRIVER}/properties": "GET",
    f"{_DRIVER}/raid/logical_disk_properties": "GET",
    f"{_DRIVER}/vendor_passthru": _ALL,
    f"{_DRIVER}/vendor_passthru/methods": "GET",
    "/v1/inspection_rules": "GET POST DELETE",
    "/v1/inspection_rules/{rule_id}": "GET PATCH DELETE",
    "/v1/nodes": "GET POST",
    "/v1/nodes/detail": "GET",
    _NODE: "GET PATCH DELETE",
    f"{_NODE}/allocation": "GET DELETE",
    f"{_NODE}/bios": "GET",
    f"{_NODE}/bios/{{bios_setting}}": "GET",
    f"{_NODE}/firmware": "GET",
    f"{_NODE}/history": "GET",
    f"{_NODE}/history/{{event_id}}": "GET",
    f"{_NODE}/inventory": "GET",
    f"{_NODE}/maintenance": "PUT DELETE",
    f"{_NODE}/management/boot_device": "GET PUT",
    f"{_NODE}/management/boot_device/supported": "GET",
    f"{_NODE}/management/indicators": "GET",
    f"{_NODE}/management/indicators/{{indicator}}": "GET PUT",
    f"{_NODE}/management/inject_nmi": "PUT",
    f"{_NODE}/portgroups": "GET",
    f"{_NODE}/portgroups/detail": "GET",
    f"{_NODE}/ports": "GET",
    f"{_NODE}/ports/detail": "GET",
    f"{_NODE}/states": "GET",
    f"{_NODE}/states/boot_mode": "PUT",
    f"{_NODE}/states/console": "GET PUT",
    f"{_NODE}/states/power": "PUT",
    f"{_NODE}/states/provision": "PUT",
    f"{_NODE}/states/raid": "PUT",
    f"{_NODE}/states/secure_boot": "PUT",
    f"{_NODE}/traits": "GET PUT DELETE",
    f"{_NODE}/traits/{{trait}}": "PUT DELETE",
    f"{_NODE}/validate": "GET",
    f"{_NODE}/vendor_passthru": _ALL,
    f"{_NODE}/vendor_passthru/methods": "GET",
    f"{_NODE}/vifs": "GET POST",
    f"{_NODE}/vifs/{{vif_id}}": "DELETE",
    f"{_NODE}/vmedia": "GET POST DELETE",
    f"{_NODE}/volume": "GET",
    f"{_NODE}/volume/connectors": "GET",
    f"{_NODE}/volume/targets": "GET",
    "/v1/portgroups": "GET POST",
    "/v1/portgroups/detail": "GET",
    "/v1/portgroups/{portgroup_ident}": "GET PATCH DELETE",
    "/v1/portgroups/{portgroup_ident}/ports": "GET",
    "/v1/portgroups/{portgroup_ident}/ports/detail": "GET",
    "/v1/ports": "GET POST",
    "/v1/ports/detail": "GET",
    "/v1/ports/{port_id}": "GET PATCH DELETE",
    "/v1/runbooks": "GET POST",
    "/v1/runbooks/{runbook_id}": "GET PATCH DELETE",
    "/v1/shards": "GET",
    "/v1/volume": "GET",
    "/v1/volume/connectors": "GET POST",
    "/v1/volume/connectors/{connector_id}": "GET PATCH DELETE",
    "/v1/volume/targets": "GET POST",
    "/v1/volume/targets/{target_id}": "GET PATCH DELETE",
}
_LONG = (f"{_NODE}/states/provision",)
"""A machine is deployed with a config drive in the call."""

resource = Resource()


async def ask(request: Request) -> Reply:
    return await forward(request)


for path, methods in _CALLS.items():
    for method in methods.split():
        long = LONG_BODY_MAX if path in _LONG else None
        decides: Decision = "engine" if owners.may_be_theirs(method, path) else "system"
        resource.on(method, path, may="token", decides=decides, tx="none", body_max=long)(ask)
