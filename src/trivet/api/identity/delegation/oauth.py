"""/v3/OS-OAUTH1: programs that a user lets act for him."""

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.identity import views
from trivet.api.identity.people import roles as role_dialect
from trivet.api.identity.views import Fields, Text, View
from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.identity import extras
from trivet.domain.identity.delegation import oauth, oauth_signatures
from trivet.domain.identity.delegation.application_credentials import RoleRef
from trivet.domain.identity.delegation.oauth import CONSUMERS, OAUTH_TOKENS, Consumer, OauthToken
from trivet.domain.identity.delegation.oauth_signatures import SignedRequest
from trivet.domain.identity.people.roles import ROLES
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = Resource()

_ALL = "/v3/OS-OAUTH1/consumers"
_ONE = "/v3/OS-OAUTH1/consumers/{consumer_id}"
_OF_USER = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
_ACCESS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"
_FORM = "application/x-www-form-urlencoded"


class ConsumerFields(Fields, frozen=True):
    description: Text | UnsetType | None = UNSET
    secret: str | UnsetType = UNSET


class AuthorizeBody(msgspec.Struct, frozen=True):
    roles: Annotated[list[RoleRef], msgspec.Meta(min_length=1, max_length=100)]


def signed(request: Request) -> SignedRequest:
    tail = request.path[request.path.find("/v3") :].rstrip("/")
    return SignedRequest(
        method=request.method,
        url=f"{request.url}{tail}",
        query=tuple(request.query),
        oauth=oauth_signatures.oauth_of(request.header("authorization")),
    )


def view(request: Request, consumer: Consumer) -> View:
    shown = {**consumer.extra, "id": consumer.id, "description": consumer.description}
    return views.linked(request, f"OS-OAUTH1/consumers/{consumer.id}", shown)


@looks(resource, _ALL)
async def list_all(request: Request) -> Reply:
    return await views.page(request, "consumers", CONSUMERS, view, Where(), order=("id",))


@writes(resource, "POST", _ALL, may="admin")
async def create(request: Request) -> Reply:
    fields, extra = views.read(request, "consumer", ConsumerFields)
    secret = request.tx.ids.hex()
    new = Consumer(
        id=request.tx.ids.hex(),
        sealed=request.parts.secrets.seal(secret),
        description=fields.given().get("description"),
        extra=extra,
    )
    return Reply(201, {"consumer": {**view(request, await oauth.create_consumer(request.tx, new)), "secret": secret}})


@looks(resource, _ONE)
async def show(request: Request) -> Reply:
    found = await oauth.need_consumer(request.tx, request.values["consumer_id"])
    return Reply(200, {"consumer": view(request, found)})


@writes(resource, "PATCH", _ONE, may="admin")
async def update(request: Request) -> Reply:
    changes = views.changes(request, "consumer", ConsumerFields)
    if "secret" in changes:
        raise Invalid("consumer.secret", "The secret of a consumer cannot be changed.")
    found = await oauth.need_consumer(request.tx, request.values["consumer_id"])
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return Reply(200, {"consumer": view(request, await oauth.change_consumer(request.tx, found, changes))})


@writes(resource, "DELETE", _ONE, may="admin")
async def delete(request: Request) -> Reply:
    await oauth.delete_consumer(request.tx, request.values["consumer_id"])
    return Reply(204)


# -- the three steps


def _form(token: OauthToken, secret: str) -> Reply:
    told = {"oauth_token": token.id, "oauth_token_secret": secret, "oauth_expires_at": iso_micros(token.ends_at, "Z")}
    return Reply(201, urlencode(told, safe=":").encode(), content_type=_FORM)


@writes(resource, "POST", "/v3/OS-OAUTH1/request_token", may="public")
async def request_token(request: Request) -> Reply:
    project_id = request.header("requested-project-id")
    if not project_id:
        raise Invalid("oauth.project", "Send the project as Requested-Project-Id.")
    secrets = request.parts.secrets
    return _form(*await oauth.request_token(request.tx, secrets, signed(request), project_id))


@writes(resource, "PUT", "/v3/OS-OAUTH1/authorize/{request_token_id}", may="token", decides="oneself")
async def authorize(request: Request) -> Reply:
    asked = request.read(AuthorizeBody).roles
    memory, id = request.parts.identity_memory, request.values["request_token_id"]
    verifier = await oauth.authorize(request.tx, memory, request.caller, id, asked)
    return Reply(200, {"token": {"oauth_verifier": verifier}})


@writes(resource, "POST", "/v3/OS-OAUTH1/access_token", may="public")
async def access_token(request: Request) -> Reply:
    return _form(*await oauth.access_token(request.tx, request.parts.secrets, signed(request)))


# -- what a user has authorised


def _token_view(request: Request, token: OauthToken) -> View:
    path = f"users/{token.user_id}/OS-OAUTH1/access_tokens/{token.id}"
    shown: View = {
        "id": token.id,
        "consumer_id": token.consumer_id,
        "project_id": token.project_id,
        "authorizing_user_id": token.user_id,
        "expires_at": iso_micros(token.ends_at, "Z"),
    }
    views.linked(request, path, shown)
    shown["links"]["roles"] = views.url(request, f"{path}/roles")
    return shown


async def _visible(request: Request) -> OauthToken:
    user_id, id = request.values["user_id"], request.values["access_token_id"]
    return await oauth.visible(request.tx, request.caller, user_id, id)


@resource.on("GET", _OF_USER, may="token", decides="owner")
async def list_tokens(request: Request) -> Reply:
    where = oauth.of_user(request.caller, request.values["user_id"])
    return await views.page(request, "access_tokens", OAUTH_TOKENS, _token_view, where, order=("id",))


@resource.on("GET", _ACCESS, may="token", decides="owner")
async def show_token(request: Request) -> Reply:
    return Reply(200, {"access_token": _token_view(request, await _visible(request))})


@writes(resource, "DELETE", _ACCESS, may="token", decides="owner")
async def delete_token(request: Request) -> Reply:
    await oauth.delete(request.tx, request.caller, request.values["user_id"], request.values["access_token_id"])
    return Reply(204)


@resource.on("GET", f"{_ACCESS}/roles", may="token", decides="owner")
async def list_roles(request: Request) -> Reply:
    where = Where().any_of("id", (await _visible(request)).role_ids)
    return await views.page(request, "roles", ROLES, role_dialect.view, where)


@resource.on("GET", f"{_ACCESS}/roles/{{role_id}}", may="token", decides="owner")
async def show_role(request: Request) -> Reply:
    return role_dialect.one_of(request, await oauth.roles_of(request.tx, await _visible(request)))


async def _no_oauth2(request: Request) -> Reply:
    raise NotFound(
        "oauth2.absent", "OAuth 2 client credentials are not served here; use an application credential or OAuth 1."
    )


resource.on("POST", "/v3/OS-OAUTH2/token", may="public", tx="none")(_no_oauth2)
