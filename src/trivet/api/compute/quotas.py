"""/os-quota-sets and /os-quota-class-sets: how much a project may use, and what a project gets by default.

Limits are identity's; here they are only spoken of in nova's words.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages, quota_words
from trivet.api.kit.bodies import Body, Until
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.users import USERS
from trivet.domain.limits import limit_rules, limits, quota_classes, user_limits
from trivet.errors import Forbidden, Invalid

resource = Resource()

Quota = Annotated[int, msgspec.Meta(ge=-1, le=0x7FFF_FFFF)]
Plain = Quota | UnsetType
OfNetwork = Annotated[Quota | UnsetType, Until("2.35")]
OfFiles = Annotated[Quota | UnsetType, Until("2.56")]


class Quotas(Body, frozen=True, kw_only=True):
    instances: Plain = UNSET
    cores: Plain = UNSET
    ram: Plain = UNSET
    metadata_items: Plain = UNSET
    key_pairs: Plain = UNSET
    server_groups: Plain = UNSET
    server_group_members: Plain = UNSET
    injected_files: OfFiles = UNSET
    injected_file_content_bytes: OfFiles = UNSET
    injected_file_path_bytes: OfFiles = UNSET
    fixed_ips: OfNetwork = UNSET
    floating_ips: OfNetwork = UNSET
    security_groups: OfNetwork = UNSET
    security_group_rules: OfNetwork = UNSET


class QuotaSet(Quotas, frozen=True, kw_only=True):
    tenant_id: str | UnsetType = UNSET
    force: bool | UnsetType = UNSET


class QuotaSetChange(Body, frozen=True, kw_only=True):
    quota_set: QuotaSet


OfNetworkInClass = Annotated[Quota | UnsetType, Until("2.49")]


class ClassQuotas(Quotas, frozen=True, kw_only=True):
    """What is shown and what may be said change in 2.50 both, but server groups could be said before."""

    fixed_ips: OfNetworkInClass = UNSET
    floating_ips: OfNetworkInClass = UNSET
    security_groups: OfNetworkInClass = UNSET
    security_group_rules: OfNetworkInClass = UNSET


class QuotaClassChange(Body, frozen=True, kw_only=True):
    quota_class_set: ClassQuotas


@resource.on("GET", "/v2.1/os-quota-sets/{tenant_id}", may="reader")
async def show(request: Request) -> Reply:
    project_id, user_id = await _asked(request)
    values = await quota_words.limits_of(request.tx, project_id, user_id)
    return _reply(request, {"id": project_id}, values)


@resource.on("GET", "/v2.1/os-quota-sets/{tenant_id}/detail", may="reader")
async def detail(request: Request) -> Reply:
    project_id, user_id = await _asked(request)
    values = await quota_words.limits_of(request.tx, project_id, user_id)
    used = await quota_words.used_of(request.tx, project_id, user_id)
    shown = {name: {"limit": limit, "in_use": used[name], "reserved": 0} for name, limit in values.items()}
    return _reply(request, {"id": project_id}, shown)


@resource.on("GET", "/v2.1/os-quota-sets/{tenant_id}/defaults", may="token", decides="anyone")
async def defaults(request: Request) -> Reply:
    project_id = await _known(request)
    return _reply(request, {"id": project_id}, await quota_words.limits_of(request.tx, ""))


@resource.on("PUT", "/v2.1/os-quota-sets/{tenant_id}", may="admin")
async def change(request: Request) -> Reply:
    said = request.read(QuotaSetChange, strict=False).quota_set
    project_id, user_id = await _asked(request)
    wanted = _wanted(said)
    if user_id is not None:
        await _check_user(request, user_id, wanted)
    if said.force is UNSET or not said.force:
        await _check(request, project_id, user_id, wanted)
    for name, limit in wanted.items():
        if user_id is None:
            await limit_rules.set_limit(request.tx, project_id, quota_words.NAMES[name], limit)
        else:
            await user_limits.set_limit(request.tx, project_id, user_id, quota_words.NAMES[name], limit)
    return _reply(request, {}, await quota_words.limits_of(request.tx, project_id, user_id))


@resource.on("DELETE", "/v2.1/os-quota-sets/{tenant_id}", may="admin")
async def reset(request: Request) -> Reply:
    """Ends the limits of one user; or those of the project, and with them those of all its users."""
    project_id, user_id = request.values["tenant_id"], request.asked("user_id")
    await user_limits.reset(request.tx, project_id, user_id)
    if user_id is None:
        await limits.reset_limits(request.tx, project_id, list(quota_words.NAMES.values()))
    return Reply(202)


@resource.on("GET", "/v2.1/os-quota-class-sets/{id}", may="operator")
async def show_class(request: Request) -> Reply:
    pages.known(request, set(), since=2102)
    return await _class_reply(request, {"id": request.values["id"]})


@resource.on("PUT", "/v2.1/os-quota-class-sets/{id}", may="admin")
async def change_class(request: Request) -> Reply:
    wanted = _wanted(request.read(QuotaClassChange, strict=False).quota_class_set)
    for name, limit in wanted.items():
        await quota_classes.set_limit(request.tx, request.values["id"], quota_words.NAMES[name], limit)
    return await _class_reply(request, {})


async def _class_reply(request: Request, start: dict[str, Any]) -> Reply:
    values = await quota_classes.limits_of(request.tx, request.values["id"])
    names = quota_words.names(request.version, network_until=2049)
    if request.version < 2050:
        names = [name for name in names if name not in ("server_groups", "server_group_members")]
    return Reply(200, {"quota_class_set": start | {name: values[quota_words.NAMES[name]] for name in names}})


def _wanted(said: Quotas) -> dict[str, int]:
    wanted = {name: getattr(said, name) for name in quota_words.NAMES}
    return {name: limit for name, limit in wanted.items() if limit is not UNSET}


async def _check(request: Request, project_id: str, user_id: str | None, wanted: dict[str, int]) -> None:
    """Nothing below what is taken, or promised to users; for one user no more than the project has left."""
    used = await quota_words.used_of(request.tx, project_id, user_id)
    promised = await user_limits.promised(request.tx, project_id, user_id or "")
    whole = await quota_words.limits_of(request.tx, project_id)
    for name, limit in wanted.items():
        others = promised.get(quota_words.NAMES[name], 0)
        least = used[name] if user_id is not None else max(used[name], others)
        if -1 < limit < least:
            raise Invalid(
                "quota.below_use",
                f"Quota limit {limit} for {name} must be greater than or equal to already used and reserved {least}.",
            )
        most = whole[name] - others
        if user_id is not None and whole[name] > -1 and not -1 < limit <= most:
            raise Invalid(
                "quota.above_project", f"Quota limit {limit} for {name} must be less than or equal to {most}."
            )


async def _check_user(request: Request, user_id: str, wanted: dict[str, int]) -> None:
    if await request.tx.get(USERS, user_id) is None:
        raise Invalid("user.absent", f"User ID {user_id[:64]} is not a valid user.")
    whole = sorted(name for name in wanted if quota_words.NAMES[name] not in user_limits.RESOURCES)
    if whole:
        raise Invalid("quota.of_project", f"{', '.join(whole)}: what is limited by project only; leave user_id out.")


async def _asked(request: Request) -> tuple[str, str | None]:
    """(project, and which user of it, if one was named)"""
    pages.known(request, {"user_id"}, since=2075)
    project_id = request.values["tenant_id"]
    if not request.caller.may_see(project_id):
        raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:os-quota-sets of another project.")
    return await _known(request), request.asked("user_id")


async def _known(request: Request) -> str:
    project_id = request.values["tenant_id"]
    if await request.tx.get(PROJECTS, project_id) is None:
        raise Invalid("project.absent", f"Project ID {project_id} is not a valid project.")
    return project_id


def _reply(request: Request, start: dict[str, Any], values: dict[str, Any]) -> Reply:
    return Reply(200, {"quota_set": start | quota_words.shown(request.version, values)})
