"""Secrets: what somebody gave to be kept, what it is, and until when. One that has expired is not there any more."""

from typing import Literal

from trivet.domain.callers import Caller
from trivet.domain.key_manager import access, acls, consumers, limits, listing, media_types, payloads
from trivet.domain.key_manager.access import Rules
from trivet.domain.key_manager.listing import Page
from trivet.domain.key_manager.media_types import ContentType
from trivet.domain.key_manager.words import issue, not_allowed, secret_absent
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

SecretType = Literal["symmetric", "passphrase", "private", "public", "certificate", "opaque"]
OPAQUE: SecretType = "opaque"
PAYLOAD_MAX = 20_000
METADATA_MAX = 128
_FORGOTTEN = 100


class StoredSecret(Record, frozen=True, kw_only=True):
    project_id: str
    creator_id: str
    name: str | None = None
    secret_type: SecretType = OPAQUE
    algorithm: str | None = None
    bit_length: int | None = None
    mode: str | None = None
    expires_at: float | None = None
    content_type: ContentType | None = None
    """None: nothing was given to be kept yet."""
    payload_key_id: str | None = None
    sealed: str | None = None
    metadata: dict[str, str] = {}
    created_at: float
    updated_at: float


STORED_SECRETS = Table("stored_secrets", StoredSecret)

SORTS = {
    "algorithm": "algorithm", "bit_length": "bit_length", "created": "created_at", "expiration": "expires_at",
    "mode": "mode", "name": "name", "secret_type": "secret_type", "status": "id", "updated": "updated_at",
}  # fmt: skip
"""As clients sort by it -> column. All are of one status."""


def alive(tx: Tx) -> Where:
    return Where().add("(expires_at IS NULL OR expires_at > ?)", tx.clock.now())


async def find(tx: Tx, id: str) -> StoredSecret:
    if not is_uuid(id):
        raise NotFound("secret.absent", "Not Found. Provided secret id is invalid.")
    found = await tx.get(STORED_SECRETS, id.lower())
    if found is None or (found.expires_at is not None and found.expires_at <= tx.clock.now()):
        raise secret_absent()
    return found


async def of_project(tx: Tx, project_id: str, id: str) -> StoredSecret | None:
    """One that others of the project refer to."""
    try:
        found = await find(tx, id)
    except NotFound:
        return None
    return found if found.project_id == project_id else None


async def usable(
    tx: Tx, caller: Caller, id: str, doing: str, older: frozenset[str] = access.CREATE
) -> tuple[StoredSecret, Rules]:
    found = await find(tx, id)
    rules = await acls.rules_of(tx, found.id)
    if not access.may_use(caller, found, rules, older):
        raise not_allowed(doing)
    return found, rules


async def readable(
    tx: Tx, caller: Caller, id: str, doing: str, older: frozenset[str] = access.LOOK, *, operator: bool = False
) -> StoredSecret:
    """`operator`: he sees that there is one, too, but never what is in it."""
    found = await find(tx, id)
    if not access.may_read(caller, found, await acls.rules_of(tx, found.id), older) and not (
        operator and caller.is_operator
    ):
        raise not_allowed(doing)
    return found


async def create(tx: Tx, secrets: Secrets, new: StoredSecret, payload: bytes | None) -> StoredSecret:
    if payload is None:
        return await create_empty(tx, new)
    await _forget_expired(tx, new.project_id)
    limits.take(tx, new.project_id, "secrets")
    key = await payloads.newest_key(tx, secrets, new.project_id)
    sealed = payloads.seal(secrets, key, new.id, payload)
    return await tx.insert(STORED_SECRETS, _with(new, key.id, sealed))


async def create_empty(tx: Tx, new: StoredSecret) -> StoredSecret:
    await _forget_expired(tx, new.project_id)
    limits.take(tx, new.project_id, "secrets")
    return await tx.insert(STORED_SECRETS, new)


def _with(new: StoredSecret, key_id: str, sealed: str) -> StoredSecret:
    fields = {name: getattr(new, name) for name in new.__struct_fields__}
    return StoredSecret(**(fields | {"payload_key_id": key_id, "sealed": sealed}))


async def fill(
    tx: Tx, secrets: Secrets, found: StoredSecret, content_type: ContentType, payload: bytes
) -> StoredSecret:
    """The second step, once: what is kept is never another's."""
    if found.sealed is not None:
        raise Conflict("secret.filled", "Secret already has data, cannot modify it.")
    key = await payloads.newest_key(tx, secrets, found.project_id)
    return await tx.update(
        STORED_SECRETS,
        found,
        content_type=content_type,
        payload_key_id=key.id,
        sealed=payloads.seal(secrets, key, found.id, payload),
        updated_at=tx.clock.now(),
    )


async def payload_of(tx: Tx, secrets: Secrets, found: StoredSecret) -> bytes:
    if found.sealed is None or found.payload_key_id is None:
        raise NotFound("secret.empty", "Not Found. Sorry but your secret has no payload.")
    return await payloads.opened(tx, secrets, found.payload_key_id, found.id, found.sealed)


def kept_as(found: StoredSecret) -> ContentType:
    return found.content_type or media_types.BYTES


async def listed(tx: Tx, where: Where, wanted: Page, order: str) -> tuple[list[StoredSecret], int]:
    return await listing.page(tx, STORED_SECRETS, where, wanted, order)


def read_by(where: Where, user_id: str) -> Where:
    """Those in whose access list he is, of whatever project."""
    return where.add("id IN (SELECT acl_id FROM secret_acl_users WHERE user_id = ?)", user_id)


# -- what its owner notes about it


async def set_metadata(tx: Tx, found: StoredSecret, metadata: dict[str, str]) -> None:
    if len(metadata) > METADATA_MAX:
        raise Invalid("metadata.many", f"A secret has {METADATA_MAX} metadata at most.")
    await tx.update(STORED_SECRETS, found, metadata=metadata, updated_at=tx.clock.now())


def metadatum(found: StoredSecret, key: str) -> str:
    if key not in found.metadata:
        raise NotFound("metadata.absent", "Secret metadata not found.")
    return found.metadata[key]


# -- its end


async def delete(tx: Tx, found: StoredSecret) -> None:
    """Out of all containers, with all that is known of it."""
    await hold(tx, STORED_SECRETS, found.id)
    await tx.run("DELETE FROM contained_secrets WHERE secret_id = ?", found.id)
    await consumers.drop_all(tx, found.id)
    await acls.drop(tx, found.id)
    await tx.delete(STORED_SECRETS, found)
    limits.give_back(tx, found.project_id, "secrets")


async def refuse_used(tx: Tx, found: StoredSecret, doing: str) -> None:
    if await consumers.of(tx, found.id):
        raise issue(doing, "secret.used", "Secret cannot be deleted as it has consumers.")


async def _forget_expired(tx: Tx, project_id: str) -> None:
    """When room is wanted, what has expired gives its back."""
    where = Where().equal("project_id", project_id).add("expires_at <= ?", tx.clock.now())
    for found in await tx.select(STORED_SECRETS, where, order="id", limit=_FORGOTTEN):
        await delete(tx, found)
