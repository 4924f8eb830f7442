"""/v3/groups/{group_id}/users: who is in a group."""

from trivet.api.identity import views
from trivet.api.identity.people import users as user_dialect
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.grants import groups
from trivet.domain.identity.people import users
from trivet.errors import NotFound

resource = Resource()

_ONE = "/v3/groups/{group_id}/users/{user_id}"


@resource.on("GET", "/v3/groups/{group_id}/users", may="token", decides="domain")
async def list_all(request: Request) -> Reply:
    caller = request.caller
    await groups.visible(request.tx, caller, request.values["group_id"], "identity:list_users_in_group")
    where = users.narrow_by_password_end(
        groups.members(request.values["group_id"]), request.asked("password_expires_at")
    )
    if caller.domain_id is not None:
        where.equal("domain_id", caller.domain_id)
    return await views.page(
        request, "users", users.USERS, user_dialect.view, where, columns=("name", "enabled", "domain_id")
    )


@resource.on("GET", _ONE, may="token", decides="domain")
async def check(request: Request) -> Reply:
    group_id, user_id = request.values["group_id"], request.values["user_id"]
    action = "identity:check_user_in_group"
    await groups.visible(request.tx, request.caller, group_id, action)
    await users.visible(request.tx, request.caller, user_id, action)
    if not await groups.is_member(request.tx, group_id, user_id):
        raise NotFound("group.no_member", f"User {user_id} is not in group {group_id}.")
    return Reply(204)


@writes(resource, "PUT", _ONE, may="token", decides="domain")
async def add(request: Request) -> Reply:
    await groups.add_member(request.tx, request.caller, request.values["group_id"], request.values["user_id"])
    return Reply(204)


@writes(resource, "DELETE", _ONE, may="token", decides="domain")
async def remove(request: Request) -> Reply:
    await groups.remove_member(request.tx, request.caller, request.values["group_id"], request.values["user_id"])
    return Reply(204)
