"""/v1/containers: secrets that belong together."""

from typing import Annotated

import msgspec

from trivet.api.key_manager import paging, views
from trivet.api.key_manager.bodies import BODY_MAX, Loose, Ref, Text, id_in, read, secret_in
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access, consumers, containers, limits
from trivet.domain.key_manager.access import Owner
from trivet.domain.key_manager.containers import HELD_MAX, ContainerType, Held
from trivet.store.where import Where

resource = Resource()
PATH = "/v1/containers/{container_id}"
_CREATING = "Container creation"


class SecretRef(Loose, frozen=True, kw_only=True):
    name: Text | None = None
    secret_ref: Ref


class NewContainer(Loose, frozen=True, kw_only=True):
    name: Text | None = None
    type: ContainerType
    secret_refs: Annotated[tuple[SecretRef, ...], msgspec.Meta(max_length=HELD_MAX)] = ()


@resource.on("POST", "/v1/containers", may="token", decides="key roles", body_max=BODY_MAX)
async def create(request: Request) -> Reply:
    tx, caller = request.tx, request.caller
    project_id = access.need_in_project(caller, "member", access.CREATE, _CREATING)
    said = read(request, NewContainer, "Container")
    held = [Held(id_in(one.secret_ref, "secrets"), _name(one.name)) for one in said.secret_refs]
    containers.check_held(said.type, held)
    for one in said.secret_refs:
        secret_in(request, one.secret_ref)
    made = await containers.create(tx, Owner(project_id, caller.user_id), _name(said.name), said.type, held)
    await limits.settled(tx, _CREATING)
    return _made(request, made.id)


def _name(said: str | None) -> str | None:
    return said.strip() if said is not None else None


def _made(request: Request, id: str) -> Reply:
    url = views.ref(request, "containers", id)
    return Reply(201, {"container_ref": url}, [(b"location", url.encode())])


@resource.on("GET", "/v1/containers", may="token", decides="key roles")
async def index(request: Request) -> Reply:
    tx = request.tx
    project_id = access.need_in_project(request.caller, "member", access.READ, "Containers(s) retrieval")
    where = Where().equal("project_id", project_id)
    for name in ("name", "type"):
        said = request.asked(name)
        if said:
            where.equal(name, said)
    found, total = await containers.listed(tx, where, paging.asked(request))
    held = await containers.held_by(tx, [one.id for one in found])
    shown = [views.container(request, one, held[one.id], await consumers.of(tx, one.id)) for one in found]
    return paging.reply(request, "containers", "containers", shown, total)


@resource.on("GET", PATH, may="token", decides="keys")
async def show(request: Request) -> Reply:
    tx = request.tx
    found = await containers.readable(tx, request.caller, request.values["container_id"], "Container retrieval")
    held = await containers.held_by(tx, [found.id])
    return Reply(200, views.container(request, found, held[found.id], await consumers.of(tx, found.id)))


@resource.on("DELETE", PATH, may="token", decides="keys")
async def delete(request: Request) -> Reply:
    id = request.values["container_id"]
    found, _ = await containers.usable(request.tx, request.caller, id, "Container deletion")
    await containers.delete(request.tx, found)
    return Reply(204)


@resource.on("POST", f"{PATH}/secrets", may="token", decides="keys", body_max=BODY_MAX)
async def add(request: Request) -> Reply:
    id = request.values["container_id"]
    found, _ = await containers.usable(request.tx, request.caller, id, "Container Secret creation")
    said = read(request, SecretRef, "ContainerSecret")
    held = Held(id_in(said.secret_ref, "secrets"), _name(said.name))
    await containers.add(request.tx, request.caller, found, held)
    return _made(request, found.id)


@resource.on("DELETE", f"{PATH}/secrets", may="token", decides="keys", body_max=BODY_MAX)
async def take_out(request: Request) -> Reply:
    id = request.values["container_id"]
    found, _ = await containers.usable(request.tx, request.caller, id, "Container Secret deletion")
    said = read(request, SecretRef, "ContainerSecret")
    held = Held(id_in(said.secret_ref, "secrets"), _name(said.name))
    await containers.take_out(request.tx, request.caller, found, held, said.secret_ref)
    return Reply(204)
