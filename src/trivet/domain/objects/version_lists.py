"""Lists of versions: by name, and the newest of each first; what is read now, what was, and when it was deleted."""

import msgspec

from trivet.domain.objects import listing, names
from trivet.domain.objects.containers import Container
from trivet.domain.objects.versions import NULL
from trivet.store.tables import Value
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP = 1000


class Entry(msgspec.Struct, frozen=True):
    name: str
    version_id: str
    marker: bool
    size: int
    etag: str
    content_type: str
    modified_at: float
    latest: bool
    """The newest of its name."""
    current: bool
    """It is what is read under the name."""


async def page(
    tx: Tx, home: Container, prefix: str, delimiter: str, *, after: tuple[str, str], most: int
) -> list[Entry | str]:
    """What comes behind a version of a name; of a name without one, what is behind the name."""
    found: list[Entry | str] = []
    at, version_id = after
    folder = _folder(at, prefix, delimiter)
    if folder and folder == at:
        entries = await _beyond(tx, home, prefix, at)
    else:
        entries = await _entries(tx, home, prefix, (at, version_id), inclusive=False)
    while entries and len(found) < most:
        jump = ""
        for entry in entries:
            jump = _folder(entry.name, prefix, delimiter)
            found.append(jump or entry)
            if jump or len(found) == most:
                break
        if jump:
            entries = await _beyond(tx, home, prefix, jump)
        else:
            last = entries[-1]
            entries = await _entries(tx, home, prefix, (last.name, last.version_id), inclusive=False)
    return found


async def _beyond(tx: Tx, home: Container, prefix: str, folder: str) -> list[Entry]:
    """What comes behind all that is in a folder."""
    start = names.behind(folder)
    return await _entries(tx, home, prefix, (start, ""), inclusive=True) if start else []


def _folder(name: str, prefix: str, delimiter: str) -> str:
    return listing.folder_of(name, prefix, delimiter) if delimiter else ""


async def _entries(tx: Tx, home: Container, prefix: str, after: tuple[str, str], *, inclusive: bool) -> list[Entry]:
    """Names are whole in what is read: the versions of one that are passed over are few, or a step is spent on it."""
    name, version_id = after
    where = Where()
    if prefix:
        where.add("name >= ?", prefix)
        if names.behind(prefix):
            where.add("name < ?", names.behind(prefix))
    if name:
        where.add("name >= ?" if inclusive or version_id else "name > ?", name)
    both = (
        "SELECT name, COALESCE(version_id, ?) AS version_id, 0 AS marker, size, etag, content_type, modified_at,"
        " 1 AS current"
        " FROM objects WHERE container_id = ? AND (delete_at IS NULL OR delete_at > ?)"
        " UNION ALL SELECT name, version_id, marker, size, etag, content_type, modified_at, 0 AS current"
        " FROM object_versions"
        " WHERE container_id = ?"
    )
    values: list[Value] = [NULL, home.id, tx.clock.now(), home.id]
    if version_id and not inclusive:
        mark = await _at(tx, home, name, version_id)
        where.add(
            "(name > ? OR current < ? OR (current = ? AND (modified_at < ? OR (modified_at = ? AND version_id < ?))))",
            name, mark[0], mark[0], mark[1], mark[1], version_id,
        )  # fmt: skip
    rows = await tx.rows(
        f"SELECT name, version_id, marker, size, etag, content_type, modified_at, current FROM ({both}) AS v{where.sql}"
        f" ORDER BY name, current DESC, modified_at DESC, version_id DESC LIMIT {_STEP}",
        *values,
        *where.values,
    )
    found = []
    before = name if version_id and not inclusive else ""
    for row in rows:
        latest = row[0] != before
        before = row[0]
        found.append(Entry(row[0], row[1], bool(row[2]), row[3], row[4], row[5], row[6], latest, bool(row[7])))
    return found


async def _at(tx: Tx, home: Container, name: str, version_id: str) -> tuple[int, float]:
    """Where a version stands; one that is gone stands behind all of its name."""
    row = await tx.row("SELECT COALESCE(version_id, ?), modified_at FROM objects WHERE container_id = ? AND name = ?",
                       NULL, home.id, name)  # fmt: skip
    if row is not None and row[0] == version_id:
        return 1, float(row[1])
    row = await tx.row(
        "SELECT modified_at FROM object_versions WHERE container_id = ? AND name = ? AND version_id = ?",
        home.id,
        name,
        version_id,
    )
    return (0, float(row[0])) if row is not None else (0, -1.0)
