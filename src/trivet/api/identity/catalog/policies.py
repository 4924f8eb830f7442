"""/v3/policies, and OS-ENDPOINT-POLICY: which endpoint each is for."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.catalog import endpoints as endpoint_dialect
from trivet.api.identity.views import Fields, View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity import extras
from trivet.domain.identity.catalog import policies
from trivet.domain.identity.catalog.endpoints import ENDPOINTS
from trivet.domain.identity.catalog.policies import POLICIES, Policy, Target
from trivet.store.where import Where

resource = Resource()

_ONE = "/v3/policies/{policy_id}"
_FOR = f"{_ONE}/OS-ENDPOINT-POLICY"


class PolicyFields(Fields, frozen=True):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    blob: Any = UNSET


def view(request: Request, policy: Policy) -> View:
    shown = {**policy.extra, "id": policy.id, "type": policy.type, "blob": msgspec.json.decode(policy.blob)}
    return views.linked(request, f"policies/{policy.id}", shown)


def _given(request: Request) -> dict[str, Any]:
    given = views.changes(request, "policy", PolicyFields)
    if "blob" in given:
        given["blob"] = msgspec.json.encode(given["blob"]).decode()
    return given


@looks(resource, "/v3/policies")
async def list_all(request: Request) -> Reply:
    return await views.page(request, "policies", POLICIES, view, Where(), columns=("type",), order=("id",))


@writes(resource, "POST", "/v3/policies", may="admin")
async def create(request: Request) -> Reply:
    given = _given(request)
    views.required(given, "type", "blob")
    made = await policies.create(request.tx, Policy(id=request.tx.ids.hex(), **given))
    return Reply(201, {"policy": view(request, made)})


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    return Reply(200, {"policy": view(request, await policies.need(request.tx, request.values["policy_id"]))})


@writes(resource, "PATCH", _ONE, may="admin")
async def update(request: Request) -> Reply:
    changes = _given(request)
    views.check_change(request, "policy")
    found = await policies.need(request.tx, request.values["policy_id"])
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return Reply(200, {"policy": view(request, await policies.change(request.tx, found, changes))})


@writes(resource, "DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    await policies.delete(request.tx, await policies.need(request.tx, request.values["policy_id"]))
    return Reply(204)


@looks(resource, f"{_FOR}/endpoints")
async def list_endpoints(request: Request) -> Reply:
    where = await policies.endpoints_of(request.tx, request.values["policy_id"])
    return await views.page(request, "endpoints", ENDPOINTS, endpoint_dialect.view, where, order=("id",))


@looks(resource, f"{_FOR}/policy")
async def show_again(request: Request) -> Reply:
    return Reply(200, {"policy": view(request, await policies.need(request.tx, request.values["policy_id"]))})


@looks(resource, "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy")
async def show_of_endpoint(request: Request) -> Reply:
    found = await policies.of_endpoint(request.tx, request.values["endpoint_id"])
    return Reply(200, {"policy": view(request, found)})


def _declare(path: str) -> None:
    def target(request: Request) -> Target:
        said = request.values
        return Target(said.get("endpoint_id", ""), said.get("service_id", ""), said.get("region_id", ""))

    @looks(resource, f"{_FOR}/{path}")
    async def check(request: Request) -> Reply:
        await policies.check(request.tx, request.values["policy_id"], target(request))
        return Reply(204)

    @writes(resource, "PUT", f"{_FOR}/{path}", may="admin")
    async def associate(request: Request) -> Reply:
        await policies.associate(request.tx, request.values["policy_id"], target(request))
        return Reply(204)

    @writes(resource, "DELETE", f"{_FOR}/{path}", may="admin")
    async def dissociate(request: Request) -> Reply:
        await policies.dissociate(request.tx, request.values["policy_id"], target(request))
        return Reply(204)


for _path in ("endpoints/{endpoint_id}", "services/{service_id}", "services/{service_id}/regions/{region_id}"):
    _declare(_path)
