"""Payloads: an object's bytes as S3's clients send them: as they are, or in chunks of their own with signatures and
checksums between and behind. All that is said of them is checked before anybody can read them.
"""

import asyncio
import hashlib
import hmac
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from trivet.api.kit.request import Request
from trivet.api.object import incoming
from trivet.api.s3.signatures import ALGORITHM, UNSIGNED, Signature
from trivet.domain.numbers import whole_number
from trivet.errors import Forbidden, Invalid

_SIGNED, _SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_STREAMING = (_SIGNED, _SIGNED_TRAILER, _UNSIGNED_TRAILER)
_EMPTY = hashlib.sha256(b"").hexdigest()
_HASH = re.compile(r"^[0-9a-f]{64}\Z")
_LINE_MAX = 4096
_TRAILERS_MAX = 16
_ASIDE_BYTES = 256 * 1024
"""More than so many are hashed in a thread."""


_PIECE_BYTES = 64 * 1024
_TURN_CHUNKS = 64


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_CHECKSUMS: dict[str, Callable[[], Digest]] = {
    "x-amz-checksum-crc32": _Crc32,
    "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "x-amz-checksum-sha256": hashlib.sha256,
}
"""Of others (CRC32C, CRC64) nothing is checked, and nothing is said."""


def length_of(request: Request, signature: Signature) -> int | None:
    """Of the object."""
    if signature.payload not in _STREAMING:
        return incoming.length_of(request)
    length = whole_number(request.header("x-amz-decoded-content-length") or "")
    if length is None:
        raise Invalid("body.length", "You must provide the x-amz-decoded-content-length HTTP header.")
    return length


