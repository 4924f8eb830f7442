"""`trivet gaps --cloud` where it has a bad day: a user who is no admin, a wrong password, a cloud that is not there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trivet.testing import SimCloud

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimCloud]:
    with SimCloud() as cloud:
        yield cloud


def probe(folder: Path, auth: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return asked(folder, {"clouds": {"one": {"auth": auth, "region_name": "RegionOne"}}}, *words)


def asked(folder: Path, clouds: object, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "clouds.yaml").write_text(json.dumps(clouds))
    command = [sys.executable, "-m", "trivet.cli.main", "gaps", "--cloud", "one", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_only_rows_of_a_status_are_shown_and_counted(cloud: SimCloud, tmp_path: Path) -> None:
    told = probe(tmp_path, cloud.auth, "--status", "open")
    assert (told.returncode, told.stdout.strip()) == (0, "none")
    assert probe(tmp_path, cloud.auth).stdout.splitlines()[0].endswith(" closed"), "the totals come first"


def test_what_a_mere_member_may_not_probe_is_unknown_and_not_open(cloud: SimCloud, tmp_path: Path) -> None:
    admin: Any = cloud.connect()
    user = admin.identity.create_user(name="member", password="a good one", domain_id="default")
    project = admin.identity.find_project("admin")
    admin.identity.assign_project_role_to_user(project, user, admin.identity.find_role("member"))
    told = probe(tmp_path, cloud.auth | {"username": "member", "password": "a good one"}, "--json")
    rows = {row["id"]: row["status"] for row in json.loads(told.stdout)}
    assert (rows["RA1-K1"], rows["RA1-K4"]) == ("unknown", "closed")
    assert "open" not in rows.values()


def test_a_cloud_that_does_not_let_us_in_is_a_sentence(cloud: SimCloud, tmp_path: Path) -> None:
    for wrong in ({"password": "another"}, {"auth_url": "http://127.0.0.1:1/v3"}):
        told = probe(tmp_path, cloud.auth | wrong)
        assert told.returncode == 1 and "trivet: The cloud one does not let us in: " in told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "odd",
    [
        {"clouds": 5},
        {"clouds": {"one": 5}},
        {"clouds": {"one": {"auth": 5}}},
        {"clouds": {"one": {"auth": {"auth_url": 5, "username": "a", "password": "b"}}}},
        {"clouds": {"one": {"auth": {"auth_url": "http://127.0.0.1:1"}, "region_name": {"a": 1}}}},
    ],
)
def test_a_clouds_yaml_that_is_none_is_a_sentence(odd: object, tmp_path: Path) -> None:
    told = asked(tmp_path, odd)
    assert told.returncode == 1 and told.stderr.startswith("trivet: clouds.yaml cannot be used: ")
    assert "Traceback" not in told.stderr
