"""/v1/orders: keys that the key manager makes itself."""

import asyncio
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from trivet.api.key_manager import paging, views
from trivet.api.key_manager.bodies import BODY_MAX, Loose, Text, read
from trivet.api.key_manager.secret_bodies import Described, expires_at, known_type
from trivet.api.kit.bodies import or_none
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.key_manager import access, limits, making, media_types, orders
from trivet.domain.key_manager.access import Owner
from trivet.domain.key_manager.making import Pair
from trivet.domain.key_manager.orders import Order, Wish
from trivet.domain.key_manager.words import mismatch
from trivet.errors import Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()
PATH = "/v1/orders/{order_id}"
_CREATING = "Order creation"


class Meta(Described, frozen=True, kw_only=True):
    payload: Any = UNSET
    passphrase: Text | UnsetType | None = UNSET


class NewOrder(Loose, frozen=True, kw_only=True):
    type: Literal["key", "asymmetric"]
    meta: Meta


class NewOrderAsSaid(Loose, frozen=True, kw_only=True):
    meta: dict[str, Any]


@resource.on("POST", "/v1/orders", may="token", decides="key roles", tx="none", body_max=BODY_MAX)
async def create(request: Request) -> Reply:
    """A pair is made before the transaction, in a thread, and not many at once."""
    parts, caller = request.parts, request.caller
    project_id = access.need_in_project(caller, "member", access.CREATE, _CREATING)
    owner = Owner(project_id, caller.user_id)
    said = read(request, NewOrder, "Order")
    wish = _wish(said, parts.clock.now())
    meta = _kept(read(request, NewOrderAsSaid, "Order").meta, wish)
    pair: Pair | None = None
    if wish.type == "asymmetric" and wish.refusal is None:
        async with parts.store.read() as tx:
            await limits.foresee(tx, project_id, "orders", _CREATING)
        async with parts.key_places.place(project_id):
            pair = await asyncio.to_thread(making.pair, wish.bit_length, wish.passphrase)

    async def act(tx: Tx) -> Order:
        made = await orders.create(tx, parts.secrets, owner, wish, meta, pair=pair)
        await limits.settled(tx, _CREATING)
        return made

    url = views.ref(request, "orders", (await transact(parts.store, act)).id)
    return Reply(202, {"order_ref": url}, [(b"location", url.encode())])


def _wish(said: NewOrder, now: float) -> Wish:
    meta, noun = said.meta, "key" if said.type == "key" else "asymmetric key"
    expires = expires_at(meta.expiration, now, "Secret' within 'Order")
    content_type = meta.payload_content_type
    kind = known_type(content_type, "Secret' within 'Order") if isinstance(content_type, str) else media_types.BYTES
    if meta.payload not in (UNSET, None):
        raise mismatch("Order", f"'payload' not allowed for {said.type} type order", "meta")
    if isinstance(meta.algorithm, UnsetType) or not meta.algorithm:
        raise mismatch("Order", f"'algorithm' is required field for {noun} type order", "meta")
    if isinstance(meta.bit_length, UnsetType):
        raise mismatch("Order", f"'bit_length' is required field for {noun} type order", "meta")
    if meta.bit_length % 8:
        raise Invalid("order.bits", "Provided field value is not supported")
    return Wish(
        type=said.type,
        algorithm=meta.algorithm,
        bit_length=meta.bit_length,
        mode=or_none(meta.mode),
        name=meta.name.strip() if meta.name is not None else None,
        expires_at=expires,
        content_type=kind,
        passphrase=or_none(meta.passphrase),
    )


def _kept(meta: dict[str, Any], wish: Wish) -> dict[str, Any]:
    """As it was said, without what is secret of it."""
    expires = views.time(wish.expires_at) if wish.expires_at is not None else None
    said = {name: value for name, value in meta.items() if name != "passphrase"}
    return said | {"name": wish.name, "expiration": expires}


@resource.on("GET", "/v1/orders", may="token", decides="key roles")
async def index(request: Request) -> Reply:
    project_id = access.need_in_project(request.caller, "member", access.READ, "Order(s) retrieval")
    found, total = await orders.listed(request.tx, project_id, paging.asked(request))
    return paging.reply(request, "orders", "orders", [views.order(request, one) for one in found], total)


@resource.on("GET", PATH, may="token", decides="keys")
async def show(request: Request) -> Reply:
    id = request.values["order_id"]
    found = await orders.find(request.tx, request.caller, id, "Order retrieval", access.LOOK)
    return Reply(200, views.order(request, found))


@resource.on("DELETE", PATH, may="token", decides="keys")
async def delete(request: Request) -> Reply:
    found = await orders.find(request.tx, request.caller, request.values["order_id"], "Order deletion", frozenset())
    await orders.delete(request.tx, found)
    return Reply(204)


@resource.on("PUT", "/v1/orders", may="token", decides="key roles", tx="none")
async def update(request: Request) -> Reply:
    access.need_in_project(request.caller, "member", access.CREATE, "Order update")
    raise Invalid("method.not_allowed", "Order update is not supported.", status=405)
