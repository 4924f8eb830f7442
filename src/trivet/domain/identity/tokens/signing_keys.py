"""Signing keys: three at a time, so that changing them interrupts nobody.

`next` is known to every process before it signs anything, `primary` signs, `previous` still verifies. A
rotation moves each one place on; a token outlives one rotation, never two.
"""

from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trivet.domain.identity.tokens.tokens import SigningKey, Tokens
from trivet.domain.secrets import Secrets
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

Place = Literal["next", "primary", "previous"]


class StoredKey(Record, frozen=True, kw_only=True):
    place: Place
    sealed: str
    public_pem: str
    created_at: float


SIGNING_KEYS = Table("signing_keys", StoredKey)


async def load(tx: Tx, tokens: Tokens, secrets: Secrets) -> None:
    """Give `tokens` the keys of the database; the first start makes them, so this needs a write transaction."""
    keys = await _all(tx)
    for place in ("primary", "next"):
        if place not in keys:
            # Another process may be first; then its key is the key.
            await tx.insert_new(SIGNING_KEYS, _new(tx, place, secrets))
            keys = await _all(tx)
    _use(keys, tokens, secrets)


async def reload(tx: Tx, tokens: Tokens, secrets: Secrets) -> None:
    keys = await _all(tx)
    if "primary" in keys:
        _use(keys, tokens, secrets)


async def age_s(tx: Tx) -> float:
    """How long the primary has signed. It was made long before that; the next one was made when it became primary."""
    keys = await _all(tx)
    return tx.clock.now() - keys["next"].created_at if "next" in keys else 0.0


async def rotate(tx: Tx, secrets: Secrets) -> None:
    """One place on. Other processes hear of it through the log; until then they sign with what is now previous."""
    keys = await _all(tx)
    if "previous" in keys:
        await tx.delete(SIGNING_KEYS, keys["previous"])
    if "primary" in keys:
        await tx.update(SIGNING_KEYS, keys["primary"], place="previous")
    if "next" in keys:
        await tx.update(SIGNING_KEYS, keys["next"], place="primary")
    await tx.insert(SIGNING_KEYS, _new(tx, "next", secrets))


def generate(id: str) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey(
        id=id,
        private_pem=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        public_pem=private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


def _new(tx: Tx, place: Place, secrets: Secrets) -> StoredKey:
    key = generate(tx.ids.hex()[:12])
    return StoredKey(
        id=key.id,
        place=place,
        sealed=secrets.seal(key.private_pem),
        public_pem=key.public_pem,
        created_at=tx.clock.now(),
    )


async def _all(tx: Tx) -> dict[str, StoredKey]:
    return {key.place: key for key in await tx.select(SIGNING_KEYS)}


def _use(keys: dict[str, StoredKey], tokens: Tokens, secrets: Secrets) -> None:
    known = {
        place: SigningKey(id=key.id, private_pem=secrets.open(key.sealed), public_pem=key.public_pem)
        for place, key in keys.items()
    }
    signing = known["primary"]
    tokens.use_keys(signing, [key for key in known.values() if key is not signing])
