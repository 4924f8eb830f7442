"""/os-quota-sets, /os-quota-class-sets and /limits: how much of volumes a project may have."""

from typing import Any

from trivet.api.kit.request import Reply, Request
from trivet.api.volume.bodies import Loose
from trivet.api.volume.paths import VolumeResource
from trivet.domain.identity.people import projects
from trivet.domain.limits import limits, quotas
from trivet.domain.numbers import whole_number
from trivet.domain.volumes import quota_sets
from trivet.errors import Forbidden, Invalid, NotFound

resource = VolumeResource()
PATH = "/os-quota-sets/{tenant_id}"
_MOST = 2147483647


class SetBody(Loose, frozen=True, kw_only=True):
    quota_set: dict[str, Any]


class ClassBody(Loose, frozen=True, kw_only=True):
    quota_class_set: dict[str, Any]


def _target(request: Request) -> str:
    """One's own, or for an operator anybody's."""
    target = request.values["tenant_id"]
    if target != request.caller.project_id and not request.caller.may_see(target):
        raise Forbidden("policy.forbidden", "You may look at the quotas of your own project only.")
    return target


@resource.on("GET", PATH, may="reader")
async def show(request: Request) -> Reply:
    target = _target(request)
    found = await quota_sets.of_project(request.tx, request.caller, target)
    if request.asked_flag("usage"):
        view: dict[str, Any] = {
            name: {"limit": limit, "in_use": in_use, "reserved": 0} for name, (limit, in_use) in found.items()
        }
    else:
        view = {name: limit for name, (limit, _) in found.items()}
    return Reply(200, {"quota_set": {"id": target} | view})


@resource.on("GET", PATH + "/defaults", may="reader")
async def defaults(request: Request) -> Reply:
    return Reply(200, {"quota_set": {"id": _target(request)} | await quota_sets.defaults(request.tx, request.caller)})


@resource.on("PUT", PATH, may="admin")
async def put(request: Request) -> Reply:
    target = request.values["tenant_id"]
    said = _numbers(request.read(SetBody).quota_set)
    if not await projects.exists(request.tx, target):
        raise NotFound("project.absent", f"Project {target[:64]} could not be found.")
    await quota_sets.change(request.tx, target, said)
    found = await quota_sets.of_project(request.tx, request.caller, target)
    return Reply(200, {"quota_set": {name: limit for name, (limit, _) in found.items()}})


@resource.on("DELETE", PATH, may="admin")
async def delete(request: Request) -> Reply:
    await quota_sets.reset(request.tx, request.values["tenant_id"])
    return Reply(200)


def _numbers(said: dict[str, Any]) -> dict[str, int]:
    found = {}
    for name, value in said.items():
        if name in ("tenant_id", "id", "force"):
            continue
        text = str(value)
        number = -1 if text == "-1" else whole_number(text)
        if isinstance(value, bool) or number is None or number > _MOST:
            raise Invalid(
                "body.invalid", f"Invalid input for field/attribute {name[:64]}. {text[:32]!r} is not -1 to {_MOST}."
            )
        found[name] = number
    return found


# -- classes: the one that there is are the defaults


@resource.on("GET", "/os-quota-class-sets/{class_name}", may="operator")
async def show_class(request: Request) -> Reply:
    name = request.values["class_name"]
    return Reply(200, {"quota_class_set": {"id": name} | await quota_sets.defaults(request.tx, request.caller)})


@resource.on("PUT", "/os-quota-class-sets/{class_name}", may="admin")
async def put_class(request: Request) -> Reply:
    if request.values["class_name"] != "default":
        raise Invalid("quota_class.other", "Only the class default binds anybody here.")
    await quota_sets.change_defaults(request.tx, _numbers(request.read(ClassBody).quota_class_set))
    return Reply(200, {"quota_class_set": await quota_sets.defaults(request.tx, request.caller)})


# -- limits


@resource.on("GET", "/limits", may="reader")
async def show_limits(request: Request) -> Reply:
    project_id = request.caller.project_id or ""
    asked = request.asked("project_id")
    if request.version >= 3039 and asked is not None and request.caller.may_see(asked):
        project_id = asked
    most = await limits.limits_of(request.tx, project_id)
    used = await quotas.used_all(request.tx, project_id)
    absolute = {
        "maxTotalVolumes": most["volumes"],
        "maxTotalSnapshots": most["snapshots"],
        "maxTotalVolumeGigabytes": most["gigabytes"],
        "maxTotalBackups": most["backups"],
        "maxTotalBackupGigabytes": most["backup_gigabytes"],
        "totalVolumesUsed": used.get("volumes", 0),
        "totalSnapshotsUsed": used.get("snapshots", 0),
        "totalGigabytesUsed": used.get("gigabytes", 0),
        "totalBackupsUsed": used.get("backups", 0),
        "totalBackupGigabytesUsed": used.get("backup_gigabytes", 0),
    }
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})
