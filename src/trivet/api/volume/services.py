"""What keeps the volumes: os-services, os-hosts, scheduler-stats, capabilities, clusters, zones, and the like."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.kit.bodies import Name
from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose, Text
from trivet.api.volume.paths import VolumeResource
from trivet.clock import iso_micros
from trivet.domain.volumes import backends, volumes
from trivet.domain.volumes.backends import BACKENDS, OVERSOLD, Backend, pool_of
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = VolumeResource()
_BINARY = "cinder-volume"


class Target(Loose, frozen=True, kw_only=True):
    host: Name | UnsetType = UNSET
    binary: Name | UnsetType = UNSET
    service: Name | UnsetType = UNSET
    disabled_reason: Text | None = None


async def _all(request: Request) -> list[Backend]:
    return await request.tx.select(BACKENDS, Where(), order="id")


@resource.on("GET", "/os-services", may="operator")
async def services(request: Request) -> Reply:
    host, binary = request.asked("host"), request.asked("binary") or request.asked("service")
    found = [one for one in await _all(request) if host in (None, one.id, one.id.partition("@")[0])]
    now = request.parts.clock.now()
    view = [_service(request, one, now) for one in found if binary in (None, _BINARY)]
    if binary in (None, "cinder-scheduler") and found and host in (None, found[0].id.partition("@")[0]):
        view.insert(0, _scheduler(request, found, now))
    return Reply(200, {"services": view})


def _service(request: Request, backend: Backend, now: float) -> dict[str, Any]:
    view: dict[str, Any] = {
        "binary": _BINARY,
        "host": backend.id,
        "zone": backend.zone,
        "status": "enabled" if backend.enabled else "disabled",
        "state": "up" if backends.is_up(backend, now) else "down",
        "updated_at": iso_micros(backend.seen_at),
        "disabled_reason": backend.disabled_reason,
        "frozen": backend.frozen,
        "replication_status": "disabled",
        "active_backend_id": None,
    }
    if request.version >= 3007:
        view["cluster"] = None
    if request.version >= 3049:
        view["backend_state"] = view["state"]
    return view


def _scheduler(request: Request, found: list[Backend], now: float) -> dict[str, Any]:
    """Who answers this also chooses back ends; every process does."""
    view = {
        "binary": "cinder-scheduler",
        "host": found[0].id.partition("@")[0],
        "zone": found[0].zone,
        "status": "enabled",
        "state": "up",
        "updated_at": iso_micros(now),
        "disabled_reason": None,
    }
    return view | ({"cluster": None} if request.version >= 3007 else {})


async def _named(request: Request, host: str | UnsetType) -> Backend:
    id = "" if host is UNSET else host.partition("#")[0]
    found = await request.tx.get(BACKENDS, id)
    if found is None:
        raise NotFound("backend.absent", f"Service {id[:64]} could not be found.")
    return found


def _declare(verb: str, changes: dict[str, Any], status: int) -> None:
    @resource.on("PUT", f"/os-services/{verb}", may="admin")
    async def put(request: Request) -> Reply:
        said = request.read(Target)
        wanted = dict(changes)
        if verb == "disable-log-reason":
            if not (said.disabled_reason or "").strip():
                raise Invalid("body.invalid", "Disabled reason contains invalid characters or is too short.")
            wanted["disabled_reason"] = said.disabled_reason
        try:
            backend = await _named(request, said.host)
        except NotFound as error:
            if status == 202:
                raise Invalid(error.code, error.message) from error
            raise
        backend = await backends.change(request.tx, backend, **wanted)
        if status == 202:
            return Reply(status)
        view: dict[str, Any] = {
            "host": backend.id,
            "service": _BINARY,
            "binary": _BINARY,
            "disabled": not backend.enabled,
        }
        view["status"] = "enabled" if backend.enabled else "disabled"
        if verb == "disable-log-reason":
            view["disabled_reason"] = backend.disabled_reason
        return Reply(status, view)


_declare("enable", {"enabled": True, "disabled_reason": None}, 200)
_declare("disable", {"enabled": False}, 200)
_declare("disable-log-reason", {"enabled": False}, 200)
_declare("freeze", {"frozen": True}, 202)
_declare("thaw", {"frozen": False}, 202)


@resource.on("PUT", "/os-services/failover_host", may="admin")
@resource.on("PUT", "/os-services/failover", may="admin", since="3.26")
async def failover(request: Request) -> Reply:
    await _named(request, request.read(Target).host)
    raise Invalid("backend.no_replication", "The back end is not replicated, so there is nothing to fail over to.")


@resource.on("PUT", "/os-services/set-log", may="admin", since="3.32")
@resource.on("PUT", "/os-services/get-log", may="admin", since="3.32")
async def log_levels(request: Request) -> Reply:
    raise Invalid("backend.logs", "How much is logged is said where the process is started, not here.")


@resource.on("GET", "/os-hosts", may="operator")
async def hosts(request: Request) -> Reply:
    now = request.parts.clock.now()
    found = await _all(request)
    view = [
        {
            "host_name": one.id,
            "service": _BINARY,
            "zone": one.zone,
            "service-status": "available" if backends.is_up(one, now) else "unavailable",
            "service-state": "enabled" if one.enabled else "disabled",
            "last-update": iso_micros(one.seen_at),
        }
        for one in found
    ]
    if found:
        # Who answers this also chooses back ends.
        chooser = {"host_name": found[0].id.partition("@")[0], "service": "cinder-scheduler"}
        view.insert(0, view[0] | chooser | {"service-status": "available", "service-state": "enabled"})
    return Reply(200, {"hosts": view})


@resource.on("GET", "/os-hosts/{host_name}", may="operator")
async def host(request: Request) -> Reply:
    backend = await _named(request, request.values["host_name"])
    here = Where().equal("backend_id", backend.id)
    volume_count, volumes_gib = await volumes.count_and_gib(request.tx, "volumes", here)
    of_those = Where().inside("volume_id", "SELECT id FROM volumes", here)
    snapshots, snapshots_gib = await volumes.count_and_gib(request.tx, "volume_snapshots", of_those)
    total = {
        "host": backend.id,
        "project": "(total)",
        "volume_count": str(volume_count),
        "total_volume_gb": str(volumes_gib),
        "snapshot_count": str(snapshots),
        "total_snapshot_gb": str(snapshots_gib),
    }
    return Reply(200, {"host": [{"resource": total}]})


@resource.on("GET", "/scheduler-stats/get_pools", may="operator")
async def pools(request: Request) -> Reply:
    view = []
    for one in await _all(request):
        pool: dict[str, Any] = {"name": pool_of(one.id)}
        if request.asked_flag("detail"):
            pool["capabilities"] = _capabilities(one)
        view.append(pool)
    return Reply(200, {"pools": view})


def _capabilities(backend: Backend) -> dict[str, Any]:
    return {
        "volume_backend_name": backend.driver,
        "pool_name": backend.driver,
        "storage_protocol": "nbd",
        "vendor_name": backends.VENDOR,
        "driver_version": "1.0",
        "total_capacity_gb": backend.total_gib,
        "free_capacity_gb": backend.free_gib,
        "allocated_capacity_gb": backend.allocated_gib,
        "provisioned_capacity_gb": backend.allocated_gib,
        "max_over_subscription_ratio": str(OVERSOLD),
        "reserved_percentage": 0,
        "QoS_support": True,
        "thick_provisioning_support": False,
        "timestamp": iso_micros(backend.seen_at),
        "updated": iso_micros(backend.seen_at),
    } | dict.fromkeys(backend.abilities, True)


@resource.on("GET", "/capabilities/{hostname}", may="operator")
async def capabilities(request: Request) -> Reply:
    backend = await _named(request, request.values["hostname"])
    view: dict[str, Any] = {
        "namespace": f"OS::Storage::Capabilities::{backend.id}",
        "vendor_name": backends.VENDOR,
        "volume_backend_name": backend.driver,
        "pool_name": None,
        "driver_version": "1.0",
        "storage_protocol": "nbd",
        "display_name": None,
        "description": None,
        "visibility": None,
        "replication_targets": [],
        "properties": {
            name: {"title": name, "description": f"Whether {name} is there.", "type": "boolean", "default": True}
            for name in backend.abilities
        },
    }
    return Reply(200, view)


@resource.on("GET", "/os-availability-zone", may="reader")
async def zones(request: Request) -> Reply:
    now = request.parts.clock.now()
    found: dict[str, bool] = {}
    for one in await _all(request):
        found[one.zone] = found.get(one.zone, False) or (one.enabled and backends.is_up(one, now))
    view = [{"zoneName": zone, "zoneState": {"available": up}} for zone, up in sorted(found.items())]
    return Reply(200, {"availabilityZoneInfo": view})


# -- clusters: every process is equal here, and none of them forms one


@resource.on("GET", "/clusters", may="operator", since="3.7")
@resource.on("GET", "/clusters/detail", may="operator", since="3.7")
async def clusters(request: Request) -> Reply:
    return Reply(200, {"clusters": []})


@resource.on("GET", "/clusters/{cluster_name}", may="operator", since="3.7")
async def cluster(request: Request) -> Reply:
    raise NotFound("cluster.absent", f"Cluster {request.values['cluster_name'][:64]} could not be found.")


@resource.on("PUT", "/clusters/enable", may="admin", since="3.7")
@resource.on("PUT", "/clusters/disable", may="admin", since="3.7")
async def change_cluster(request: Request) -> Reply:
    raise NotFound("cluster.absent", "There are no clusters here: every process is equal.")


@resource.on("POST", "/workers/cleanup", may="admin", since="3.24")
async def clean_up(request: Request) -> Reply:
    """Whoever holds the lease takes up what another left, by itself."""
    return Reply(202, {"cleaning": [], "unavailable": []})
