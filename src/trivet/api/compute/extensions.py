"""/extensions: what this compute API can do, for clients from before microversions. Only what is really here."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.errors import NotFound

resource = Resource()

_HERE = {
    "OS-DCF": "DiskConfig",
    "OS-EXT-AZ": "ExtendedAvailabilityZone",
    "OS-EXT-IMG-SIZE": "ImageSize",
    "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-IPS-MAC": "ExtendedIpsMac",
    "OS-EXT-SRV-ATTR": "ExtendedServerAttributes",
    "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled",
    "OS-FLV-EXT-DATA": "FlavorExtraData",
    "OS-SCH-HNT": "SchedulerHints",
    "OS-SRV-USG": "ServerUsage",
    "os-access-ips": "AccessIPs",
    "os-admin-actions": "AdminActions",
    "os-aggregates": "Aggregates",
    "os-attach-interfaces": "AttachInterfaces",
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-consoles": "Consoles",
    "os-extended-hypervisors": "ExtendedHypervisors",
    "os-extended-quotas": "ExtendedQuotas",
    "os-extended-services": "ExtendedServices",
    "os-extended-services-delete": "ExtendedServicesDelete",
    "os-extended-status": "ExtendedStatus",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-flavor-rxtx": "FlavorRxtx",
    "os-flavor-swap": "FlavorSwap",
    "os-hosts": "Hosts",
    "os-hypervisor-status": "HypervisorStatus",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer",
    "os-migrations": "Migrations",
    "os-multiple-create": "MultipleCreate",
    "os-pause-server": "PauseServer",
    "os-personality": "Personality",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-security-groups": "SecurityGroups",
    "os-server-diagnostics": "ServerDiagnostics",
    "os-server-external-events": "ServerExternalEvents",
    "os-server-group-quotas": "ServerGroupQuotas",
    "os-server-groups": "ServerGroups",
    "os-server-list-multi-status": "ServerListMultiStatus",
    "os-server-password": "ServerPassword",
    "os-server-sort-keys": "ServerSortKeys",
    "os-server-start-stop": "ServerStartStop",
    "os-services": "Services",
    "os-simple-tenant-usage": "SimpleTenantUsage",
    "os-suspend-server": "SuspendServer",
    "os-used-limits": "UsedLimits",
    "os-used-limits-for-admin": "UsedLimitsForAdmin",
    "os-user-data": "UserData",
}


@resource.on("GET", "/v2.1/extensions", may="token", decides="anyone", tx="none")
async def index(request: Request) -> Reply:
    return Reply(200, {"extensions": [_shown(alias) for alias in _HERE]})


@resource.on("GET", "/v2.1/extensions/{alias}", may="token", decides="anyone", tx="none")
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
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    }
