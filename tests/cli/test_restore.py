"""What docs/backup-and-restore.md tells an operator to type for SQLite: a copy of a running cloud is a whole cloud."""

import json
import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Up
from tests.ports import free_port
from tests.programs import PATIENCE_S


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def clouds(tmp_path: Path, address: str) -> Iterator[list[Up]]:
    """One at a time, all in one folder at one address; whatever still runs is stopped at the end."""
    begun: list[Up] = []
    yield begun
    for one in begun:
        one.stop()


def started(begun: list[Up], folder: Path, address: str) -> Up:
    begun.append(Up(folder, "up", "--sim", "--data", "cloud", "--listen", address))
    return begun[-1].ready()


class Projects:
    """By name, as admin sees and makes them."""

    def __init__(self, clouds_yaml: Path) -> None:
        auth = json.loads(clouds_yaml.read_text().partition("\n")[2])["clouds"]["trivet"]["auth"]
        self._url = auth["auth_url"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        request = urllib.request.Request(f"{self._url}/auth/tokens", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            self._token = reply.headers["X-Subject-Token"]

    def _call(self, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/projects", data, {"X-Auth-Token": self._token})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return json.load(reply)

    def make(self, name: str) -> None:
        self._call({"project": {"name": name}})

    def names(self) -> set[str]:
        return {project["name"] for project in self._call()["projects"]}


def test_a_copy_of_a_running_sqlite_cloud_is_whole_and_what_came_later_is_gone(
    clouds: list[Up], address: str, tmp_path: Path
) -> None:
    folder, copy = tmp_path / "cloud", tmp_path / "copy"
    running = started(clouds, tmp_path, address)
    Projects(folder / "clouds.yaml").make("before")
    copy.mkdir(0o700)
    with closing(sqlite3.connect(folder / "trivet.db")) as old, closing(sqlite3.connect(copy / "trivet.db")) as new:
        old.backup(new)
    shutil.copy2(folder / "secret", copy)
    Projects(folder / "clouds.yaml").make("after")
    assert running.stop() == 0
    for part in folder.glob("trivet.db*"):
        part.unlink()
    for name in ("trivet.db", "secret"):
        shutil.copy2(copy / name, folder)
    started(clouds, tmp_path, address)
    names = Projects(folder / "clouds.yaml").names()
    assert "before" in names and "after" not in names
