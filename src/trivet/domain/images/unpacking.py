"""How much work a tenant's archive may make, and the digest of what its gzipped layers hold, within that.

A few bytes of gzip may stand for a thousand times as many, a stream may consist of streams, and there may be
anything behind its end: each of these ends somewhere.
"""

import hashlib
import zlib
from collections.abc import Callable
from typing import IO

from trivet.errors import Invalid

_PIECE = 64 << 10
"""What is left over of a piece is copied whenever a stream in it ends, so pieces are small."""
_OUT = 1 << 20
_STREAMS_MAX = 100_000
_UNPACKED_LEAST = 256 << 20
_RATIO_MAX = 64
"""Layers of programs have 2 to 5; 64 has one that is nearly all zeroes."""
_SECONDS_LEAST = 60.0
_RATE_LEAST = 8 << 20
"""Bytes a second that a busy machine manages."""
_GZIP = 31


class Allowance:
    """Of one look at one archive, for the thread that looks."""

    def __init__(self, monotonic: Callable[[], float], size: int) -> None:
        self._monotonic = monotonic
        self._until = monotonic() + _SECONDS_LEAST + size / _RATE_LEAST
        self._unpacked = max(_UNPACKED_LEAST, size * _RATIO_MAX)
        self._streams = _STREAMS_MAX
        self._unwanted = False

    def spend(self, unpacked: int = 0) -> None:
        self._unpacked -= unpacked
        if self._unpacked < 0:
            raise _too_much("its layers unpack to too many bytes for their size")
        if self._unwanted or self._monotonic() > self._until:
            raise _too_much("it takes too long to read")

    def spend_stream(self) -> None:
        self._streams -= 1
        if self._streams < 0:
            raise _too_much("its layers consist of too many streams")

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._unwanted = True


def unpacked_digest(file: IO[bytes], offset: int, size: int, allowance: Allowance) -> str | None:
    """None: it is no gzip from its beginning to its end."""
    file.seek(offset)
    digest = hashlib.sha256()
    stream = zlib.decompressobj(_GZIP)
    try:
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            size -= len(piece)
            while piece:
                if stream.eof:
                    # A stream may be followed by another one, and by nothing else.
                    allowance.spend_stream()
                    stream = zlib.decompressobj(_GZIP)
                text = stream.decompress(piece, _OUT)
                digest.update(text)
                allowance.spend(len(text))
                piece = stream.unused_data if stream.eof else stream.unconsumed_tail
    except zlib.error:
        return None
    return digest.hexdigest() if stream.eof else None


def _too_much(why: str) -> Invalid:
    return Invalid("image.archive_costs", f"The archive of a container image is refused: {why}.", status=415)
