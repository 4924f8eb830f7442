"""The directory of --data: made where it is missing, and one process's at a time.

Two processes on one SQLite file would get along; but each would write its own address into the one clouds.yaml.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivet.errors import Conflict, Invalid


def make(settings_data: str) -> Path:
    """There from now on, and ours to use, with all that is in it."""
    folder = Path(settings_data)
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
    return folder


def _is_ours(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK) or not path.exists()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """By this process alone, whose pid stands in it meanwhile. The kernel frees it however the process ends."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    file = folder / "trivet.pid"
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = running_pid(folder)
            raise Conflict(
                "data.held",
                f"A trivet{f' (process {pid})' if pid else ''} runs in {folder} already: stop it first, or give this "
                "one a --data of its own.",
            ) from error
        file.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
    finally:
        os.close(lock)


def running_pid(folder: Path) -> int | None:
    """Of the process that holds it, if there is one on this machine."""
    try:
        pid = int((folder / "trivet.pid").read_text())
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (OSError, ValueError):
        return None
    return pid
