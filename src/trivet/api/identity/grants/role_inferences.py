"""/v3/roles/{prior_role_id}/implies and /v3/role_inferences: which roles bring others with them."""

from trivet.api.identity import views
from trivet.api.identity.views import View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.grants import implied_roles
from trivet.domain.identity.people import roles
from trivet.domain.identity.people.roles import Role
from trivet.errors import NotFound


async def _prior(request: Request) -> Role:
    return await roles.need(request.tx, request.values["role_id"])


resource = Resource(names="role_id", seen=_prior)

_OF = "/v3/roles/{role_id}/implies"
_ONE = "/v3/roles/{role_id}/implies/{implied_role_id}"


def _short(request: Request, role: Role) -> View:
    return views.linked(request, f"roles/{role.id}", {"id": role.id, "name": role.name})


def _pair(request: Request, prior: Role, implied: Role, status: int) -> Reply:
    at = views.url(request, f"roles/{prior.id}/implies/{implied.id}")
    body = {
        "role_inference": {"prior_role": _short(request, prior), "implies": _short(request, implied)},
        "links": {"self": at},
    }
    return Reply(status, body)


@looks(resource, "/v3/role_inferences")
async def list_everything(request: Request) -> Reply:
    found = [
        {"prior_role": _short(request, prior), "implies": [_short(request, role) for role in implied]}
        for prior, implied in await implied_roles.everything(request.tx)
    ]
    links = {"self": views.url(request, "role_inferences"), "next": None, "previous": None}
    return Reply(200, {"role_inferences": found, "links": links})


@looks(resource, _OF)
async def list_of(request: Request) -> Reply:
    prior = await roles.need(request.tx, request.values["role_id"])
    implied = [_short(request, role) for role in await implied_roles.of(request.tx, prior.id)]
    body = {
        "role_inference": {"prior_role": _short(request, prior), "implies": implied},
        "links": {"self": views.url(request, f"roles/{prior.id}/implies")},
    }
    return Reply(200, body)


@writes(resource, "PUT", _ONE, may="admin")
async def add(request: Request) -> Reply:
    prior, implied = await implied_roles.add(request.tx, request.values["role_id"], request.values["implied_role_id"])
    return _pair(request, prior, implied, 201)


async def _held(request: Request) -> tuple[Role, Role]:
    prior, implied = await implied_roles.pair(request.tx, request.values["role_id"], request.values["implied_role_id"])
    if not await implied_roles.holds(request.tx, prior.id, implied.id):
        raise NotFound("role.not_implied", f"{prior.id} does not imply {implied.id}.")
    return prior, implied


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    prior, implied = await _held(request)
    return _pair(request, prior, implied, 200)


@looks(resource, _ONE, "HEAD")
async def check(request: Request) -> Reply:
    await _held(request)
    return Reply(204)


@writes(resource, "DELETE", _ONE, may="admin")
async def remove(request: Request) -> Reply:
    await implied_roles.remove(request.tx, request.values["role_id"], request.values["implied_role_id"])
    return Reply(204)
