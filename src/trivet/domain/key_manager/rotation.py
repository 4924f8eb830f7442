"""Rotation: each project gets a new key, all that it keeps is sealed anew with that, and the old ones go.

In small steps, each a transaction of its own: whoever reads or keeps something meanwhile finds the key that its row
names. If it ends half way, running it again goes on.
"""

from trivet.domain.key_manager import payloads
from trivet.domain.key_manager.payloads import PAYLOAD_KEYS
from trivet.domain.key_manager.stored_secrets import STORED_SECRETS
from trivet.domain.secrets import Secrets
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP = 100
_NEWER = (
    "SELECT 1 FROM payload_keys n WHERE n.project_id = k.project_id"
    " AND (n.created_at > k.created_at OR (n.created_at = k.created_at AND n.id > k.id))"
)


async def begin(tx: Tx, secrets: Secrets) -> int:
    """How many projects have a new key."""
    rows = await tx.rows("SELECT DISTINCT project_id FROM payload_keys ORDER BY project_id")
    for (project_id,) in rows:
        await payloads.new_key(tx, secrets, str(project_id))
    return len(rows)


async def go_on(tx: Tx, secrets: Secrets) -> int:
    """Some of what is sealed with an old key is sealed with the newest; how many, and 0 in the end."""
    sql = f"SELECT s.id FROM stored_secrets s JOIN payload_keys k ON k.id = s.payload_key_id WHERE EXISTS ({_NEWER})"
    ids = [str(id) for (id,) in await tx.rows(f"{sql} ORDER BY s.id LIMIT {_STEP}")]
    for found in await tx.select(STORED_SECRETS, Where().any_of("id", ids), order="id"):
        assert found.sealed is not None and found.payload_key_id is not None
        raw = await payloads.opened(tx, secrets, found.payload_key_id, found.id, found.sealed)
        key = await payloads.newest_key(tx, secrets, found.project_id)
        sealed = payloads.seal(secrets, key, found.id, raw)
        await tx.update(STORED_SECRETS, found, payload_key_id=key.id, sealed=sealed)
    return len(ids)


async def end(tx: Tx) -> None:
    """Keys that seal nothing any more. Who keeps something with one at this very moment holds it, and makes us wait."""
    used = "SELECT 1 FROM stored_secrets s WHERE s.payload_key_id = k.id"
    sql = f"SELECT k.id FROM payload_keys k WHERE EXISTS ({_NEWER}) AND NOT EXISTS ({used}) ORDER BY k.id"
    for (id,) in await tx.rows(sql):
        found = await tx.get(PAYLOAD_KEYS, str(id))
        if found is not None:
            await tx.delete(PAYLOAD_KEYS, found)
