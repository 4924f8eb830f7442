"""Payloads: what is secret of a secret, sealed by a key of its project, which is sealed by the cloud's.

The cloud's key is a file and no row (`trivet.domain.secrets`). So whoever has the database alone can read no payload,
and a project's key can be replaced without a look at the others. A sealed payload names the secret that it is of: put
into another row it does not open.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trivet.domain.secrets import Secrets
from trivet.errors import Busy
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_KEY_BITS, _NONCE_BYTES = 256, 12


class PayloadKey(Record, frozen=True, kw_only=True):
    project_id: str
    sealed: str
    created_at: float


PAYLOAD_KEYS = Table("payload_keys", PayloadKey, logged=False)


async def newest_key(tx: Tx, secrets: Secrets, project_id: str) -> PayloadKey:
    """Two that find none at once make one each; the later one is used from then on, and both open what they sealed."""
    where = Where().equal("project_id", project_id)
    found = await tx.select(PAYLOAD_KEYS, where, order="created_at DESC, id DESC", limit=1)
    return found[0] if found else await new_key(tx, secrets, project_id)


async def new_key(tx: Tx, secrets: Secrets, project_id: str) -> PayloadKey:
    key = base64.b64encode(AESGCM.generate_key(_KEY_BITS)).decode()
    made = PayloadKey(
        id=tx.ids.uuid(), project_id=project_id, sealed=secrets.seal(key), created_at=tx.clock.now()
    )  # fmt: skip
    return await tx.insert(PAYLOAD_KEYS, made)


def seal(secrets: Secrets, key: PayloadKey, secret_id: str, payload: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(secrets, key).encrypt(nonce, payload, secret_id.encode())).decode()


async def opened(tx: Tx, secrets: Secrets, key_id: str, secret_id: str, sealed: str) -> bytes:
    key = await tx.need(PAYLOAD_KEYS, key_id, "payload key")
    return open_with(secrets, key, secret_id, sealed)


def open_with(secrets: Secrets, key: PayloadKey, secret_id: str, sealed: str) -> bytes:
    raw = base64.b64decode(sealed)
    try:
        return _cipher(secrets, key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], secret_id.encode())
    except InvalidTag as error:
        raise Busy(
            "secret.damaged", f"The payload of secret {secret_id} is damaged: restore it from a backup."
        ) from error


def _cipher(secrets: Secrets, key: PayloadKey) -> AESGCM:
    return AESGCM(base64.b64decode(secrets.open(key.sealed)))
