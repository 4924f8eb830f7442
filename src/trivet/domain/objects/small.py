"""Small blobs: a few bytes lie in the database, where the row that points at them is written anyway.

A file costs a place in a folder, two syncs and a rename, which is far more than a kilobyte does. All else about them is
as with any blob: copies point at one, and one that nobody points at is garbage.
"""

from base64 import b64decode, b64encode

from trivet.store.tx import Tx

BYTES_MAX = 4096
_START = "small."


def new_key(id: str) -> str:
    return _START + id


def is_small(key: str) -> bool:
    return key.startswith(_START)


async def keep(tx: Tx, key: str, content: bytes) -> None:
    await tx.run("INSERT INTO object_small (blob_key, content) VALUES (?, ?)", key, b64encode(content).decode())


async def read(tx: Tx, key: str) -> bytes | None:
    row = await tx.row("SELECT content FROM object_small WHERE blob_key = ?", key)
    return b64decode(row[0]) if row is not None else None


async def remove(tx: Tx, key: str) -> None:
    await tx.run("DELETE FROM object_small WHERE blob_key = ?", key)
