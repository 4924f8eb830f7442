"""TOTP (RFC 6238): six digits that change every thirty seconds, made from a seed that the user's phone has too.

The step before counts as well, since people type slowly. A passcode is good for one login.
"""

import base64
import binascii
import hashlib
import hmac
import struct

from trivet.domain.identity.delegation.credentials import CREDENTIALS
from trivet.domain.secrets import Secrets
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP_S = 30
_DIGITS = 1_000_000


def passcode(seed: bytes, step: int) -> str:
    digest = hmac.new(seed, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % _DIGITS:06d}"


def step_at(now: float) -> int:
    return int(now // _STEP_S)


async def accept(tx: Tx, secrets: Secrets, user_id: str, said: str) -> bool:
    """Whether a passcode is right. Needs a write transaction, since it uses the passcode up."""
    now_step = step_at(tx.clock.now())
    for credential in await tx.select(CREDENTIALS, Where().equal("user_id", user_id).equal("type", "totp")):
        try:
            seed = base64.b32decode(secrets.open(credential.sealed), casefold=True)
        except (binascii.Error, ValueError):
            continue
        for step in (now_step, now_step - 1):
            if hmac.compare_digest(passcode(seed, step).encode(), said.encode()):
                await tx.run("DELETE FROM used_passcodes WHERE step < ?", now_step - 2)
                return bool(
                    await tx.run(
                        "INSERT INTO used_passcodes (credential_id, step) VALUES (?, ?) ON CONFLICT DO NOTHING",
                        credential.id,
                        step,
                    )
                )
    return False
