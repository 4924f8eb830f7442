"""An image's bytes on their way out.

That they are there is asked before anything is answered: once the answer has begun, a client could only be hung up on.
"""

from collections.abc import AsyncIterator

from trivet.domain.images import layered
from trivet.domain.images.images import Image
from trivet.errors import NotFound
from trivet.parts import Parts


async def read(
    parts: Parts, image: Image, key: str, offset: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    if await parts.blobs.size(key) is None:
        raise NotFound("image.lost_bytes", f"The data of image {image.id} is gone from this cloud's store.")
    if layered.is_layered(key):
        return layered.read(parts.blobs, await layered.recipe_of(parts.blobs, key), offset, length)
    return parts.blobs.read(key, offset, length)
