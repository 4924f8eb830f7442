"""Files of a SQLite database that are removed, replaced or damaged under it: told in words, and nothing that was
acknowledged is lost.

The class: whatever of the database is not where it was. What is written to a file that has lost its name seems to be
kept, and is gone with the process.
"""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outages.alone import COMPUTE, Alone, Tenant


def _remove(ending: str) -> Callable[[Path], None]:
    return lambda data: (data / f"trivet.db{ending}").unlink()


def _replace(ending: str) -> Callable[[Path], None]:
    def act(data: Path) -> None:
        path = data / f"trivet.db{ending}"
        shutil.copy(path, data / "copy")
        (data / "copy").rename(path)

    return act


def _move(data: Path) -> None:
    data.rename(data.with_name("elsewhere"))


def made(tenant: Tenant, image: str, name: str) -> str:
    status, told = tenant.create(name, image, None, once=True)
    assert status == 202, told
    id: str = told["server"]["id"]
    return id


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        pytest.param(_remove("-wal"), "trivet.db-wal", id="the log removed"),
        pytest.param(_remove("-shm"), "trivet.db-shm", id="its index removed"),
        pytest.param(_replace("-wal"), "trivet.db-wal", id="the log replaced"),
        pytest.param(_replace("-shm"), "trivet.db-shm", id="its index replaced"),
        pytest.param(_replace(""), "moved or replaced", id="the database replaced"),
        pytest.param(_move, "moved or replaced", id="its folder moved"),
    ],
)
def test_a_file_that_is_not_what_it_was_ends_all_acknowledging(
    tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    alone = Alone(data, tmp_path)
    try:
        alone.start()
        tenant = alone.client()
        image = tenant.image()
        kept = [made(tenant, image, f"s{n}") for n in range(3)]
        tenant.until("all ACTIVE", lambda: {server["status"] for server in tenant.servers()} == {"ACTIVE"})
        harm(data)
        status, told = tenant.create("meanwhile", image, None, once=True)
        assert status == 503 and named in str(told), told
        alone.kill()
        if not data.exists():
            data.with_name("elsewhere").rename(data)
        alone.start()
        again = alone.client()
        assert {server["id"] for server in again.servers()} == set(kept)
        made(again, image, "after")
        again.until("all ACTIVE", lambda: {server["status"] for server in again.servers()} == {"ACTIVE"})
    finally:
        alone.stop()


@pytest.mark.parametrize("table", ["servers", "ports", "hosts", "users", "events"])
def test_a_table_that_cannot_be_read_is_named_at_the_start(tmp_path: Path, table: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    alone = Alone(data, tmp_path)
    try:
        alone.start()
        tenant = alone.client()
        made(tenant, tenant.image(), "one")
        assert tenant.call("GET", f"{COMPUTE}/servers", once=True)[0] == 200
    finally:
        alone.stop()
    _damage(data / "trivet.db", table)
    try:
        with pytest.raises(AssertionError) as told:
            alone.start()
        assert f"table {table} cannot be read" in str(told.value) and "Traceback" not in str(told.value)
    finally:
        alone.stop()


def _damage(path: Path, table: str) -> None:
    """As a disk would that lost a page."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
