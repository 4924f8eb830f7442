"""The class: a command that works on a cloud makes none. Where there is none it says so and leaves nothing."""

from pathlib import Path

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.postgres import PostgresCluster

COMMANDS = ("migrate", "rotate", "status", "audit")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_that_is_mistyped_is_not_made(command: str, tmp_path: Path) -> None:
    made = trivet(tmp_path, command, "--data", "mistyped")
    assert made.returncode == 1 and made.stderr.startswith("trivet: There is no mistyped/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["migrate", "rotate"])
def test_a_cloud_whose_database_is_elsewhere_gets_no_empty_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "secret").write_bytes(b"k" * 32)
    made = trivet(tmp_path, command, "--data", "cloud")
    assert made.returncode == 1
    assert "There is no cloud/trivet.db" in made.stderr and "--database" in made.stderr
    assert [path.name for path in (tmp_path / "cloud").iterdir()] == ["secret"]


def test_an_empty_file_is_no_cloud(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    made = trivet(tmp_path, "migrate", "--data", "cloud", "--database", "empty.db")
    assert made.returncode == 1 and "There is no cloud in this database" in made.stderr
    assert (tmp_path / "empty.db").stat().st_size == 0 and not (tmp_path / "cloud").exists()


@pytest.mark.postgres
def test_an_empty_postgresql_database_is_no_cloud(postgres_cluster: PostgresCluster, tmp_path: Path) -> None:
    database = postgres_cluster.new_database()
    for _ in range(2):
        made = trivet(tmp_path, "migrate", "--data", "cloud", "--database", database)
        assert made.returncode == 1 and "There is no cloud in this database" in made.stderr


def test_a_cloud_that_is_there_is_brought_forward(tmp_path: Path) -> None:
    Up(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{free_port()}").ready().stop()
    made = trivet(tmp_path, "migrate", "--data", "cloud")
    assert (made.returncode, made.stdout) == (0, "nothing to do\n")
