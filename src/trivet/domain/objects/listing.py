"""Lists: a page of names in the order of their bytes, with what lies behind a delimiter told as one.

Each page is read from the index, where it begins, and what is passed over (all of one folder) is jumped over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from trivet.domain.objects import names, objects
from trivet.domain.objects.containers import Container
from trivet.domain.objects.names import LISTING_MAX
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP, _FIRST_STEP = 1000, 32
_SQL_CONTAINERS = "SELECT name, object_count, bytes_used, created_at, updated_at FROM object_containers"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    limit: int = LISTING_MAX
    marker: str = ""
    """Names behind it."""
    end_marker: str = ""
    """Names before it."""
    prefix: str = ""
    delimiter: str = ""
    path: str | None = None
    """Only what is in this folder, without the folders in it."""
    reverse: bool = False


class ListedContainer(msgspec.Struct, frozen=True):
    """What a list tells of a container, without what is said of it."""

    name: str
    object_count: int
    bytes_used: int
    created_at: float
    updated_at: float


Listed = TypeVar("Listed", ListedContainer, objects.Listed)
Rows = Callable[[Where, str, int], Awaitable[list[Listed]]]


async def of_account(tx: Tx, project_id: str, page: Page) -> Sequence[ListedContainer | str]:
    async def rows(where: Where, order: str, most: int) -> list[ListedContainer]:
        sql = f"{_SQL_CONTAINERS}{where.sql} ORDER BY {order} LIMIT {int(most)}"
        return [ListedContainer(*row) for row in await tx.rows(sql, *where.values)]

    return await _listed(rows, Where().equal("project_id", project_id), page)


async def of_container(tx: Tx, container: Container, page: Page) -> Sequence[objects.Listed | str]:
    where = Where().equal("container_id", container.id)
    where.add("(delete_at IS NULL OR delete_at > ?)", tx.clock.now())
    return await _listed(lambda *how: objects.listed(tx, *how), where, page)


async def _listed(rows: Rows[Listed], where: Where, page: Page) -> list[Listed | str]:
    prefix, delimiter = page.prefix, page.delimiter
    if page.path is not None:
        prefix = f"{page.path.rstrip('/')}/" if page.path.strip("/") else ""
        delimiter = "/"
    if prefix:
        where.add("name >= ?", prefix)
        if names.behind(prefix):
            where.add("name < ?", names.behind(prefix))

    async def read(after: str, until: str, most: int, *, inclusive: bool) -> list[Listed]:
        part = where.copy()
        low, high = (until, after) if page.reverse else (after, until)
        more = "=" if inclusive else ""
        if low:
            part.add(f"name >{'' if page.reverse else more} ?", low)
        if high:
            part.add(f"name <{more if page.reverse else ''} ?", high)
        # Others' requests go between one part of a long list and the next.
        await asyncio.sleep(0)
        return await rows(part, f"name {'DESC' if page.reverse else 'ASC'}", most)

    if not delimiter:
        return await _plain(read, page)
    found = await _folded(read, page, prefix, delimiter)
    if page.path is None:
        return found
    return [one for one in found if not isinstance(one, str) and one.name != prefix]


async def _plain(read: Callable[..., Awaitable[list[Listed]]], page: Page) -> list[Listed | str]:
    found: list[Listed | str] = []
    at = page.marker
    while len(found) < page.limit:
        step = min(_STEP, page.limit - len(found))
        rows = await read(at, page.end_marker, step, inclusive=False)
        found += rows
        if len(rows) < step:
            break
        at = rows[-1].name
    return found


async def _folded(
    read: Callable[..., Awaitable[list[Listed]]], page: Page, prefix: str, delimiter: str
) -> list[Listed | str]:
    """Rows, and one name for all that go on behind a delimiter.

    As many are read at once as were of use the last time: where each folder is full, what is in it is jumped over and
    not read."""
    found: list[Listed | str] = []
    at, inclusive, told = page.marker, False, page.marker
    if not page.reverse and told and folder_of(told, prefix, delimiter) == told:
        # The page before ended with this folder: on with what is behind all that is in it.
        at, inclusive = names.behind(told), True
        if not at:
            return found
    step = _FIRST_STEP
    while len(found) < page.limit:
        step = min(step, page.limit - len(found) + 1)
        before = len(found)
        rows = await read(at, page.end_marker, step, inclusive=inclusive)
        for row in rows:
            folder = folder_of(row.name, prefix, delimiter)
            if folder and folder == told:
                continue
            if len(found) == page.limit:
                return found
            found.append(folder or row)
            told = folder
        if len(rows) < step:
            break
        step = min(_STEP, max(2, 2 * (len(found) - before)))
        at, inclusive = rows[-1].name, False
        if told:
            at, inclusive = (told, False) if page.reverse else (names.behind(told), True)
            if not at:
                break
    return found


def folder_of(name: str, prefix: str, delimiter: str) -> str:
    """Up to the first delimiter behind the prefix; empty, if there is none."""
    if not name.startswith(prefix):
        return ""
    place = name.find(delimiter, len(prefix))
    return name[: place + len(delimiter)] if place >= 0 else ""
