"""What clients see of volumes and snapshots, in every microversion."""

from collections.abc import Sequence
from typing import Any

from trivet.api.kit.request import Request
from trivet.api.volume.paths import links
from trivet.clock import iso_micros
from trivet.domain.volumes import attachments, types
from trivet.domain.volumes.attachments import Attachment
from trivet.domain.volumes.backends import pool_of
from trivet.domain.volumes.snapshots import Snapshot
from trivet.domain.volumes.types import TYPES, VolumeType
from trivet.domain.volumes.volumes import Volume
from trivet.store.where import Where

Json = dict[str, Any]


def brief(request: Request, volume: Volume) -> Json:
    return {"id": volume.id, "name": volume.name, "links": links(request, "volumes", volume.id)}


async def detailed(request: Request, volumes: Sequence[Volume]) -> list[Json]:
    """A whole page with two queries more."""
    used = await attachments.of_volumes(request.tx, [volume.id for volume in volumes])
    ids = sorted({volume.type_id for volume in volumes if volume.type_id is not None})
    named: dict[str, VolumeType] = {}
    if ids:
        named = {type.id: type for type in await request.tx.select(TYPES, Where().any_of("id", ids))}
    return [_volume(request, volume, used.get(volume.id, []), named) for volume in volumes]


async def shown(request: Request, volume: Volume) -> Json:
    return (await detailed(request, (volume,)))[0]


async def written(request: Request, volume: Volume) -> Json:
    """What a write answers with: as shown, but for what later came with extensions of showing."""
    view = await shown(request, volume)
    later = ("os-vol-", "volume_image_metadata")
    return {name: value for name, value in view.items() if not name.startswith(later)}


def _volume(request: Request, volume: Volume, used: list[Attachment], named: dict[str, VolumeType]) -> Json:
    type = named.get(volume.type_id) if volume.type_id is not None else None
    view: Json = {
        "id": volume.id,
        "status": volume.status,
        "size": volume.size_gib,
        "availability_zone": volume.zone,
        "created_at": iso_micros(volume.created_at),
        "updated_at": iso_micros(volume.updated_at),
        "attachments": [_used(one) for one in used if one.status in ("attached", "detaching") and one.attached_at],
        "name": volume.name,
        "description": volume.description,
        "volume_type": type.name if type is not None else None,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volume_id,
        "metadata": _metadata(volume),
        "links": links(request, "volumes", volume.id),
        "user_id": volume.user_id,
        "bootable": "true" if volume.bootable else "false",
        "encrypted": volume.encryption_key_id is not None,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": volume.multiattach,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
    }
    if volume.image_metadata:
        view["volume_image_metadata"] = volume.image_metadata
    if request.caller.is_operator:
        view["migration_status"] = volume.migration_status
        view["os-vol-host-attr:host"] = pool_of(volume.backend_id) if volume.backend_id else None
        view["os-vol-mig-status-attr:migstat"] = volume.migration_status
        view["os-vol-mig-status-attr:name_id"] = None
    _newer(view, request, volume)
    return view


def _newer(view: Json, request: Request, volume: Volume) -> None:
    version, operator = request.version, request.caller.is_operator
    if version >= 3013:
        view["group_id"] = volume.group_id
    if version >= 3021 and operator:
        view["provider_id"] = None
    if version >= 3048:
        view["shared_targets"] = False
        view["service_uuid"] = None
    if version >= 3061 and operator:
        view["cluster_name"] = None
    if version >= 3063:
        view["volume_type_id"] = volume.type_id
    if version >= 3064 and volume.encryption_key_id is not None:
        view["encryption_key_id"] = volume.encryption_key_id
    if version >= 3065:
        view["consumes_quota"] = True


def _metadata(volume: Volume) -> dict[str, str]:
    if volume.read_only is None:
        return volume.metadata
    return volume.metadata | {"readonly": str(volume.read_only)}


def _used(attachment: Attachment) -> Json:
    connector = attachment.connector or {}
    return {
        "id": attachment.volume_id,
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "server_id": attachment.server_id or attachment.instance_id,
        "host_name": connector.get("host"),
        "device": attachment.device,
        "attached_at": iso_micros(attachment.attached_at),
    }


def snapshot(request: Request, found: Snapshot, *, detail: bool = True) -> Json:
    view: Json = {
        "id": found.id,
        "name": found.name,
        "volume_id": found.volume_id,
        "status": found.status,
        "size": found.size_gib,
        "metadata": found.metadata,
        "description": found.description,
        "created_at": iso_micros(found.created_at),
        "updated_at": iso_micros(found.updated_at),
    }
    if detail:
        view["os-extended-snapshot-attributes:progress"] = found.progress
        view["os-extended-snapshot-attributes:project_id"] = found.project_id
    if request.version >= 3014:
        view["group_snapshot_id"] = found.group_snapshot_id
    if request.version >= 3041:
        view["user_id"] = found.user_id
    if request.version >= 3065:
        view["consumes_quota"] = True
    return view


def volume_type(request: Request, type: VolumeType, *, written: bool = False) -> Json:
    operator = request.caller.is_operator
    specs = type.extra_specs
    if not operator:
        specs = {name: value for name, value in specs.items() if name in types.SEEN_BY_TENANTS}
    view: Json = {
        "id": type.id,
        "name": type.name,
        "is_public": type.is_public,
        "description": type.description,
        "extra_specs": specs,
        "os-volume-type-access:is_public": type.is_public,
    }
    if operator and not written:
        view["qos_specs_id"] = type.qos_id
    return view
