"""/v1/secrets: what is kept, what it is, and the payload itself."""

from typing import Any

from msgspec import UnsetType

from trivet.api.key_manager import paging, views
from trivet.api.key_manager.bodies import BODY_MAX, read
from trivet.api.key_manager.secret_bodies import NewSecret, expires_at, no_transport_key, payload_of, too_large
from trivet.api.key_manager.secret_filters import filtered, sorted_as
from trivet.api.kit.bodies import or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access, consumers, limits, media_types, stored_secrets
from trivet.domain.key_manager.stored_secrets import StoredSecret
from trivet.domain.key_manager.words import issue
from trivet.errors import Invalid

resource = Resource()
PATH = "/v1/secrets/{secret_id}"
CONSUMERS_SINCE, KEPT_WHILE_USED_SINCE = 1001, 1002
CREATING, READING, UPDATING, DELETING = "Secret creation", "Secret retrieval", "Secret update", "Secret deletion"
PAYLOAD = "Secret payload retrieval"


@resource.on("POST", "/v1/secrets", may="token", decides="key roles", body_max=BODY_MAX)
async def create(request: Request) -> Reply:
    tx, caller = request.tx, request.caller
    project_id = access.need_in_project(caller, "member", access.CREATE, CREATING)
    said = read(request, NewSecret, "Secret")
    if not isinstance(said.transport_key_id, UnsetType):
        raise no_transport_key()
    payload = payload_of(said)
    now = tx.clock.now()
    new = StoredSecret(
        id=tx.ids.uuid(),
        project_id=project_id,
        creator_id=caller.user_id,
        name=said.name.strip() if said.name is not None else None,
        secret_type=said.secret_type,
        algorithm=or_none(said.algorithm),
        bit_length=or_none(said.bit_length),
        mode=or_none(said.mode),
        expires_at=expires_at(said.expiration, now, "Secret"),
        content_type=payload[1] if payload else None,
        created_at=now,
        updated_at=now,
    )
    await stored_secrets.create(tx, request.parts.secrets, new, payload[0] if payload else None)
    await limits.settled(tx, CREATING)
    url = views.ref(request, "secrets", new.id)
    return Reply(201, {"secret_ref": url}, [(b"location", url.encode())])


@resource.on("GET", "/v1/secrets", may="token", decides="key roles")
async def index(request: Request) -> Reply:
    tx, caller = request.tx, request.caller
    project_id = access.need_in_project(caller, "member", access.READ, "Secret(s) retrieval")
    where = filtered(request, stored_secrets.alive(tx))
    if (request.asked("acl_only") or "").lower() == "true":
        stored_secrets.read_by(where, caller.user_id)
    else:
        where.equal("project_id", project_id)
    found, total = await stored_secrets.listed(tx, where, paging.asked(request), sorted_as(request))
    shown = [await _view(request, one) for one in found]
    return paging.reply(request, "secrets", "secrets", shown, total)


async def _view(request: Request, found: StoredSecret) -> dict[str, Any]:
    if request.version < CONSUMERS_SINCE:
        return views.secret(request, found)
    return views.secret(request, found, await consumers.of(request.tx, found.id))


@resource.on("GET", PATH, may="token", decides="keys")
async def show(request: Request) -> Reply:
    """What is known of it. Who asks for anything but JSON means the payload, as it was in the beginning."""
    if request.header("accept") not in (None, "application/json", "*/*"):
        return await _payload(request, READING)
    found = await stored_secrets.readable(
        request.tx, request.caller, request.values["secret_id"], READING, operator=True
    )
    return Reply(200, await _view(request, found))


@resource.on("GET", f"{PATH}/payload", may="token", decides="keys")
async def payload(request: Request) -> Reply:
    return await _payload(request, PAYLOAD)


async def _payload(request: Request, doing: str) -> Reply:
    tx = request.tx
    found = await stored_secrets.readable(tx, request.caller, request.values["secret_id"], doing, access.READ)
    raw = await stored_secrets.payload_of(tx, request.parts.secrets, found)
    kind = media_types.wanted(request.header("accept"), stored_secrets.kept_as(found), raw, doing)
    said = f"{kind}; charset=utf-8" if kind == media_types.TEXT else kind
    return Reply(200, raw, content_type=said)


@resource.on("PUT", PATH, may="token", decides="keys", body_max=BODY_MAX)
async def fill(request: Request) -> Reply:
    tx = request.tx
    found, _ = await stored_secrets.usable(tx, request.caller, request.values["secret_id"], UPDATING)
    said = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if said not in ("text/plain", "application/octet-stream"):
        raise Invalid(
            "body.media_type",
            "Unexpected content type. Expected content types are: ['application/octet-stream', 'text/plain']",
            status=415,
        )
    if not request.body:
        raise issue(UPDATING, "body.empty", "No data supplied to process.")
    if len(request.body) > stored_secrets.PAYLOAD_MAX:
        raise too_large()
    if request.asked("transport_key_id") is not None:
        raise no_transport_key()
    kind = media_types.TEXT if said == "text/plain" else media_types.BYTES
    raw = media_types.sent(request.body, kind, request.header("content-encoding"), UPDATING)
    await stored_secrets.fill(tx, request.parts.secrets, found, kind, raw)
    return Reply(204)


@resource.on("DELETE", PATH, may="token", decides="keys")
async def delete(request: Request) -> Reply:
    tx = request.tx
    found = await _deletable(request)
    if request.version >= KEPT_WHILE_USED_SINCE and not _forced(request):
        await stored_secrets.refuse_used(tx, found, DELETING)
    await stored_secrets.delete(tx, found)
    return Reply(204)


async def _deletable(request: Request) -> StoredSecret:
    """An operator may take away what he may not read."""
    if request.caller.is_operator:
        return await stored_secrets.find(request.tx, request.values["secret_id"])
    found, _ = await stored_secrets.usable(request.tx, request.caller, request.values["secret_id"], DELETING)
    return found


def _forced(request: Request) -> bool:
    try:
        return bool(request.asked_flag("force"))
    except Invalid as error:
        raise Invalid("query.invalid", "URI provided invalid query string parameters.") from error
