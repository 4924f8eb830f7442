"""/limits: what the caller's project may use, and what of it is used."""

from typing import Any

from trivet.api.compute import pages, quota_words
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import Forbidden

resource = Resource()

_MOST = {
    "ram": ("maxTotalRAMSize",),
    "instances": ("maxTotalInstances",),
    "cores": ("maxTotalCores",),
    "key_pairs": ("maxTotalKeypairs",),
    "floating_ips": ("maxTotalFloatingIps",),
    "metadata_items": ("maxServerMeta", "maxImageMeta"),
    "injected_files": ("maxPersonality",),
    "injected_file_content_bytes": ("maxPersonalitySize",),
    "security_groups": ("maxSecurityGroups",),
    "security_group_rules": ("maxSecurityGroupRules",),
    "server_groups": ("maxServerGroups",),
    "server_group_members": ("maxServerGroupMembers",),
}
_USED = {
    "ram": "totalRAMUsed",
    "cores": "totalCoresUsed",
    "instances": "totalInstancesUsed",
    "floating_ips": "totalFloatingIpsUsed",
    "security_groups": "totalSecurityGroupsUsed",
    "server_groups": "totalServerGroupsUsed",
}


@resource.on("GET", "/v2.1/limits", may="reader")
async def show(request: Request) -> Reply:
    pages.known(request, {"tenant_id", "reserved"}, since=2075)
    project_id = request.asked("tenant_id") or request.caller.project_id or ""
    if project_id and not request.caller.may_see(project_id):
        raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:limits:other_project.")
    values = await quota_words.limits_of(request.tx, project_id)
    used = await quota_words.used_of(request.tx, project_id)
    absolute: dict[str, Any] = {}
    for name in quota_words.names(request.version):
        for shown in _MOST.get(name, ()):
            if shown != "maxImageMeta" or request.version < 2039:
                absolute[shown] = values[name]
        if name in _USED:
            absolute[_USED[name]] = used[name]
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})
