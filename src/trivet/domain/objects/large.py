"""Large objects: an object that is made of others, which its manifest names one by one (static), or by how their names
begin (dynamic: whatever is there when it is read).
"""

import hashlib

import msgspec

from trivet.domain.objects import containers, objects
from trivet.domain.objects.objects import Object, Segment
from trivet.store.tx import Tx
from trivet.store.where import Where

SEGMENTS_MAX = 1000
MANIFEST_BYTES_MAX = 8 << 20
DYNAMIC_MAX = 10_000
DEPTH_MAX = 10


async def gathered(tx: Tx, project_id: str, found: Object, container: str, prefix: str) -> Object:
    """A dynamic one with the segments that it has at the moment."""
    home = await containers.find(tx, project_id, container)
    segments: tuple[Segment, ...] = ()
    if home is not None:
        where = Where().equal("container_id", home.id).add("name >= ?", prefix)
        where.add("(delete_at IS NULL OR delete_at > ?)", tx.clock.now())
        rows = await tx.select(objects.TABLE, where, order="name", limit=DYNAMIC_MAX)
        segments = tuple(
            Segment(container, row.name, row.etag, row.size, nested=row.manifest is not None)
            for row in rows
            if row.name.startswith(prefix)
        )
    return msgspec.structs.replace(
        found, manifest=segments, size=sum(segment.size for segment in segments), etag=etag_of(segments)
    )


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
