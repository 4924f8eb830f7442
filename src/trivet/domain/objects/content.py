"""An object's bytes on their way out: a span of them, from its blob or from its segments' ones.

The first of them are at hand before anything is answered: once the answer has begun, a client could only be hung up
on. Who reads goes on reading, whatever becomes of the object meanwhile.
"""

import asyncio
import logging
from base64 import b64decode
from collections.abc import AsyncIterator

from trivet.domain.objects import large, objects, small
from trivet.domain.objects.objects import Object, Place, Segment
from trivet.domain.objects.uploads import SMALL_BYTES
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import Busy, Conflict
from trivet.parts import Parts

_logger = logging.getLogger(__name__)

Body = bytes | AsyncIterator[bytes]


async def of(parts: Parts, project_id: str, found: Object, first: int, length: int) -> Body:
    """`project_id`: in whose containers its segments are."""
    if not length:
        return b""
    if found.manifest is None:
        assert found.blob_key is not None
        return await _of_blob(parts, found.blob_key, first, length)
    chunks = _of_segments(parts, project_id, found, (first, length))
    return _after(await anext(chunks), chunks)


async def whole(parts: Parts, project_id: str, found: Object, first: int, length: int) -> AsyncIterator[bytes]:
    """In chunks, however short it is."""
    body = await of(parts, project_id, found, first, length)
    if isinstance(body, bytes):
        yield body
        return
    async for chunk in body:
        yield chunk


async def _of_blob(parts: Parts, key: str, first: int, length: int) -> Body:
    try:
        if small.is_small(key):
            async with parts.store.read() as tx:
                kept = await small.read(tx, key)
            if kept is None or len(kept) < first + length:
                raise _damaged(key, "its bytes are gone")
            return kept if length == len(kept) else kept[first : first + length]
        if length <= SMALL_BYTES:
            content = await parts.blobs.get(key, first, length)
            if len(content) != length:
                raise _damaged(key, f"{len(content)} of {length} bytes at {first}")
            return content
        chunks = parts.blobs.read(key, first, length)
        return _after(await anext(chunks), chunks)
    except StopAsyncIteration as error:
        raise _damaged(key, "no bytes") from error
    except DriverError as error:
        if error.again:
            raise Busy("blobs.away", error.why) from error
        raise _damaged(key, error.why) from error


async def _after(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


async def _of_segments(
    parts: Parts, project_id: str, found: Object, span: tuple[int, int], deeper: int = large.DEPTH_MAX
) -> AsyncIterator[bytes]:
    for segment, start, count in large.cut(found.manifest or (), *span):
        # There may be thousands of a byte each: others' requests go between.
        await asyncio.sleep(0)
        if segment.data:
            yield b64decode(segment.data)[start : start + count]
            continue
        part = await _of_segment(parts, project_id, segment)
        if part.manifest is not None:
            if not deeper:
                raise Conflict("segment.depth", "Large objects are made of large objects more often than is good.")
            inner = _of_segments(parts, project_id, part, (start, count), deeper - 1)
            async for chunk in inner:
                yield chunk
            continue
        async for chunk in whole(parts, project_id, part, start, count):
            yield chunk


async def _of_segment(parts: Parts, project_id: str, segment: Segment) -> Object:
    """As it was when the manifest was written, or the whole is not what it was said to be."""
    async with parts.store.read() as tx:
        _, found = await objects.find_both(tx, Place(project_id, segment.container, segment.name))
    if found is None or found.etag != segment.etag or found.size != segment.size:
        raise Conflict("segment.changed", f"Segment /{segment.container}/{segment.name} is gone, or is another one.")
    return found


def _damaged(key: str, what: str) -> Busy:
    _logger.error("The blob %s is damaged: %s", key, what)
    return Busy("object.damaged", "The bytes of this object are damaged; its cloud's operator has been told.")
