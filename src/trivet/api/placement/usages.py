"""/usages: what a project has taken, all providers together."""

import re

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.domain.placement import allocations
from trivet.errors import Forbidden

resource = Resource()

_TYPE = re.compile(r"^([A-Z0-9_]+|all|unknown)\Z")
_LENGTH_MAX = 255
_TYPED = 1038


@resource.on("GET", "/usages", may="token", decides="usage", since="1.9")
async def show(request: Request) -> Reply:
    wire.only(request, {"project_id", "user_id"} | ({"consumer_type"} if request.version >= _TYPED else set()))
    project_id = request.asked("project_id")
    user_id = request.asked("user_id")
    kind = request.asked("consumer_type")
    if project_id is None:
        raise wire.bad("'project_id' is a required property")
    for name, value in (("project_id", project_id), ("user_id", user_id), ("consumer_type", kind)):
        if value is not None and not 1 <= len(value) <= _LENGTH_MAX:
            raise wire.bad(f"{name} must have between 1 and {_LENGTH_MAX} characters")
    if kind is not None and not _TYPE.match(kind):
        raise wire.bad(f"{kind!r} does not match '^[A-Z0-9_]+$|^all|^unknown$'")
    caller = request.caller
    if not caller.has("service") and not (caller.has("reader") and caller.may_see(project_id)):
        raise Forbidden("policy.forbidden", "You may see the usages of your own project only, as its reader.")
    found: object
    if request.version >= _TYPED:
        found = await allocations.usages_by_type(request.tx, project_id, user_id, kind)
    else:
        found = await allocations.usages(request.tx, project_id, user_id)
    return wire.reply(request, 200, {"usages": found})
