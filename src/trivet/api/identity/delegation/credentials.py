"""/v3/credentials: EC2 keys, TOTP seeds and other proofs."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.views import Fields, Id, View
from trivet.api.identity.writing import writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity.delegation import credentials
from trivet.domain.identity.delegation.credentials import Credential

resource = Resource()

Blob = Annotated[str, msgspec.Meta(max_length=16_384)]
Kind = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class CredentialFields(Fields, frozen=True):
    blob: Blob | UnsetType = UNSET
    type: Kind | UnsetType = UNSET
    user_id: Id | UnsetType = UNSET
    project_id: Id | UnsetType | None = UNSET


def view(request: Request, credential: Credential) -> View:
    opened = credentials.may_open(request.caller, credential.user_id)
    shown = {
        **credential.extra,
        "id": credential.id,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "type": credential.type,
        "blob": request.parts.secrets.open(credential.sealed) if opened else "",
    }
    return views.linked(request, f"credentials/{credential.id}", shown)


@resource.on("GET", "/v3/credentials", may="token", decides="owner")
async def list_all(request: Request) -> Reply:
    where = credentials.listed(request.caller)
    columns = ("user_id", "type")
    return await views.page(
        request, "credentials", credentials.CREDENTIALS, view, where, columns=columns, order=("id",)
    )


@writes(resource, "POST", "/v3/credentials", may="token", decides="owner")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "credential", CredentialFields)
    given = fields.given()
    views.required(given, "blob", "type")
    made = await credentials.create(
        request.tx,
        request.parts.secrets,
        request.caller,
        user_id=given.get("user_id") or request.caller.user_id,
        project_id=given.get("project_id"),
        type=given["type"],
        blob=given["blob"],
        extra=extra,
    )
    return Reply(201, {"credential": view(request, made)})


@resource.on("GET", "/v3/credentials/{credential_id}", may="token", decides="owner")
async def show(request: Request) -> Reply:
    id = request.values["credential_id"]
    found = await credentials.visible(request.tx, request.caller, id, "identity:get_credential")
    return Reply(200, {"credential": view(request, found)})


@writes(resource, "PATCH", "/v3/credentials/{credential_id}", may="token", decides="owner")
async def update(request: Request) -> Reply:
    changes = views.changes(request, "credential", CredentialFields)
    changed = await credentials.update(
        request.tx, request.parts.secrets, request.caller, request.values["credential_id"], changes
    )
    return Reply(200, {"credential": view(request, changed)})


@writes(resource, "DELETE", "/v3/credentials/{credential_id}", may="token", decides="owner")
async def delete(request: Request) -> Reply:
    await credentials.delete(request.tx, request.caller, request.values["credential_id"])
    return Reply(204)
