"""What a cloud keeps in its data directory is for its own user, however freely that user makes files."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import TRIVET, Up, trivet
from tests.ports import free_port
from tests.programs import PATIENCE_S, clean

OPEN_TO_OTHERS = 0o077
HARMLESS = {"trivet.pid"}
ANOTHER_KEY = "The key file (secret, in the directory of --data) is not the one that sealed this database: copy it"


def open_to_others(folder: Path) -> set[str]:
    """Of what lies in it; what is in a closed folder is closed."""
    found = set()
    for path in folder.iterdir():
        if stat.S_IMODE(path.lstat().st_mode) & OPEN_TO_OTHERS and path.name not in HARMLESS:
            found.add(path.name)
    return found


def cloud(tmp_path: Path, *words: str) -> Up:
    return Up(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{free_port()}", *words)


def test_nobody_else_reads_it_even_in_an_open_folder_under_an_open_umask(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        up = cloud(tmp_path)
    finally:
        os.umask(before)
    try:
        up.ready()
        assert {"trivet.db", "trivet.db-wal", "trivet.db-shm", "secret", "clouds.yaml", "blobs", "scratch"} <= {
            path.name for path in folder.iterdir()
        }
        assert open_to_others(folder) == set()
    finally:
        up.stop()
    assert open_to_others(folder) == set()


def test_what_was_left_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    cloud(tmp_path).ready().stop()
    folder = tmp_path / "cloud"
    for name in ("trivet.db", "secret", "clouds.yaml", "blobs"):
        (folder / name).chmod(0o755)
    up = cloud(tmp_path).ready()
    try:
        assert open_to_others(folder) == set()
    finally:
        up.stop()


def test_a_database_elsewhere_is_as_closed(tmp_path: Path) -> None:
    subprocess.run(
        f"umask 0; touch here.db; {TRIVET} up --data d --database sqlite:///here.db",
        shell=True, cwd=tmp_path, env=clean() | {"PATH": "/usr/bin:/bin", "TRIVET_LISTEN": "127.0.0.1:1"}, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "here.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["a-folder", "none/x.db", "/proc/none.db"])
def test_a_database_that_cannot_be_is_refused_in_a_sentence(place: str, tmp_path: Path) -> None:
    (tmp_path / "a-folder").mkdir()
    made = trivet(tmp_path, "up", "--sim", "--data", "d", "--database", place)
    assert made.returncode == 1 and "Traceback" not in made.stderr
    assert place in made.stderr and "choose another with --database" in made.stderr


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (
            b"k" * 32,
            ANOTHER_KEY,
        ),
        (None, ANOTHER_KEY),
        (b"", "cloud/secret is too short to be a key; copy the right one here, or remove it."),
    ],
)
def test_a_key_that_does_not_fit_is_told_by_the_name_of_its_file(
    key: bytes | None, sentence: str, tmp_path: Path
) -> None:
    cloud(tmp_path).ready().stop()
    secret = tmp_path / "cloud" / "secret"
    right = secret.read_bytes()
    secret.unlink()
    if key is not None:
        secret.write_bytes(key)
    made = trivet(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{free_port()}")
    assert made.returncode == 1 and made.stderr.startswith(f"trivet: {sentence}")
    secret.write_bytes(right)
    cloud(tmp_path).ready().stop()
