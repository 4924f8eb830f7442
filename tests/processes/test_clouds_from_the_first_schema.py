"""A cloud that was made by the first program is started with this one: it has all that a new cloud has."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trivet.process import offered as offered_services
from trivet.process import offers, running, services
from trivet.settings import Settings
from trivet.store import migrations

LAST_WITHOUT_SEEDS = 16
FIRST_SERVICES = ("identity", "compute", "image", "network", "placement")
COPIED = (
    "projects", "users", "roles", "implied_roles", "assignments", "regions", "services", "endpoints",
    "registered_limits", "limits", "limit_model",
)  # fmt: skip


def settings(folder: Path) -> Settings:
    return Settings(data=str(folder), sim=True, sim_hosts=1, admin_password="secret")


def rows(database: sqlite3.Connection, sql: str) -> set[tuple[object, ...]]:
    return set(database.execute(sql).fetchall())


def offered(database: sqlite3.Connection) -> dict[str, set[tuple[object, ...]]]:
    """What services bring to a cloud, without ids."""
    return {
        "catalog": rows(
            database,
            "SELECT s.type, s.name, e.interface, e.url FROM services s JOIN endpoints e ON e.service_id = s.id",
        ),
        "roles": rows(database, "SELECT name FROM roles"),
        "implied": rows(
            database,
            "SELECT a.name, b.name FROM implied_roles i JOIN roles a ON a.id = i.prior_id"
            " JOIN roles b ON b.id = i.implied_id",
        ),
        "defaults": rows(
            database,
            "SELECT s.type, r.resource_name, r.default_limit FROM registered_limits r"
            " JOIN services s ON s.id = r.service_id",
        ),
        "limits of the operator's project": rows(database, "SELECT resource_name, resource_limit FROM limits"),
        "definitions": rows(database, "SELECT COUNT(*) > 5 FROM metadef_namespaces"),
        "volume types": rows(database, "SELECT name FROM volume_types"),
    }


def old_cloud(path: Path, new: sqlite3.Connection) -> None:
    """The tables as they were, with what the first program put there: five services and their limits, all roles."""
    early = [each for each in migrations.known() if each.number <= LAST_WITHOUT_SEEDS]
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT, at DOUBLE PRECISION, digest TEXT)")
        for each in early:
            for statement in migrations.statements(each.sql, migrations.SQLITE):
                old.execute(statement)
            old.execute("INSERT INTO migrations VALUES (?, ?, 0, ?)", (each.number, each.name, each.digest))
        for table in COPIED:
            known = {row[1] for row in new.execute(f"PRAGMA table_info({table})")}
            columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})") if row[1] in known]
            old.execute(f"DELETE FROM {table}")
            for row in new.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall():
                places = ", ".join("?" for _ in columns)
                old.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", row)
        (seeds,) = [each for each in migrations.known() if each.name == "0017_seeds.sql"]
        later = [name for offer in offers(services()) for name in offer.limits if f"'limit:{name}'" not in seeds.sql]
        for name in later:
            for table in ("limits", "registered_limits"):
                old.execute(f"DELETE FROM {table} WHERE resource_name = ?", (name,))
        absent = [row[0] for row in old.execute("SELECT id, type FROM services") if row[1] not in FIRST_SERVICES]
        for id in absent:
            old.execute("DELETE FROM endpoints WHERE service_id = ?", (id,))
            old.execute("DELETE FROM services WHERE id = ?", (id,))
        assert absent and later, "something has come since"


@pytest.mark.parametrize("starts", [1, 2])
async def test_an_upgraded_cloud_has_what_all_services_bring(tmp_path: Path, starts: int) -> None:
    async with running(settings(tmp_path / "new")):
        pass
    upgraded = tmp_path / "old"
    upgraded.mkdir()
    with closing(sqlite3.connect(tmp_path / "new" / "trivet.db")) as new:
        wanted = offered(new)
        old_cloud(upgraded / "trivet.db", new)
    for _ in range(starts):
        async with running(settings(upgraded)):
            pass
    with closing(sqlite3.connect(upgraded / "trivet.db")) as database:
        assert offered(database) == wanted
    assert {row[0] for row in wanted["catalog"]} == {offer.type for offer in offers(offered_services(Settings()))}
    assert {row[1] for row in wanted["defaults"]} == {name for offer in offers(services()) for name in offer.limits}