async def of(request: Request, signature: Signature) -> AsyncIterator[bytes]:
    digests = _wanted(request)
    chunks = incoming.body(request)
    reader = None
    if signature.payload in _STREAMING:
        reader = _Chunked(chunks, signature)
        chunks = reader.data()
    elif signature.payload != UNSIGNED:
        if not _HASH.match(signature.payload):
            raise Invalid("s3.content_hash", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, or a valid sha256 value.")
        digests["x-amz-content-sha256"] = hashlib.sha256()
    async for chunk in chunks:
        await _hash(digests, chunk)
        yield chunk
    said = {name: request.header(name) for name in digests}
    if reader is not None:
        said |= {name: value for name, value in reader.trailers.items() if name in digests}
    _check(digests, said)


def _wanted(request: Request) -> dict[str, Digest]:
    found: dict[str, Digest] = {}
    if b"content-md5" in request.headers:
        found["content-md5"] = hashlib.md5(usedforsecurity=False)
    trailer = (request.header("x-amz-trailer") or "").lower()
    for name, make in _CHECKSUMS.items():
        if name.encode() in request.headers or name in [one.strip() for one in trailer.split(",")]:
            found[name] = make()
    return found


async def _hash(digests: dict[str, Digest], chunk: bytes) -> None:
    if len(chunk) <= _ASIDE_BYTES:
        for digest in digests.values():
            digest.update(chunk)
    elif digests:
        await asyncio.gather(*(asyncio.to_thread(digest.update, chunk) for digest in digests.values()))


def _check(digests: dict[str, Digest], said: dict[str, str | None]) -> None:
    for name, digest in digests.items():
        made = digest.digest()
        if name == "x-amz-content-sha256":
            if said[name] != made.hex():
                raise Invalid(
                    "s3.content_hash",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.",
                )
            continue
        try:
            given = b64decode(said.get(name) or "", validate=True)
        except ValueError as error:
            raise Invalid("s3.digest", f"The {name} you specified is not valid.") from error
        if len(given) != len(made):
            raise Invalid("s3.digest", f"The {name} you specified is not valid.")
        if given != made:
            raise Invalid("object.etag", f"The {name} you specified did not match what we received.")


def md5_of(content: bytes) -> str:
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class _Chunked:
    """SIZE;chunk-signature=... and so many bytes, until one of none; then, maybe, headers that come behind."""

    def __init__(self, source: AsyncIterator[bytes], signature: Signature) -> None:
        self._source = source
        self._held, self._at = b"", 0
        """What came, and how far it was read: nothing is moved for a chunk, however short its client makes them."""
        self._signature = signature
        self._signs = signature.payload != _UNSIGNED_TRAILER
        self._before = signature.made
        self.trailers: dict[str, str] = {}

    async def data(self) -> AsyncIterator[bytes]:
        """Of short ones many in one, and others' requests go between: a client may put each byte into its own."""
        held, count = bytearray(), 0
        async for piece in self._pieces():
            count += 1
            if not count % _TURN_CHUNKS:
                await asyncio.sleep(0)
            if not held and len(piece) >= _PIECE_BYTES:
                yield piece
                continue
            held += piece
            if len(held) >= _PIECE_BYTES:
                yield bytes(held)
                held = bytearray()
        if held:
            yield bytes(held)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            size, said = _header(await self._line())
            digest, left = hashlib.sha256(), size
            while left:
                piece = await self._some(left)
                left -= len(piece)
                if self._signs:
                    await _hash({"": digest}, piece)
                yield piece
            if self._signs:
                self._check(said, f"{ALGORITHM}-PAYLOAD", f"{_EMPTY}\n{digest.hexdigest()}")
            if not size:
                await self._end()
                return
            if await self._line():
                raise _broken()

    async def _end(self) -> None:
        text = ""
        while line := await self._line(last=True):
            name, colon, value = line.partition(":")
            name = name.strip().lower()
            if not colon or len(self.trailers) >= _TRAILERS_MAX:
                raise _broken()
            if name == "x-amz-trailer-signature":
                self._check(value.strip(), f"{ALGORITHM}-TRAILER", hashlib.sha256(text.encode()).hexdigest())
                text = ""
                continue
            self.trailers[name] = value.strip()
            text += f"{name}:{value.strip()}\n"
        if text and self._signs:
            raise Forbidden("s3.chunk_signature", "The trailer of the body is not signed.")
        more = await anext(self._source, b"")
        if more or self._at < len(self._held):
            raise _broken()

    def _check(self, said: str, algorithm: str, hashed: str) -> None:
        signed = self._signature
        text = f"{algorithm}\n{signed.date}\n{signed.scope}\n{self._before}\n{hashed}"
        made = hmac.new(signed.key, text.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(made.encode(), said.encode()):
            raise Forbidden("s3.chunk_signature", "The signature of a chunk of the body does not match.")
        self._before = made

    async def _line(self, *, last: bool = False) -> str:
        while (end := self._held.find(b"\r\n", self._at)) < 0:
            if len(self._held) - self._at > _LINE_MAX:
                raise _broken()
            more = await anext(self._source, b"")
            if not more:
                if last and self._at == len(self._held):
                    return ""  # some leave out the last empty line
                raise _broken()
            self._held, self._at = self._held[self._at :] + more, 0
        line, self._at = self._held[self._at : end], end + 2
        if len(line) > _LINE_MAX:
            raise _broken()
        return line.decode("latin-1")

    async def _some(self, most: int) -> bytes:
        if self._at == len(self._held):
            self._held, self._at = await anext(self._source, b""), 0
            if not self._held:
                raise _broken()
        piece = self._held[self._at : self._at + most]
        self._at += len(piece)
        return piece


def _header(line: str) -> tuple[int, str]:
    size, _, rest = line.partition(";")
    try:
        number = int(size, 16) if len(size) <= 10 else -1
    except ValueError as error:
        raise _broken() from error
    if number < 0:
        raise _broken()
    return number, rest.partition("chunk-signature=")[2].strip()


def _broken() -> Invalid:
    return Invalid("s3.chunk", "The request body terminated unexpectedly, or is not in the chunks that it says.")
