"""/v1/containers: servers of that kind, in this service's words."""

from typing import Any

import msgspec

from trivet.api.container import bodies, said, views
from trivet.api.container.bodies import Change, ContainerName
from trivet.api.container.paging import asked, next_of
from trivet.api.container.said import call_of
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import LONG_BODY_MAX, Resource
from trivet.domain.numbers import whole_number
from trivet.domain.servers.containers import acts, containers, states
from trivet.domain.servers.containers.containers import Query
from trivet.domain.servers.containers.create import create_container
from trivet.errors import Conflict, Forbidden, Invalid

resource = Resource()
CONTAINERS = "/v1/containers"
CONTAINER = f"{CONTAINERS}/{{container_ident}}"
_EQUAL = {"name": "name", "project_id": "project_id", "user_id": "user_id", "task_state": "task"}
_PAGES = ("limit", "marker", "sort_key", "sort_dir", "resource_url", "expand", "all_projects")
_OTHERS = ("image", "memory", "host", "status", "auto_remove")
_FORCE_SINCE, _STOP_SINCE = 1007, 1012


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    run: str | bool | None = None


class Looking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    all_projects: str | bool | None = None


class Deleting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    force: str | bool | None = None
    stop: str | bool | None = None
    all_projects: str | bool | None = None


class Renaming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: ContainerName


@resource.on("POST", CONTAINERS, may="member", body_max=LONG_BODY_MAX)
async def create(request: Request) -> Reply:
    run = said.flag(request.asked("run"), "run", otherwise=False)
    unknown = [name for name, _ in request.query if name != "run"]
    if unknown:
        raise Invalid("query.unknown", f"Additional properties are not allowed ({unknown[0][:64]!r} was unexpected).")
    container = await create_container(request.tx, call_of(request), bodies.wanted(request, run=run))
    view = await views.shown(request, container)
    return Reply(202, view, [(b"location", view["links"][0]["href"].encode())])


@resource.on("GET", CONTAINERS, may="reader")
async def index(request: Request) -> Reply:
    everywhere = said.all_projects(request, request.asked("all_projects"))
    found = await containers.page(request.tx, request.caller, _query(request, everywhere=everywhere), asked(request))
    listed = await views.listed(request, found)
    return Reply(200, {"containers": listed, "next": next_of(request, CONTAINERS, [one.server.id for one in found])})


def _query(request: Request, *, everywhere: bool) -> Query:
    equal: dict[str, str | int] = {}
    others: dict[str, Any] = {}
    unknown = []
    for name, value in request.query:
        if name in _EQUAL:
            equal[_EQUAL[name]] = value
        elif name in _OTHERS:
            others[name] = value
        elif name not in _PAGES:
            unknown.append(name)
    if unknown:
        raise Invalid("query.unknown", f"Unknown parameters: {', '.join(unknown)[:255]}")
    if "host" in others:
        said.operator_only(request, "container:get_one:host")
    memory = whole_number(others["memory"]) if "memory" in others else None
    if "memory" in others and memory is None:
        raise Invalid("query.invalid", "memory is a number of MiB.")
    flagged = others.get("auto_remove")
    return Query(
        project_id=None if everywhere else request.caller.project_id or "",
        equal=equal,
        image=others.get("image"),
        host_name=others.get("host"),
        memory_mib=memory,
        statuses=(others["status"],) if "status" in others else None,
        ends_with_program=None if flagged is None else said.flag(flagged, "auto_remove", otherwise=False),
    )


@resource.on("GET", CONTAINER, may="reader")
async def show(request: Request) -> Reply:
    everywhere = said.all_projects(request, said.words(request, Looking).all_projects)
    server = await said.found(request, everywhere=everywhere)
    return Reply(200, await views.shown(request, (await containers.with_facts(request.tx, [server]))[0]))


@resource.on("PATCH", CONTAINER, may="member")
async def update(request: Request) -> Reply:
    server, call = await said.found(request), call_of(request)
    change = request.read(Change, strict=False)
    if change.cpu is not None or change.memory is not None:
        server = await acts.resize(request.tx, call, server, change.cpu, change.memory)
    else:
        states.check(server, "update")
    if change.name is not None:
        server = await acts.rename(request.tx, call, server, change.name)
    if change.auto_heal is not None:
        await acts.set_auto_heal(request.tx, server, said.flag(change.auto_heal, "auto_heal", otherwise=False))
    return Reply(200, await views.shown(request, (await containers.with_facts(request.tx, [server]))[0]))


@resource.on("POST", f"{CONTAINER}/rename", may="member", until="1.13")
async def rename(request: Request) -> Reply:
    server = await said.found(request)
    name = said.words(request, Renaming).name
    if server.name == name:
        raise Conflict("container.same_name", "The new name for the container is the same as the old name.")
    server = await acts.rename(request.tx, call_of(request), server, name)
    return Reply(200, await views.shown(request, (await containers.with_facts(request.tx, [server]))[0]))


@resource.on("POST", f"{CONTAINER}/resize_container", may="member", since="1.19")
async def resize_container(request: Request) -> Reply:
    server = await said.found(request)
    change = request.read(Change, strict=False)
    server = await acts.resize(
        request.tx, call_of(request), server, change.cpu, change.memory, action="resize_container"
    )
    return Reply(202, await views.shown(request, (await containers.with_facts(request.tx, [server]))[0]))


@resource.on("DELETE", CONTAINER, may="member")
async def delete(request: Request) -> Reply:
    wanted = said.words(request, Deleting)
    everywhere = said.all_projects(request, wanted.all_projects)
    force = said.flag(wanted.force, "force", otherwise=False)
    stop = said.flag(wanted.stop, "stop", otherwise=False)
    if force and not stop:
        _since(request, "force", _FORCE_SINCE)
        if not request.caller.is_operator:
            raise Forbidden("policy.forbidden", "Policy doesn't allow container:delete_force to be performed.")
    if stop:
        _since(request, "stop", _STOP_SINCE)
    server = await said.found(request, everywhere=everywhere)
    await acts.delete(request.tx, call_of(request), server, force=force, stop=stop)
    return Reply(204)


def _since(request: Request, name: str, version: int) -> None:
    if request.version < version:
        raise Invalid(
            "body.too_new",
            f"Invalid param {name} because current request version is 1.{request.version % 1000}. {name} is only "
            f"supported from version 1.{version % 1000}",
        )
