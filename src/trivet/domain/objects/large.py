"""Large objects: an object that is made of others, which its manifest names one by one (static), or by how their names
begin (dynamic: whatever is there when it is read).
"""

import asyncio
import hashlib

import msgspec

from trivet.domain.objects import containers, listing, objects
from trivet.domain.objects.objects import Object, Place, Segment
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

SEGMENTS_MAX = 1000
MANIFEST_BYTES_MAX = 1 << 20
"""Room for as many segments as there may be. It is read whole with the row, whoever asks for whatever of it."""
SIZE_MAX = 1 << 53
"""Large objects may be made of one another, over and over: so that the sum stays a number in every client."""
DYNAMIC_MAX = 10_000
DEPTH_MAX = 10
_NESTED_MAX = 1000
"""Large objects within one, which are all looked at before it is read."""


async def gathered(tx: Tx, project_id: str, found: Object, container: str, prefix: str) -> Object:
    """A dynamic one with the segments that it has at the moment."""
    home = await containers.find(tx, project_id, container)
    segments: list[Segment] = []
    if home is not None:
        page = listing.Page(limit=DYNAMIC_MAX, prefix=prefix)
        for row in await listing.of_container(tx, home, page):
            assert not isinstance(row, str), "without a delimiter there are no folders"
            segments.append(Segment(container, row.name, row.etag, row.size, nested=row.is_large))
    whole = tuple(segments)
    return msgspec.structs.replace(found, manifest=whole, size=size_of(whole), etag=etag_of(whole))


def size_of(segments: tuple[Segment, ...]) -> int:
    size = sum(segment.length for segment in segments)
    if size > SIZE_MAX:
        raise Invalid("manifest.size", f"A large object has {SIZE_MAX} bytes at most.", status=413)
    return size


def etag_of(segments: tuple[Segment, ...]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for segment in segments:
        said = segment.etag if segment.range is None else f"{segment.etag}:{segment.range[0]}-{segment.range[1]};"
        digest.update(said.encode())
    return digest.hexdigest()


def cut(segments: tuple[Segment, ...], first: int, length: int) -> list[tuple[Segment, int, int]]:
    """Which bytes (the first, how many) of which segments a span is, as the segments' own objects count them."""
    found = []
    at, last = 0, first + length
    for segment in segments:
        start, end = max(first, at), min(last, at + segment.length)
        if start < end:
            skipped = segment.range[0] if segment.range is not None else 0
            found.append((segment, skipped + start - at, end - start))
        at += segment.length
    return found


async def parts_of(tx: Tx, place: Place, found: Object) -> list[Segment]:
    """All that it is made of, one of each container. Each is looked at once, however often it is named: large objects
    of large objects name more parts than there are atoms."""
    parts: dict[str, Segment] = {}
    seen: set[tuple[str, str]] = set()
    left = [found]
    while left:
        for segment in left.pop().manifest or ():
            parts.setdefault(segment.container, segment)
            at = (segment.container, segment.name)
            if not segment.nested or at in seen:
                continue
            if len(seen) >= _NESTED_MAX:
                raise Conflict("segment.depth", "Large objects are made of large objects more often than is good.")
            seen.add(at)
            await asyncio.sleep(0)
            _, inner = await objects.find_both(tx, Place(place.project_id, *at))
            if inner is not None:
                left.append(inner)
    return list(parts.values())
