"""The directory of --data: made where it is missing, one process's at a time, its secrets nobody else's to read.

Two processes on one SQLite file would get along; but each would write its own address into the one clouds.yaml.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from trivet.errors import Conflict, Invalid
from trivet.settings import Settings

_FILES = ("secret", "clouds.yaml", "first-password", "trivet.pid")
_FOLDERS = ("blobs", "scratch")
_SQLITE = b"SQLite format 3\0"
_OTHERS = 0o077


def make(settings: Settings) -> Path:
    """There from now on, and ours to use, with all that is in it."""
    folder = Path(settings.data)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refused = [path for path in (folder, *folder.iterdir()) if not _is_ours(path)]
    except OSError as error:
        raise Invalid("data.refused", f"Cannot use {folder} ({error.strerror}); choose another with --data.") from error
    if refused:
        raise Invalid(
            "data.refused",
            f"May not read and write {refused[0]}; choose another directory with --data, or be its user.",
        )
    for name in (*_FILES, *_FOLDERS):
        path = folder / name
        if path.exists() and path.is_dir() != (name in _FOLDERS):
            wanted = "a directory" if name in _FOLDERS else "a file"
            raise Invalid("data.refused", f"{path} must be {wanted}; remove it, or choose another with --data.")
        _close_to_others(path)
    if settings.database_file is not None:
        _make_database(settings.database_file)
    return folder


def _is_ours(path: Path) -> bool:
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, wanted) or not path.exists()


def _make_database(path: Path) -> None:
    """SQLite would make it as the umask says, and gives what it makes beside it (-wal, -shm) the same mode."""
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise Invalid(
            "data.refused", f"Cannot use {path} ({error.strerror}); choose another with --database."
        ) from error
    check_database(path)


def check_database(path: Path) -> None:
    """One that is there: ours to use, no other kind of file, and from now on closed to others."""
    try:
        if not path.is_file():
            raise Invalid("data.refused", f"{path} is no file; choose another with --database.")
        if not _is_ours(path):
            raise Invalid("data.refused", f"May not read and write {path}; choose another with --database.")
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) not in (b"", _SQLITE):
                raise Invalid("data.refused", f"{path} is no SQLite database; choose another with --database.")
    except OSError as error:
        raise Invalid(
            "data.refused", f"Cannot use {path} ({error.strerror}); choose another with --database."
        ) from error
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        _close_to_others(part)


def _close_to_others(path: Path) -> None:
    """If it is there and our own: an earlier release, or somebody's copy, may have left it open to all."""
    try:
        found = path.stat()
        if path.name != "trivet.pid" and found.st_mode & _OTHERS and found.st_uid == os.geteuid():
            path.chmod(found.st_mode & ~_OTHERS & 0o7777)
    except FileNotFoundError:
        pass


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Locks the folder for this process, whose pid stands in the lock file. The kernel frees it however the process
    ends."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    file = folder / "trivet.pid"
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = running(folder)
            raise Conflict(
                "data.held",
                f"A trivet{f' (process {other.pid})' if other else ''} runs in {folder} already: stop it first, or "
                "give this one a --data of its own.",
            ) from error
        file.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
    finally:
        os.close(lock)


class Running(NamedTuple):
    pid: int
    url: str
    """The URL at which the cloud answers, once it does."""


def note_url(folder: Path, url: str) -> None:
    """Beside our pid, for who asks this very process how it is."""
    (folder / "trivet.pid").write_text(f"{os.getpid()}\n{url}\n")


def running(folder: Path) -> Running | None:
    """The process that holds it, if there is one on this machine."""
    try:
        pid, _, url = (folder / "trivet.pid").read_text().partition("\n")
        os.kill(int(pid), 0)
    except PermissionError:
        pass
    except (OSError, ValueError):
        return None
    return Running(int(pid), url.strip())
