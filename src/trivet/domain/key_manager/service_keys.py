"""Keys that the cloud itself keeps for a project, for a thing of the project's: its owner sees them beside his own.

They are made empty, in the transaction that makes the thing, and filled by whoever works on the thing. Who is handed
one here has been checked by the row of the thing that names it.
"""

import os

from trivet.domain.key_manager import consumers, media_types, stored_secrets
from trivet.domain.key_manager.access import Owner
from trivet.domain.key_manager.consumers import Use
from trivet.domain.key_manager.stored_secrets import STORED_SECRETS, StoredSecret
from trivet.domain.secrets import Secrets
from trivet.errors import Conflict
from trivet.store.tx import Tx


async def reserve(tx: Tx, owner: Owner, name: str, bits: int, use: Use) -> StoredSecret:
    """`use`: what would be lost with it."""
    now = tx.clock.now()
    new = StoredSecret(
        id=tx.ids.uuid(),
        project_id=owner.project_id,
        creator_id=owner.creator_id,
        name=name,
        secret_type="symmetric",  # noqa: S106 - a kind, and no secret
        algorithm="AES",
        bit_length=bits,
        created_at=now,
        updated_at=now,
    )
    await stored_secrets.create_empty(tx, new)
    await consumers.add(tx, owner.project_id, new.id, use)
    return new


async def filled(tx: Tx, secrets: Secrets, id: str, source_id: str | None = None) -> bytes | None:
    """With what the source holds, or else by chance; once. None if its owner took it away."""
    found = await tx.get(STORED_SECRETS, id)
    if found is None:
        return None
    if found.sealed is None:
        payload = os.urandom((found.bit_length or 256) // 8)
        if source_id is not None:
            known = await opened(tx, secrets, source_id)
            if known is None:
                return None
            payload = known
        try:
            found = await stored_secrets.fill(tx, secrets, found, media_types.BYTES, payload)
        except Conflict:
            found = await tx.need(STORED_SECRETS, id, "secret")
    return await stored_secrets.payload_of(tx, secrets, found)


async def opened(tx: Tx, secrets: Secrets, id: str) -> bytes | None:
    found = await tx.get(STORED_SECRETS, id)
    if found is None or found.sealed is None:
        return None
    return await stored_secrets.payload_of(tx, secrets, found)


async def drop(tx: Tx, id: str) -> None:
    found = await tx.get(STORED_SECRETS, id)
    if found is not None:
        await stored_secrets.delete(tx, found)
