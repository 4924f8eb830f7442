"""Several blob stores behind one contract: a key's kind says where it lies; what nobody claims lies in the first."""

from collections.abc import AsyncIterator

from trivet.drivers.contracts.blobs import Blobs, Found, Sink


class BlobStores:
    def __init__(self, first: Blobs, further: dict[str, Blobs]) -> None:
        """`further`: by the kind of the keys that lie there."""
        self._first = first
        self._further = further

    def _of(self, key: str) -> Blobs:
        return self._further.get(key.partition(".")[0], self._first)

    async def create(self, key: str) -> Sink:
        return await self._of(key).create(key)

    async def put(self, key: str, content: bytes) -> None:
        await self._of(key).put(key, content)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        return self._of(key).read(key, offset, length)

    async def get(self, key: str, offset: int, length: int) -> bytes:
        return await self._of(key).get(key, offset, length)

    async def size(self, key: str) -> int | None:
        return await self._of(key).size(key)

    async def remove(self, key: str) -> None:
        await self._of(key).remove(key)

    async def keys(self, kind: str | None = None) -> set[str]:
        if kind is not None:
            return await self._further.get(kind, self._first).keys(kind)
        found = await self._first.keys()
        for further, blobs in self._further.items():
            found |= await blobs.keys(further)
        return found

    def walk(self, kind: str, after: str = "") -> AsyncIterator[tuple[str, list[Found]]]:
        return self._further.get(kind, self._first).walk(kind, after)

    def local_path(self, key: str) -> str | None:
        return self._of(key).local_path(key)
