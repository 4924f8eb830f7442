"""Lists: a page of names in the order of their bytes, with what lies behind a delimiter told as one.

Each page is read from the index, where it begins, and what is passed over (all of one folder) is jumped over.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from trivet.domain.objects import containers, objects
from trivet.domain.objects.containers import Container
from trivet.domain.objects.names import LISTING_MAX
from trivet.domain.objects.objects import Object
from trivet.store.tables import Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_STEP = 1000


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


async def of_account(tx: Tx, project_id: str, page: Page) -> Sequence[Container | str]:
    where = Where().equal("project_id", project_id)
    return await _listed(tx, containers.TABLE, where, page)


async def of_container(tx: Tx, container: Container, page: Page) -> Sequence[Object | str]:
    where = Where().equal("container_id", container.id)
    where.add("(delete_at IS NULL OR delete_at > ?)", tx.clock.now())
    return await _listed(tx, objects.TABLE, where, page)


async def _listed(tx: Tx, table: Table[Any], where: Where, page: Page) -> list[Any]:
    prefix, delimiter = page.prefix, page.delimiter
    if page.path is not None:
        prefix = f"{page.path.rstrip('/')}/" if page.path.strip("/") else ""
        delimiter = "/"
    if prefix:
        where.add("name >= ?", prefix).add("name < ?", behind(prefix))

    async def read(after: str, until: str, most: int, *, inclusive: bool) -> list[Any]:
        part = where.copy()
        low, high = (until, after) if page.reverse else (after, until)
        more = "=" if inclusive else ""
        if low:
            part.add(f"name >{'' if page.reverse else more} ?", low)
        if high:
            part.add(f"name <{more if page.reverse else ''} ?", high)
        return await tx.select(table, part, order=f"name {'DESC' if page.reverse else 'ASC'}", limit=most)

    if not delimiter:
        return await read(page.marker, page.end_marker, page.limit, inclusive=False)
    found = await _folded(read, page, prefix, delimiter)
    if page.path is None:
        return found
    return [one for one in found if not isinstance(one, str) and one.name != prefix]


Read = Callable[..., Awaitable[list[Any]]]


async def _folded(read: Read, page: Page, prefix: str, delimiter: str) -> list[Any]:
    """Rows, and one name for all that go on behind a delimiter."""
    found: list[Any] = []
    at, inclusive, told = page.marker, False, page.marker
    if not page.reverse and told and folder_of(told, prefix, delimiter) == told:
        # The page before ended with this folder: on with what is behind all that is in it.
        at, inclusive = behind(told), True
    while len(found) < page.limit:
        step = min(_STEP, page.limit - len(found) + 1)
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
        at, inclusive = rows[-1].name, False
        if told:
            at, inclusive = (told, False) if page.reverse else (behind(told), True)
    return found


def folder_of(name: str, prefix: str, delimiter: str) -> str:
    """Up to the first delimiter behind the prefix; empty, if there is none."""
    if not name.startswith(prefix):
        return ""
    place = name.find(delimiter, len(prefix))
    return name[: place + len(delimiter)] if place >= 0 else ""


def behind(start: str) -> str:
    """The first name behind all that begin so. The order of UTF-8's bytes is that of the characters' numbers."""
    last = ord(start[-1]) + 1
    if 0xD800 <= last < 0xE000:
        last = 0xE000
    return start[:-1] + chr(last) if last <= 0x10FFFF else behind(start[:-1])
