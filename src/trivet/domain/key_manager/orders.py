"""Orders: keys that the key manager makes itself. An order is done when it is answered; one that cannot be is kept, and
says why."""

from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.key_manager import access, containers, limits, listing, making, stored_secrets
from trivet.domain.key_manager.access import Owner
from trivet.domain.key_manager.containers import Held
from trivet.domain.key_manager.listing import Page
from trivet.domain.key_manager.making import Pair
from trivet.domain.key_manager.media_types import BYTES, TEXT, ContentType
from trivet.domain.key_manager.stored_secrets import SecretType, StoredSecret
from trivet.domain.key_manager.words import not_allowed
from trivet.domain.secrets import Secrets
from trivet.errors import NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

OrderType = Literal["key", "asymmetric"]


class Order(Record, frozen=True, kw_only=True):
    project_id: str
    creator_id: str
    type: OrderType
    meta: dict[str, Any]
    """As it was said."""
    status: Literal["ACTIVE", "ERROR"] = "ACTIVE"
    secret_id: str | None = None
    container_id: str | None = None
    error_status: str | None = None
    error_reason: str | None = None
    created_at: float
    updated_at: float


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What of an order's words we act by."""

    type: OrderType
    algorithm: str
    bit_length: int
    mode: str | None = None
    name: str | None = None
    expires_at: float | None = None
    content_type: ContentType = BYTES
    passphrase: str | None = None

    @property
    def refusal(self) -> str | None:
        return making.refusal(self.type, self.algorithm, self.bit_length, self.mode)


ORDERS = Table("secret_orders", Order)


async def find(tx: Tx, caller: Caller, id: str, doing: str, older: frozenset[str]) -> Order:
    """Another project's is none; who acts in no project is told that."""
    if caller.project_id is None:
        raise not_allowed(doing)
    found = await tx.get(ORDERS, id.lower()) if is_uuid(id) else None
    if found is None or not caller.owns(found.project_id):
        raise NotFound("order.absent", "Order not found.")
    if not access.acts_in_project(caller, "member", older):
        raise not_allowed(doing)
    return found


async def listed(tx: Tx, project_id: str, wanted: Page) -> tuple[list[Order], int]:
    return await listing.page(tx, ORDERS, Where().equal("project_id", project_id), wanted)


async def delete(tx: Tx, found: Order) -> None:
    """What was made stays."""
    await tx.delete(ORDERS, found)
    limits.give_back(tx, found.project_id, "orders")


async def create(
    tx: Tx, secrets: Secrets, owner: Owner, wish: Wish, meta: dict[str, Any], *, pair: Pair | None = None
) -> Order:
    """`pair`: made before, since it takes long."""
    secret_id = container_id = None
    if wish.refusal is None:
        maker = _Maker(tx, secrets, owner, wish)
        if pair is not None:
            container_id = await maker.pair(pair)
        else:
            secret_id = await maker.secret("symmetric", making.symmetric(wish.bit_length), wish.content_type)
    now = tx.clock.now()
    order = Order(
        id=tx.ids.uuid(),
        project_id=owner.project_id,
        creator_id=owner.creator_id,
        type=wish.type,
        meta=meta,
        status="ACTIVE" if wish.refusal is None else "ERROR",
        secret_id=secret_id,
        container_id=container_id,
        error_status=None if wish.refusal is None else "400",
        error_reason=None if wish.refusal is None else f"Process TypeOrder issue seen - {wish.refusal}.",
        created_at=now,
        updated_at=now,
    )
    limits.take(tx, owner.project_id, "orders")
    return await tx.insert(ORDERS, order)


class _Maker:
    """Keeps what was made as the order wishes."""

    def __init__(self, tx: Tx, secrets: Secrets, owner: Owner, wish: Wish) -> None:
        self._tx = tx
        self._secrets = secrets
        self._owner = owner
        self._wish = wish

    async def pair(self, made: Pair) -> str:
        kind = self._wish.content_type
        held = [
            Held(await self.secret("private", made.private, kind), containers.PRIVATE),
            Held(await self.secret("public", made.public, kind), containers.PUBLIC),
        ]
        if self._wish.passphrase:
            kept = await self.secret("passphrase", self._wish.passphrase.encode(errors="replace"), TEXT)
            held.append(Held(kept, containers.PASSPHRASE))
        return (await containers.create(self._tx, self._owner, self._wish.name, "rsa", held)).id

    async def secret(self, type: SecretType, payload: bytes, content_type: ContentType) -> str:
        now = self._tx.clock.now()
        new = StoredSecret(
            id=self._tx.ids.uuid(),
            project_id=self._owner.project_id,
            creator_id=self._owner.creator_id,
            name=self._wish.name,
            secret_type=type,
            algorithm=self._wish.algorithm,
            bit_length=self._wish.bit_length,
            mode=self._wish.mode,
            expires_at=self._wish.expires_at,
            content_type=content_type,
            created_at=now,
            updated_at=now,
        )
        return (await stored_secrets.create(self._tx, self._secrets, new, payload)).id
