"""/v1/secrets/{id}/acl and /v1/containers/{id}/acl: who reads it beside its project, and whether that does."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.key_manager import views
from trivet.api.key_manager.bodies import BODY_MAX, Text, read
from trivet.api.kit.bodies import Body, or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access, acls, containers, stored_secrets
from trivet.domain.key_manager.access import Owned, Rules
from trivet.domain.key_manager.acls import ACLS
from trivet.domain.row_locks import hold
from trivet.store.tables import Table

resource = Resource()
Users = Annotated[tuple[Text, ...], msgspec.Meta(max_length=500)]


class Reading(Body, frozen=True, kw_only=True):
    users: Users | UnsetType = UNSET
    project_access: bool | UnsetType = msgspec.field(default=UNSET, name="project-access")


class AclBody(Body, frozen=True, kw_only=True):
    read: Reading | UnsetType = UNSET


async def _secret(request: Request, doing: str, older: frozenset[str]) -> tuple[Owned, Rules]:
    return await stored_secrets.usable(request.tx, request.caller, request.values["secret_id"], doing, older)


async def _container(request: Request, doing: str, older: frozenset[str]) -> tuple[Owned, Rules]:
    return await containers.usable(request.tx, request.caller, request.values["container_id"], doing, older)


def _declare(
    noun: str, path: str, find: Callable[[Request, str, frozenset[str]], Awaitable[tuple[Owned, Rules]]],
    table: Table[Any],
) -> None:  # fmt: skip
    @resource.on("GET", f"{path}/acl", may="token", decides="keys")
    async def show(request: Request) -> Reply:
        found, _ = await find(request, f"{noun}ACL(s) retrieval", access.READ)
        return Reply(200, {"read": await _view(request, found.id)})

    @resource.on("PUT", f"{path}/acl", may="token", decides="keys", body_max=BODY_MAX)
    async def replace(request: Request) -> Reply:
        """Nothing said is the project's access, and nobody else's."""
        found, _ = await find(request, f"{noun}ACL(s) Update", access.CREATE)
        said = read(request, AclBody, "ACL").read
        await hold(request.tx, table, found.id)
        if isinstance(said, UnsetType):
            await acls.drop(request.tx, found.id)
        else:
            open_to_project = said.project_access is not False
            await acls.change(request.tx, found.id, project_access=open_to_project, users=or_none(said.users) or ())
        return _told(request, path, found.id)

    @resource.on("PATCH", f"{path}/acl", may="token", decides="keys", body_max=BODY_MAX)
    async def change(request: Request) -> Reply:
        found, _ = await find(request, f"{noun}ACL(s) Update", access.CREATE)
        said = read(request, AclBody, "ACL").read
        await hold(request.tx, table, found.id)
        if not isinstance(said, UnsetType):
            await acls.change(
                request.tx, found.id, project_access=or_none(said.project_access), users=or_none(said.users)
            )
        return _told(request, path, found.id)

    @resource.on("DELETE", f"{path}/acl", may="token", decides="keys")
    async def delete(request: Request) -> Reply:
        found, _ = await find(request, f"{noun}ACL(s) deletion", access.CREATE)
        await hold(request.tx, table, found.id)
        await acls.drop(request.tx, found.id)
        return Reply(200)


async def _view(request: Request, id: str) -> dict[str, Any]:
    found = await request.tx.get(ACLS, id)
    if found is None:
        return {"project-access": True}
    return {
        "project-access": found.project_access,
        "users": await acls.users_of(request.tx, id),
        "created": views.time(found.created_at),
        "updated": views.time(found.updated_at),
    }


def _told(request: Request, path: str, id: str) -> Reply:
    return Reply(200, {"acl_ref": views.ref(request, path.split("/")[2], id) + "/acl"})


_declare("Secret", "/v1/secrets/{secret_id}", _secret, stored_secrets.STORED_SECRETS)
_declare("Container", "/v1/containers/{container_id}", _container, containers.CONTAINERS)
