"""trivet upgrade check: one verdict, and an exit code, for a cloud that a newer program is to take over."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command import trivet
from trivet.process import running
from trivet.settings import Settings
from trivet.store import migrations


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """What a cloud left behind that ran and ended."""
    folder = tmp_path / "cloud"
    async with running(Settings(data=str(folder), sim=True, sim_hosts=1, admin_password="secret")):
        pass
    return folder


def check(data: Path, code: int) -> dict[str, tuple[str, str]]:
    done = trivet(data.parent, "upgrade", "check", "--json", "--data", str(data))
    assert done.returncode == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["verdict"] == ("success", "warning", "failure")[code]
    return {one["check"]: (one["verdict"], one["said"]) for one in told["checks"]}


def change(data: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data / "trivet.db", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


async def test_a_sound_cloud_may_be_taken_over(data: Path) -> None:
    found = check(data, 0)
    assert {verdict for verdict, _ in found.values()} == {"success"}
    done = trivet(data.parent, "upgrade", "check", "--data", str(data))
    assert done.stdout.splitlines()[-1] == "This program may take over."


async def test_what_is_to_be_applied_is_told_and_not_applied(data: Path) -> None:
    last = migrations.known()[-1]
    change(data, f"DELETE FROM migrations WHERE number = {last.number}")
    assert last.name in check(data, 0)["schema"][1]
    with closing(sqlite3.connect(data / "trivet.db")) as database:
        assert database.execute("SELECT 1 FROM migrations WHERE number = ?", (last.number,)).fetchone() is None


@pytest.mark.parametrize(
    ("statement", "name", "word"),
    [
        ("UPDATE migrations SET digest = 'other' WHERE number = 2", "schema", "0002_identity.sql"),
        ("INSERT INTO migrations (number, name, at, digest) VALUES (9999, 'x', 0, 'x')", "schema", "9999"),
        ("UPDATE users SET options = '{' WHERE name = 'admin'", "rows", "options"),
    ],
)
async def test_what_this_program_cannot_live_with_is_named(data: Path, statement: str, name: str, word: str) -> None:
    change(data, statement)
    verdict, said = check(data, 2)[name]
    assert verdict == "failure"
    assert word in said


async def test_a_secret_of_another_cloud_is_noticed(data: Path) -> None:
    (data / "secret").write_bytes(b"another" * 6)
    assert check(data, 2)["keys"][0] == "failure"
    (data / "secret").unlink()
    assert "--data" in check(data, 2)["keys"][1]


async def test_what_has_waited_for_long_and_hosts_that_are_down_ask_for_a_look(data: Path) -> None:
    change(data, "UPDATE hosts SET silent = 1")
    assert check(data, 1)["hosts"][0] == "warning"


async def test_a_page_that_is_broken_is_a_failure_too(data: Path) -> None:
    change(data, "PRAGMA wal_checkpoint(TRUNCATE)")
    file = data / "trivet.db"
    bytes_ = bytearray(file.read_bytes())
    for page in range(20, len(bytes_) // 4096):
        bytes_[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(bytes_)
    check(data, 2)


def test_where_there_is_no_cloud_nothing_is_made(tmp_path: Path) -> None:
    done = trivet(tmp_path, "upgrade", "check", "--data", str(tmp_path / "typo"))
    assert done.returncode == 1
    assert "no cloud" in done.stderr
    assert not (tmp_path / "typo").exists()
