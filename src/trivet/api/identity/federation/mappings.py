"""/v3/OS-FEDERATION/mappings: how what an identity provider says becomes users and groups here."""

from typing import Any

import msgspec

from trivet.api.identity import views
from trivet.api.identity.views import View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.people import federation
from trivet.domain.identity.people.federation import MAPPINGS, Mapping
from trivet.store.where import Where

resource = Resource()

_ALL = "/v3/OS-FEDERATION/mappings"
_ONE = "/v3/OS-FEDERATION/mappings/{mapping_id}"


class NewMapping(msgspec.Struct, frozen=True):
    rules: list[Any]
    schema_version: str | None = None
    """Some clients say null for what they leave to us."""


class WantedBody(msgspec.Struct, frozen=True):
    mapping: NewMapping


def view(request: Request, mapping: Mapping) -> View:
    shown = {"id": mapping.id, "rules": mapping.rules, "schema_version": mapping.schema_version}
    return views.linked(request, f"OS-FEDERATION/mappings/{mapping.id}", shown)


@looks(resource, _ALL)
async def list_all(request: Request) -> Reply:
    return await views.page(request, "mappings", MAPPINGS, view, Where(), order=("id",))


@writes(resource, "PUT", _ONE, may="admin")
async def create(request: Request) -> Reply:
    wanted = request.read(WantedBody).mapping
    new = Mapping(
        id=request.values["mapping_id"],
        rules=federation.check_rules(wanted.rules),
        schema_version=wanted.schema_version or "1.0",
    )
    return Reply(201, {"mapping": view(request, await federation.create_mapping(request.tx, new))})


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    found = await federation.need_mapping(request.tx, request.values["mapping_id"])
    return Reply(200, {"mapping": view(request, found)})


@writes(resource, "PATCH", _ONE, may="admin")
async def update(request: Request) -> Reply:
    wanted = request.read(WantedBody).mapping
    found = await federation.need_mapping(request.tx, request.values["mapping_id"])
    rules = federation.check_rules(wanted.rules)
    version = wanted.schema_version or found.schema_version
    changed = await federation.change_mapping(request.tx, found, rules=rules, schema_version=version)
    return Reply(200, {"mapping": view(request, changed)})


@writes(resource, "DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    found = await federation.need_mapping(request.tx, request.values["mapping_id"])
    await federation.delete_mapping(request.tx, found)
    return Reply(204)
