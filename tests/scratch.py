"""A folder for what a test writes much of: in memory where there is room, and gone with who made it."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")
_DAY_S = 24 * 3600


@contextmanager
def scratch(purpose: str, room_bytes: int) -> Iterator[Path]:
    """What a run left that was killed goes when it is a day old."""
    prefix = f"trivet-{purpose}-"
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= room_bytes
    if roomy:
        for old in _MEMORY.glob(f"{prefix}*"):
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > _DAY_S:
                    shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if roomy else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
