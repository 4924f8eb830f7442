"""Migrations: forward, once, and refused where they cannot be right."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.one_service import store_on
from tests.postgres import PostgresCluster

from trivet.domain import upgrade_check
from trivet.errors import Invalid
from trivet.store import migrations
from trivet.store.store import Store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def empty(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Open, without a schema."""
    url = ""
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        url = cluster.new_database()
    store = store_on(url)
    await store.open()
    yield store
    await store.close()


async def test_a_second_run_does_nothing(empty: Store) -> None:
    first = await empty.migrate()
    assert first == [migration.name for migration in migrations.known()]
    assert await empty.migrate() == []


async def test_a_newer_schema_than_the_programs_is_refused(store: Store) -> None:
    async with store.write() as tx:
        await tx.run("INSERT INTO migrations VALUES (9999, 'from_the_future', 0.0, '')")
    with pytest.raises(Invalid, match="use a newer one"):
        await store.migrate()


def test_every_migration_says_whether_it_expands_or_contracts() -> None:
    assert {migration.kind for migration in migrations.known()} <= {"expand", "contract"}
    numbers = [migration.number for migration in migrations.known()]
    assert len(numbers) == len(set(numbers))


def test_statements_are_split_and_spelled_for_the_database() -> None:
    text = "-- expand\nCREATE TABLE a (n {identity});\n-- why; not\nCREATE INDEX b ON a (n);\n"
    assert migrations.statements(text, migrations.SQLITE) == [
        "CREATE TABLE a (n INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE INDEX b ON a (n)",
    ]


async def test_a_database_made_with_another_text_of_a_migration_is_refused(store: Store) -> None:
    async with store.write() as tx:
        await tx.run("UPDATE migrations SET digest = 'another' WHERE number = 1")
    with pytest.raises(Invalid) as refused:
        await store.migrate()
    assert refused.value.code == "migration.changed"


async def test_a_trait_and_a_class_that_lost_their_names_get_them_back(
    empty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.known()
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "known", lambda: [migration for migration in known if migration.number < 14])
        await empty.migrate()
    async with empty.write() as tx:
        await tx.run("INSERT INTO providers VALUES ('p', 'p', NULL, 'p', 0, 0.0, 0.0)")
        await tx.run("INSERT INTO provider_traits VALUES ('p', 'CUSTOM_A'), ('p', 'HW_CPU_X86_AVX')")
        for name in ("CUSTOM_B", "VCPU"):
            await tx.run("INSERT INTO inventories VALUES ('p', ?, 1, 0, 1, 1, 1, 1.0, 1, 0, 1)", name)
    await empty.migrate()
    async with empty.read() as tx:
        assert [row[0] for row in await tx.rows("SELECT name FROM custom_traits")] == ["CUSTOM_A"]
        assert [row[0] for row in await tx.rows("SELECT name FROM custom_classes")] == ["CUSTOM_B"]


async def test_a_newer_program_sees_which_columns_the_database_has(store: Store) -> None:
    async with store.read() as tx:
        assert await tx.columns_of("counted_resources") == {"name", "service_type", "default_limit"}
        assert await tx.columns_of("nowhere") == set()


async def test_a_database_of_either_kind_is_looked_at_before_an_upgrade(store: Store, tmp_path: Path) -> None:
    found = {one.check: one.verdict for one in await upgrade_check.look(store, tmp_path, None)}
    assert found == dict.fromkeys(("schema", "rows", "hosts", "work", "disk"), "success") | {"keys": "failure"}
