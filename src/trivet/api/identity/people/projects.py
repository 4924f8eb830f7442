"""/v3/projects: what things belong to. Those that act as domains are shown at /v3/domains too."""

from typing import Any

from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, Id, ShortName, Text, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain import removal
from trivet.domain.identity import personas
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.project_tags import Tag, check_tags
from trivet.domain.identity.people.projects import Project
from trivet.errors import Invalid
from trivet.store.tx import Tx
from trivet.store.where import by_tags

resource = Resource()

FILTERS = ("name", "domain_id", "parent_id", "enabled", "is_domain", "description", "id")


class ProjectFields(Fields, frozen=True):
    name: ShortName | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    is_domain: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    tags: tuple[Tag, ...] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET


def view(request: Request, project: Project) -> View:
    shown = {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "parent_id": project.parent_id,
        "is_domain": project.is_domain,
        "enabled": project.enabled,
        "description": project.description,
        "tags": list(project.tags),
        "options": project.options,
    }
    return views.linked(request, f"projects/{project.id}", shown)


def record(tx: Tx, fields: ProjectFields, extra: dict[str, Any]) -> Project:
    given = fields.given()
    views.required(given, "name")
    return Project(
        id=tx.ids.hex(),
        name=given["name"],
        domain_id=given.get("domain_id"),
        parent_id=given.get("parent_id"),
        is_domain=given.get("is_domain", False),
        enabled=given.get("enabled", True),
        description=given.get("description") or "",
        tags=check_tags(given.get("tags", ())),
        options=check_options(given.get("options", {})),
        extra=extra,
    )


def checked(changes: dict[str, Any]) -> dict[str, Any]:
    if "description" in changes:
        changes["description"] = changes["description"] or ""
    if "tags" in changes:
        changes["tags"] = check_tags(changes["tags"])
    if "options" in changes:
        changes["options"] = check_options(changes["options"], keep_none=True)
    return changes


def check_options(options: dict[str, Any], *, keep_none: bool = False) -> dict[str, Any]:
    """None takes an option away."""
    for name, value in options.items():
        if name != "immutable" or not (value is None or isinstance(value, bool)):
            raise Invalid("body.invalid", f"There is no option {name[:64]!r} with such a value.")
    return {name: value for name, value in options.items() if keep_none or value is not None}


@resource.on("GET", "/v3/projects", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    where = personas.listed(request.caller, "identity:list_projects")
    where.equal("is_domain", int(request.asked_flag("is_domain") or False))
    for name, value in request.query:
        if name in ("tags", "tags-any", "not-tags", "not-tags-any"):
            by_tags(where, "tags", name, value.split(","))
    return await views.page(request, "projects", projects.PROJECTS, view, where, columns=FILTERS)


@writes(resource, "POST", "/v3/projects", may="token", decides="domain")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "project", ProjectFields)
    made = await projects.create(request.tx, request.caller, record(request.tx, fields, extra))
    return Reply(201, {"project": view(request, made)})


@resource.on("GET", "/v3/projects/{project_id}", may="token", decides="within")
async def show(request: Request) -> Reply:
    found = await projects.visible(request.tx, request.caller, request.values["project_id"])
    shown = view(request, found)
    await _add_tree(request, found, shown)
    return Reply(200, {"project": shown})


async def _add_tree(request: Request, project: Project, shown: View) -> None:
    asked = {name for name, _ in request.query}
    for direction in ("parents", "subtree"):
        if {f"{direction}_as_list", f"{direction}_as_ids"} <= asked:
            raise Invalid("query.contradiction", f"Ask for {direction} as a list or as ids, not both.")
    if asked & {"parents_as_list", "parents_as_ids"}:
        above = [one for one in await projects.parents(request.tx, project.id) if not one.is_domain]
        if "parents_as_list" in asked:
            shown["parents"] = [{"project": view(request, one)} for one in above]
        else:
            chain: dict[str, Any] | None = None
            ids = [one.id for one in above] + ([project.domain_id] if project.domain_id else [])
            for id in reversed(ids):
                chain = {id: chain}
            shown["parents"] = chain
    if asked & {"subtree_as_list", "subtree_as_ids"}:
        below = await projects.subtree(request.tx, project.id)
        if "subtree_as_list" in asked:
            shown["subtree"] = [{"project": view(request, one)} for one in below]
        else:
            shown["subtree"] = _nested(below, project.id)


def _nested(below: list[Project], id: str) -> dict[str, Any] | None:
    return {one.id: _nested(below, one.id) for one in below if one.parent_id == id} or None


@writes(resource, "PATCH", "/v3/projects/{project_id}", may="token", decides="domain")
async def update(request: Request) -> Reply:
    changes = checked(views.changes(request, "project", ProjectFields))
    views.check_id(request, "project")
    changed = await projects.update(request.tx, request.caller, request.values["project_id"], changes)
    return Reply(200, {"project": view(request, changed)})


@writes(resource, "DELETE", "/v3/projects/{project_id}", may="token", decides="domain")
async def delete(request: Request) -> Reply:
    await removal.project(request.tx, request.caller, request.values["project_id"])
    return Reply(204)
