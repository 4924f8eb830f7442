"""Lists of versions: by name, and the newest of each first; what is read now, what was, and when it was deleted.

What is read now and what was stand in two tables, each with an index in this order: of each as many rows are read as
may be shown, and as many again as were of use the last time. What lies in a folder is jumped over.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from trivet.domain.objects import listing, names
from trivet.domain.objects.containers import Container
from trivet.domain.objects.versions import NULL
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP, _FIRST_STEP = 1000, 32


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


class _At(msgspec.Struct, frozen=True):
    """Where to go on: with a name, or with some of it, and then with what comes behind it."""

    name: str = ""
    now: bool = False
    """What is read under the name is still to come."""
    was: bool = False
    """All its versions are."""
    older: tuple[float, str] | None = None
    """Those older than such a time and id are."""


async def page(
    tx: Tx, home: Container, prefix: str, delimiter: str, *, after: tuple[str, str], most: int
) -> list[Entry | str]:
    """What comes behind a version of a name; of a name without one, what is behind the name."""
    found: list[Entry | str] = []
    name, version_id = after
    at: _At | None
    if name and name == _folder(name, prefix, delimiter):
        at = _behind(name)
    else:
        at = await _after(tx, home, name, version_id) if version_id else _At(name)
    step = _FIRST_STEP
    while at is not None and len(found) < most:
        step, before = min(step, most - len(found) + 1), len(found)
        # Others' requests go between one part of a long list and the next.
        await asyncio.sleep(0)
        rows = await _rows(tx, home, prefix, at, step)
        name = at.name if not at.now else ""
        at = _At(rows[-1][0], was=bool(rows[-1][_CURRENT]), older=_older(rows[-1])) if len(rows) == step else None
        for row in rows:
            folder = _folder(row[0], prefix, delimiter)
            found.append(folder or _entry(row, latest=row[0] != name))
            name = row[0]
            if folder:
                at = _behind(folder)
            if folder or len(found) == most:
                break
        step = min(_STEP, max(2, 2 * (len(found) - before)))
    return found


def _entry(row: Sequence[Any], *, latest: bool) -> Entry:
    name, version_id, marker, size, etag, content_type, modified_at, current = row
    return Entry(name, version_id, bool(marker), size, etag, content_type, modified_at, latest, bool(current))


def _older(row: Sequence[Any]) -> tuple[float, str] | None:
    return None if row[_CURRENT] else (float(row[_WHEN]), str(row[1]))


def _behind(folder: str) -> _At | None:
    """What comes behind all that is in a folder."""
    start = names.behind(folder)
    return _At(start, now=True, was=True) if start else None


def _folder(name: str, prefix: str, delimiter: str) -> str:
    return listing.folder_of(name, prefix, delimiter) if delimiter else ""


# -- rows: name, version, whether it is a mark, size, etag, content type, when, whether it is what is read now

_WHEN, _CURRENT = 6, 7
_SQL_NOW = (
    f"SELECT name, COALESCE(version_id, '{NULL}'), 0 = 1, size, etag, content_type, modified_at, 1 = 1 FROM objects{{}}"
    " ORDER BY name LIMIT {}"
)
_SQL_WAS = (
    "SELECT name, version_id, marker = 1, size, etag, content_type, modified_at, 0 = 1 FROM object_versions{}"
    " ORDER BY name, modified_at DESC, version_id DESC LIMIT {}"
)


async def _rows(tx: Tx, home: Container, prefix: str, at: _At, most: int) -> list[Sequence[Any]]:
    """Of both, so many of the first."""
    within = Where().equal("container_id", home.id)
    if prefix:
        within.add("name >= ?", prefix)
        if names.behind(prefix):
            within.add("name < ?", names.behind(prefix))
    rest: list[Sequence[Any]] = []
    if at.older is not None:
        # Of this name alone: together with what is behind it no index would find the place.
        where = within.copy().equal("name", at.name).add("(modified_at, version_id) < (?, ?)", *at.older)
        rest = list(await tx.rows(_SQL_WAS.format(where.sql, most), *where.values))
    if len(rest) == most:
        return rest
    where = _from(within, at.name, inclusive=at.now).add("(delete_at IS NULL OR delete_at > ?)", tx.clock.now())
    now = await tx.rows(_SQL_NOW.format(where.sql, most), *where.values)
    where = _from(within, at.name, inclusive=at.was)
    was = await tx.rows(_SQL_WAS.format(where.sql, most), *where.values)
    return [*rest, *sorted((*now, *was), key=lambda row: (row[0], not row[_CURRENT]))][:most]


def _from(within: Where, name: str, *, inclusive: bool) -> Where:
    where = within.copy()
    return where.add("name >= ?" if inclusive else "name > ?", name) if name else where


async def _after(tx: Tx, home: Container, name: str, version_id: str) -> _At:
    """Behind a version; one that is gone stands behind all of its name."""
    row = await tx.row("SELECT COALESCE(version_id, ?) FROM objects WHERE container_id = ? AND name = ?",
                       NULL, home.id, name)  # fmt: skip
    if row is not None and row[0] == version_id:
        return _At(name, was=True)
    row = await tx.row(
        "SELECT modified_at FROM object_versions WHERE container_id = ? AND name = ? AND version_id = ?",
        home.id,
        name,
        version_id,
    )
    return _At(name, older=(float(row[0]), version_id)) if row is not None else _At(name)
