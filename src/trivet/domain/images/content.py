"""An image's bytes on their way out.

That they are there is asked before anything is answered: once the answer has begun, a client could only be hung up on.
"""

import asyncio
from collections.abc import AsyncIterator

from trivet.domain.images import layered, signatures
from trivet.domain.images.images import Image
from trivet.errors import NotFound
from trivet.parts import Parts


async def read(
    parts: Parts, image: Image, key: str, offset: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    found = await _there(parts, image, key)
    if found is None:
        raise NotFound("image.lost_bytes", f"The data of image {image.id} is gone from this cloud's store.")
    if layered.is_layered(found):
        return layered.read(parts.blobs, await layered.recipe_of(parts.blobs, found), offset, length)
    return parts.blobs.read(found, offset, length)


async def _there(parts: Parts, image: Image, key: str) -> str | None:
    """The bytes of that key, or the same ones in another store."""
    for each in dict.fromkeys((key, *image.kept.values())):
        if await parts.blobs.size(each) is not None:
            return each
    return None


async def refuse_changed(parts: Parts, image: Image) -> None:
    """Of a signed image, that its bytes are still those that were signed. They are read once more for that."""
    signature = signatures.signature_of(image.properties)
    if signature is None or image.blob_key is None:
        return
    digest = signature.new_digest()
    async for chunk in await read(parts, image, image.blob_key):
        await asyncio.to_thread(digest.update, chunk)
    if digest.digest() != signatures.known_digest(image, signature):
        raise signatures.failed(f"the bytes of image {image.id} are not those that were signed.")
