"""Files that are whole or not there, also when the power goes: written beside their place, moved there when safe."""

import os
from pathlib import Path
from typing import IO, Any

PART = ".part"


def part_of(path: Path) -> Path:
    return path.with_name(path.name + PART)


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    part = part_of(path)
    # What was left of an earlier try may have another mode.
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        sync(file)
    move(part, path)


def write_once(path: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """Unless it is there; whether it was not. Of several at once one is the first, and nobody finds half of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        sync(file)
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    finally:
        part.unlink()
        sync_folder(path.parent)
    return True


def sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def move(part: Path, path: Path) -> None:
    """What is in `part` is safe already; afterwards its name is, too."""
    part.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A name that was made, moved or removed there is so after a power cut as well."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
