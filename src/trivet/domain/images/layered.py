"""Layered images: those whose bytes lie in several blobs, as a registry keeps them, and which are read as one archive.

What the image's own blob holds is a recipe: which pieces the archive is made of, in order. Nothing is kept twice, and
every range of the archive can be read without what is before it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec

from trivet.drivers.contracts.blobs import Blobs

SUFFIX = ".layers"
"""By which a blob that is a recipe is known."""
_RECIPE_MAX = 16 << 20


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some bytes: given here, or `size` of a blob from `at` on."""

    size: int
    text: bytes = b""
    key: str = ""
    at: int = 0


class Recipe(msgspec.Struct, frozen=True):
    pieces: list[Piece]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


class Sums(msgspec.Struct, frozen=True):
    size: int
    md5: str
    sha512: str


def given(text: bytes) -> Piece:
    return Piece(size=len(text), text=text)


def is_layered(key: str | None) -> bool:
    return key is not None and key.endswith(SUFFIX)


async def keep(blobs: Blobs, key: str, recipe: Recipe) -> None:
    await keep_text(blobs, key, msgspec.json.encode(recipe))


async def keep_text(blobs: Blobs, key: str, text: bytes) -> None:
    sink = await blobs.create(key)
    try:
        await sink.write(text)
        await sink.finish()
    except BaseException:
        await sink.abandon()
        raise


async def recipe_of(blobs: Blobs, key: str) -> Recipe:
    text = b"".join([chunk async for chunk in blobs.read(key, 0, _RECIPE_MAX)])
    return msgspec.json.decode(text, type=Recipe)


async def read(blobs: Blobs, recipe: Recipe, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
    left = recipe.size - offset if length is None else length
    for piece in recipe.pieces:
        if offset >= piece.size:
            offset -= piece.size
            continue
        wanted = min(piece.size - offset, left)
        if piece.key:
            async for chunk in blobs.read(piece.key, piece.at + offset, wanted):
                yield chunk
        elif wanted:
            yield piece.text[offset : offset + wanted]
        offset, left = 0, left - wanted
        if left <= 0:
            return


async def sums(blobs: Blobs, recipe: Recipe) -> Sums:
    """What image clients hold a download against."""
    size, md5, sha512 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha512()
    async for chunk in read(blobs, recipe):
        size += len(chunk)
        await asyncio.gather(asyncio.to_thread(md5.update, chunk), asyncio.to_thread(sha512.update, chunk))
    return Sums(size, md5.hexdigest(), sha512.hexdigest())
