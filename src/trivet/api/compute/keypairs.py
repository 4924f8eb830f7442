"""/os-keypairs: a user's public keys. Making a pair ended with 2.92; importing one never did."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.compute import pages
from trivet.api.kit.bodies import Body, Since
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.servers import keypairs
from trivet.domain.servers.keypairs import KEYPAIRS, Keypair, KeyType
from trivet.errors import Forbidden, Invalid
from trivet.store import lists
from trivet.store.store import transact
from trivet.store.tx import Tx
from trivet.store.where import Where

resource = Resource()

KeyName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9 _@.-]+\Z")]
PublicKey = Annotated[str, msgspec.Meta(max_length=65535)]

_TYPED = 2002
_OF_OTHERS = 2010
_PAGED = 2035
_STRICT = 2075
_ONLY_IMPORT = 2092
_BY_NAME = (("name", False),)


class KeypairWanted(Body, frozen=True, kw_only=True):
    name: KeyName
    public_key: PublicKey | UnsetType = UNSET
    type: Annotated[KeyType | UnsetType, Since("2.2")] = UNSET
    user_id: Annotated[str | UnsetType, Since("2.10")] = UNSET


class KeypairCreate(Body, frozen=True, kw_only=True):
    keypair: KeypairWanted


@resource.on("GET", "/v2.1/os-keypairs", may="reader")
async def index(request: Request) -> Reply:
    known = {"user_id"} | ({"limit", "marker"} if request.version >= _PAGED else set())
    pages.known(request, known, since=_STRICT)
    paged = request.version >= _PAGED
    asked = pages.asked(request, _BY_NAME, named="name") if paged else pages.unpaged(_BY_NAME)
    whose = Where().equal("user_id", _whose(request))
    found = await lists.page(request.tx, KEYPAIRS, whose, asked, seen=whose)
    body: dict[str, Any] = {"keypairs": [{"keypair": _brief(request, keypair)} for keypair in found]}
    if paged:
        pages.add_next(request, body, "keypairs", "os-keypairs", [keypair.name for keypair in found])
    return Reply(200, body)


@resource.on("GET", "/v2.1/os-keypairs/{name:path}", may="reader")
async def show(request: Request) -> Reply:
    pages.known(request, {"user_id"}, since=_STRICT)
    keypair = await keypairs.visible(request.tx, _whose(request), request.values["name"])
    view = _brief(request, keypair) | {
        "id": int(keypair.id[:7], 16),
        "user_id": keypair.user_id,
        "created_at": iso_micros(keypair.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return Reply(200, {"keypair": view})


@resource.on("POST", "/v2.1/os-keypairs", may="reader", tx="none")
async def create(request: Request) -> Reply:
    """A key belongs to the user, so whoever may look may have one. Making one is slow: no transaction waits for it."""
    said = request.read(KeypairCreate).keypair
    user_id = request.caller.user_id if said.user_id is UNSET else said.user_id
    _check_mine(request, user_id)
    kind: KeyType = "ssh" if said.type is UNSET else said.type
    name = said.name.strip()
    if not name:
        raise Invalid("body.invalid", "Invalid input: name must not be empty.")
    private_key: str | None = None
    if said.public_key is not UNSET:
        public_key = said.public_key
    elif request.version >= _ONLY_IMPORT:
        raise Invalid("body.invalid", "Invalid input: 'public_key' is a required property.")
    else:
        made = await asyncio.to_thread(keypairs.generate, kind, user_id, request.parts.clock.now())
        public_key, private_key = made.public_key, made.private_key
    wanted = Keypair(
        id=request.parts.ids.uuid(),
        user_id=user_id,
        name=name,
        type=kind,
        public_key=public_key,
        fingerprint=keypairs.fingerprint(public_key, kind),
        created_at=request.parts.clock.now(),
    )
    project_id = request.caller.project_id or ""

    async def act(tx: Tx) -> Keypair:
        return await keypairs.create(tx, wanted, project_id)

    view = _brief(request, await transact(request.parts.store, act)) | {"user_id": user_id}
    if private_key is not None:
        view["private_key"] = private_key
    return Reply(201 if request.version >= _TYPED else 200, {"keypair": view})


@resource.on("DELETE", "/v2.1/os-keypairs/{name:path}", may="reader")
async def delete(request: Request) -> Reply:
    pages.known(request, {"user_id"}, since=_STRICT)
    await keypairs.delete(request.tx, _whose(request), request.values["name"])
    return Reply(204 if request.version >= _TYPED else 202)


def _whose(request: Request) -> str:
    asked = request.asked("user_id") if request.version >= _OF_OTHERS else None
    user_id = asked or request.caller.user_id
    _check_mine(request, user_id)
    return user_id


def _check_mine(request: Request, user_id: str) -> None:
    if user_id != request.caller.user_id and not request.caller.is_operator:
        raise Forbidden("policy.forbidden", "Policy doesn't allow os_compute_api:os-keypairs for other users.")


def _brief(request: Request, keypair: Keypair) -> dict[str, Any]:
    view: dict[str, Any] = {
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
    }
    if request.version >= _TYPED:
        view["type"] = keypair.type
    return view
