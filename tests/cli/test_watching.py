"""What an operator's tools see of a cloud: health, measures, an access and an audit log, status by its exit code."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.programs import PATIENCE_S, until

CONFIG = 'access_log = true\nmetrics_listen = "127.0.0.1:{}"\n'


class Watched:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url, port = f"http://127.0.0.1:{free_port()}", free_port()
        self.aside = f"http://127.0.0.1:{port}"
        (folder / "c.toml").write_text(CONFIG.format(port))
        self.up = Up(
            folder, "up", "--sim", "--sim-hosts", "2", "--data", "cloud", "--listen", self.url[7:], "--config", "c.toml"
        )
        self.token = ""
        self.user = self.project = ""

    def login(self) -> None:
        cloud = json.loads((self.folder / "cloud" / "clouds.yaml").read_text().partition("\n")[2])
        user = {"name": "admin", "domain": {"id": "default"}}
        user["password"] = cloud["clouds"]["trivet"]["auth"]["password"]
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        _, told, headers = self.ask("/identity/v3/auth/tokens", body)
        self.token = headers["X-Subject-Token"]
        self.user, self.project = told["token"]["user"]["id"], told["token"]["project"]["id"]

    def ask(self, path: str, body: Any = None, *, at: str = "", method: str | None = None) -> tuple[int, Any, Any]:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": "compute 2.79"} if self.token else {}
        request = urllib.request.Request((at or self.url) + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
                raw = reply.read().decode()
                return reply.status, json.loads(raw) if raw[:1] == "{" else raw, reply.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    try:
        made.up.ready()
        made.login()
        yield made
    finally:
        made.up.stop()


def test_anybody_may_ask_whether_it_lives_and_is_ready(watched: Watched) -> None:
    watched.token = ""
    for door in (watched.url, watched.aside):
        assert watched.ask("/healthz", at=door)[:2] == (200, "alive\n")
        status, told, _ = watched.ask("/readyz", at=door)
        assert (status, told["ready"]) == (200, True)


def test_measures_are_for_operators_or_for_who_reaches_their_own_door(watched: Watched) -> None:
    assert watched.ask("/compute/v2.1/servers/none")[0] == 404
    status, text, headers = watched.ask("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    route = 'service="nova",method="GET",route="/compute/v2.1/servers/{server_id}"'
    assert f'trivet_requests_total{{{route},status="404"}} 1\n' in text
    assert f'trivet_request_seconds_bucket{{{route},le="+Inf"}} 1\n' in text
    for line in ('trivet_host_up{host="sim-00001"} 1', "trivet_log_lag_events 0", "trivet_orders_waiting 0"):
        assert line in text
    assert "trivet_database_up 1" in text and 'trivet_lease_left_seconds{lease="servers"}' in text
    watched.token = ""
    assert watched.ask("/metrics")[0] == 401
    assert watched.ask("/metrics", at=watched.aside)[0] == 200
    assert watched.ask("/identity/v3", at=watched.aside)[0] == 404, "only what watches is at that door"


def test_paths_that_nobody_declared_are_one_measure(watched: Watched) -> None:
    for number in range(5):
        assert watched.ask(f"/nowhere/{number}")[0] == 404
    text = watched.ask("/metrics")[1]
    assert "/nowhere" not in text and 'method="-",route="-",status="404"} 5' in text


def test_every_request_is_a_line_of_the_access_log_without_its_query(watched: Watched) -> None:
    watched.ask("/compute/v2.1/servers?name=a-secret")
    until("the line", lambda: "'/compute/v2.1/servers' 200" in watched.up.log(), watched.up.log)
    line = next(line for line in watched.up.log().splitlines() if "'/compute/v2.1/servers' 200" in line)
    assert f"user={watched.user} project={watched.project} GET" in line and "[req-" in line
    assert "a-secret" not in watched.up.log() and watched.token not in watched.up.log()


def test_the_audit_log_says_who_did_what_by_which_request(watched: Watched, tmp_path: Path) -> None:
    status, made, headers = watched.ask("/identity/v3/projects", {"project": {"name": "shop"}})
    assert status == 201
    made_id = made["project"]["id"]
    status, told, _ = watched.ask(f"/v1/audit?noun=projects&noun_id={made_id}")
    (entry,) = told["entries"]
    assert (entry["verb"], entry["user_id"]) == ("created", watched.user)
    assert entry["request_id"] == headers["X-Openstack-Request-Id"]
    later = watched.ask(f"/v1/audit?after={entry['seq']}")[1]["entries"]
    assert made_id not in {each["id"] for each in later}
    shown = trivet(tmp_path, "audit", "--data", "cloud", "--noun", "projects", "--id", made_id)
    assert f"projects {made_id} created by user {watched.user}" in shown.stdout, shown.stderr
    assert watched.ask("/v1/audit?limit=0")[0] == 400 and watched.ask("/v1/audit?noun_idd=x")[0] == 400
    assert watched.ask("/v1/audit?after=%C2%B2")[0] == 400


def test_status_ends_with_1_when_a_host_is_down_and_names_it(watched: Watched, tmp_path: Path) -> None:
    services = watched.ask("/compute/v2.1/os-services?binary=nova-compute")[1]["services"]
    assert trivet(tmp_path, "status", "--data", "cloud").returncode == 0
    service = next(each for each in services if each["host"] == "sim-00002")
    assert watched.ask(f"/compute/v2.1/os-services/{service['id']}", {"forced_down": True}, method="PUT")[0] == 200
    told = trivet(tmp_path, "status", "--data", "cloud")
    assert told.returncode == 1
    assert "hosts     1 of 2 up" in told.stdout and "TROUBLE   host sim-00002 is down" in told.stdout
    assert "release   0." in told.stdout and "GiB free of" in told.stdout


def test_status_of_a_process_that_knows_no_password_tells_of_that_process(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret").write_bytes((tmp_path / "cloud" / "secret").read_bytes())
    database = tmp_path / "cloud" / "trivet.db"
    api = Up(
        tmp_path,
        "api",
        "--data",
        "other",
        "--listen",
        f"127.0.0.1:{free_port()}",
        "--database",
        f"sqlite:///{database}",
    )
    try:
        api.ready()
        told = trivet(tmp_path, "status", "--data", "other")
        assert told.returncode == 0 and "process   ready: database answers, log is followed" in told.stdout, told.stderr
    finally:
        api.stop()


def test_what_watches_is_in_no_catalog(watched: Watched) -> None:
    _, told, _ = watched.ask("/identity/v3/auth/catalog")
    assert not [service for service in told["catalog"] if service["name"] == "monitor"]
