"""/extensions and /resource_filters: what this service can do, and what its lists can be filtered by."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.volume.paths import VolumeResource
from trivet.errors import NotFound

resource = VolumeResource()

_HERE = {
    "OS-SCH-HNT": "SchedulerHints",
    "capabilities": "Capabilities",
    "os-admin-actions": "AdminActions",
    "os-availability-zone": "AvailabilityZones",
    "os-extended-services": "ExtendedServices",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-hosts": "Hosts",
    "os-image-create": "CreateVolumeExtension",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-services": "Services",
    "os-snapshot-actions": "SnapshotActions",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-mig-status-attr": "VolumeMigStatusAttribute",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-actions": "VolumeActions",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-type-access": "VolumeTypeAccess",
    "qos-specs": "Qos_specs_manage",
    "scheduler-stats": "Scheduler_stats",
}
_FILTERS = {
    "volume": ["name", "status", "metadata", "bootable", "availability_zone", "group_id", "created_at", "updated_at"],
    "snapshot": ["name", "status", "volume_id", "metadata", "availability_zone", "created_at", "updated_at"],
    "group": ["name", "status"],
    "group_snapshot": ["name", "status", "group_id"],
    "attachment": ["volume_id", "instance_id", "status", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id"],
    "volume_type": ["is_public", "name", "description"],
}


@resource.on("GET", "/extensions", may="token", decides="anyone", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"extensions": [_shown(alias) for alias in _HERE]})


@resource.on("GET", "/extensions/{alias}", may="token", decides="anyone", tx="none")
async def show(request: Request) -> Reply:
    alias = request.values["alias"]
    if alias not in _HERE:
        raise NotFound("extension.absent", f"There is no extension {alias[:64]} here.")
    return Reply(200, {"extension": _shown(alias)})


def _shown(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": _HERE[alias],
        "description": f"{_HERE[alias]} support.",
        "links": [],
        "updated": "2014-12-03T00:00:00+00:00",
    }


@resource.on("GET", "/resource_filters", may="reader", tx="none", since="3.33")
async def filters(request: Request) -> Reply:
    wanted = request.asked("resource")
    found = [{"resource": noun, "filters": names} for noun, names in _FILTERS.items() if wanted in (None, noun)]
    return Reply(200, {"resource_filters": found})
