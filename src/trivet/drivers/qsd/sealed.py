"""Volumes that lie on the disk sealed: LUKS, made and opened by QEMU.

A key reaches a program of QEMU's as a file that is nowhere on a disk, and never among its words, which all may read.
"""

import asyncio
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.volume import ImageFormat, Key
from trivet.drivers.programs import Bounds
from trivet.drivers.qemu.complaints import refusal

_PAYLOAD_AT, _SECTOR = 104, 512
_TRIES, _PAUSE_S = 10, 1.0
_UNMEASURED = b"accurate CPU usage"
"""QEMU measures how fast the processor is, and a busy virtual one now and then tells it that no time has passed."""
_TURNS_MS = 10
"""Passphrases here are long and random: turning them over for seconds would only cost seconds."""


@contextmanager
def handed(key: Key) -> Iterator[int]:
    """A descriptor to pass on; `secret` names it."""
    fd = os.memfd_create("key")
    try:
        os.write(fd, key.passphrase.encode())
        yield fd
    finally:
        os.close(fd)


def secret(fd: int) -> str:
    return f"secret,id=key,file=/proc/self/fd/{fd}"


async def make_empty(path: Path, size: int, key: Key, bounds: Bounds) -> None:
    await _run(key, ("create", "-f", "luks", "-o", _options(key), str(path), str(size)), bounds)


async def of_image(path: Path, format: ImageFormat, target: Path, key: Key, bounds: Bounds) -> None:
    words = ("convert", "-f", format, "-O", "luks", "-o", _options(key), str(path), str(target))
    await _run(key, words, bounds)


def header_bytes(path: Path) -> int:
    """What stands before the volume itself. Of a file that we made."""
    with path.open("rb") as file:
        (sectors,) = struct.unpack_from(">I", file.read(_PAYLOAD_AT + 4), _PAYLOAD_AT)
    return int(sectors) * _SECTOR


def _options(key: Key) -> str:
    words = ["key-secret=key", f"cipher-alg={key.cipher}", f"cipher-mode={key.mode}", f"ivgen-alg={key.ivgen}"]
    if key.ivgen_hash is not None:
        words.append(f"ivgen-hash-alg={key.ivgen_hash}")
    return ",".join([*words, f"iter-time={_TURNS_MS}"])


async def _run(key: Key, words: tuple[str, ...], bounds: Bounds) -> None:
    what, *rest = words
    with handed(key) as fd:
        for tries_left in reversed(range(_TRIES)):
            ended = await programs.run(("qemu-img", what, "--object", secret(fd), *rest), bounds=bounds, pass_fds=(fd,))
            if not (ended.code and _UNMEASURED in ended.err and tries_left):
                break
            await asyncio.sleep(_PAUSE_S)
    if ended.code:
        raise refusal("The encrypted volume could not be made.", ended.err.decode(errors="replace"))


def key_is_missing() -> DriverError:
    return DriverError("The volume is encrypted, and its key is not in the key manager any more.", again=False)
