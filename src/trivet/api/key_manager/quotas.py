"""/v1/quotas and /v1/project-quotas: how much a project may keep, and what an operator has set for it."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.key_manager import paging
from trivet.api.key_manager.bodies import BODY_MAX, read
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access, limits
from trivet.errors import Invalid

resource = Resource()
PATH = "/v1/project-quotas/{project_id}"
Number = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]


class Quotas(Body, frozen=True, kw_only=True):
    secrets: Number | UnsetType = UNSET
    orders: Number | UnsetType = UNSET
    containers: Number | UnsetType = UNSET
    consumers: Number | UnsetType = UNSET
    cas: Number | UnsetType = UNSET


class QuotasBody(Body, frozen=True, kw_only=True):
    project_quotas: Quotas


@resource.on("GET", "/v1/quotas", may="token", decides="key roles")
async def effective(request: Request) -> Reply:
    project_id = access.need_in_project(request.caller, "reader", access.LOOK, "Quotas")
    return Reply(200, {"quotas": await limits.effective(request.tx, project_id)})


@resource.on("GET", "/v1/project-quotas", may="admin")
async def index(request: Request) -> Reply:
    page = paging.asked(request)
    found, total = await limits.listed(request.tx, page.limit, page.offset)
    shown = [{"project_id": one.project_id, "project_quotas": one.set} for one in found]
    return paging.reply(request, "project_quotas", "project_quotas", shown, total)


@resource.on("GET", PATH, may="admin")
async def show(request: Request) -> Reply:
    return Reply(200, {"project_quotas": await limits.of_project(request.tx, request.values["project_id"])})


@resource.on("PUT", PATH, may="admin", body_max=BODY_MAX)
async def replace(request: Request) -> Reply:
    if not request.body:
        raise Invalid("body.empty", "Project Quotas issue seen - No data supplied to process..")
    said = read(request, QuotasBody, "Project Quota").project_quotas
    wanted = {name: getattr(said, name) for name in limits.RESOURCES if getattr(said, name) is not UNSET}
    await limits.change(request.tx, request.values["project_id"], wanted)
    return Reply(204)


@resource.on("DELETE", PATH, may="admin")
async def delete(request: Request) -> Reply:
    await limits.reset(request.tx, request.values["project_id"])
    return Reply(204)
