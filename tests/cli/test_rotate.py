"""`trivet rotate` beside a cloud that runs: the first one ends no token, the second ends those from before."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.postgres import PostgresCluster
from tests.programs import PATIENCE_S, until


def new_token(folder: Path) -> tuple[str, str]:
    """(where to ask for it, token)."""
    auth = json.loads((folder / "clouds.yaml").read_text().partition("\n")[2])["clouds"]["trivet"]["auth"]
    user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    url = f"{auth['auth_url']}/auth/tokens"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=PATIENCE_S) as reply:
        return url, reply.headers["X-Subject-Token"]


def key_of(token: str) -> str:
    return token.partition(".")[0]


def is_good(url: str, token: str) -> bool:
    asked = urllib.request.Request(url, headers={"X-Auth-Token": token, "X-Subject-Token": token})
    try:
        urllib.request.urlopen(asked, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError as error:
        assert error.code == 401
        return False
    return True


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_one_rotation_ends_no_token_and_a_second_one_those_from_before(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    words = ["--data", "cloud"]
    if database == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        words += ["--database", cluster.new_database()]
    up = Up(tmp_path, "up", "--sim", "--listen", f"127.0.0.1:{free_port()}", *words)
    try:
        up.ready()
        url, oldest = new_token(tmp_path / "cloud")
        assert trivet(tmp_path, "rotate", *words).returncode == 0
        until("the next key signs", lambda: key_of(new_token(tmp_path / "cloud")[1]) != key_of(oldest), up.said)
        newer = new_token(tmp_path / "cloud")[1]
        assert is_good(url, oldest) and is_good(url, newer)
        assert trivet(tmp_path, "rotate", *words).returncode == 0
        until("the oldest has ended", lambda: not is_good(url, oldest), up.said)
        assert is_good(url, newer)
    finally:
        up.stop()


def test_a_folder_without_a_cloud_has_no_keys(tmp_path: Path) -> None:
    made = trivet(tmp_path, "rotate", "--data", "nowhere")
    assert made.returncode == 1
    assert made.stderr == "trivet: There is no nowhere/secret; name the data directory of a cloud with --data.\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_key_file_of_another_cloud_changes_nothing(tmp_path: Path) -> None:
    Up(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{free_port()}").ready().stop()
    secret = tmp_path / "cloud" / "secret"
    secret.write_bytes(b"k" * 32)
    made = trivet(tmp_path, "rotate", "--data", "cloud")
    assert made.returncode == 1 and made.stderr.startswith("trivet: The key file (secret, ")
