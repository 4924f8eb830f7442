"""TLS at our own door: made on request, told to clients, changed without a restart; and the way there from plain H."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Up, trivet
from tests.ports import free_port
from tests.programs import PATIENCE_S, until


class Secured:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.redirect = free_port(), free_port()
        self.renew()
        self.up = Up(
            folder, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{self.port}",
            "--tls-certificate", "cloud/tls.crt", "--tls-key", "cloud/tls.key", "--config", self._config(),
        )  # fmt: skip

    def _config(self) -> str:
        (self.folder / "c.toml").write_text(f'http_redirect = "127.0.0.1:{self.redirect}"')
        return "c.toml"

    def renew(self) -> None:
        """As a tool does that renews: each file is there whole, or as it was."""
        made = trivet(self.folder, "certificate", "--data", "fresh", "--name", "127.0.0.1", "--name", "cloud.example")
        assert made.returncode == 0, made.stderr
        (self.folder / "cloud").mkdir(exist_ok=True)
        for name in ("tls.crt", "tls.key"):
            (self.folder / "fresh" / name).replace(self.folder / "cloud" / name)

    def shown(self) -> str:
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def wanted(self) -> str:
        return (self.folder / "cloud" / "tls.crt").read_text()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    made = Secured(tmp_path)
    try:
        made.up.ready()
        yield made
    finally:
        made.up.stop()


def test_clients_come_by_tls_and_are_told_whom_to_trust(secured: Secured, tmp_path: Path) -> None:
    assert f"ready: https://127.0.0.1:{secured.port} " in secured.up.said()
    cloud = json.loads((tmp_path / "cloud" / "clouds.yaml").read_text().partition("\n")[2])["clouds"]["trivet"]
    assert cloud["auth"]["auth_url"] == f"https://127.0.0.1:{secured.port}/identity/v3"
    assert cloud["cacert"] == str(tmp_path / "cloud" / "tls.crt")
    assert (tmp_path / "cloud" / "tls.key").stat().st_mode & 0o077 == 0
    told = trivet(tmp_path, "status", "--data", "cloud")
    assert told.returncode == 0 and "4 of 4 up" in told.stdout, told.stderr


def test_a_renewed_certificate_is_shown_without_a_restart_and_half_of_one_is_not(secured: Secured) -> None:
    first = secured.shown()
    assert first == secured.wanted()
    secured.renew()
    until("the new certificate is shown", lambda: secured.shown() == secured.wanted(), secured.up.log)
    second = secured.shown()
    assert second != first
    (secured.folder / "cloud" / "tls.key").write_text("nonsense")
    until("it is said", lambda: "The certificate changed and cannot be used" in secured.up.log())
    assert secured.shown() == second
    secured.renew()
    until("the third one is shown", lambda: secured.shown() == secured.wanted(), secured.up.log)


@pytest.mark.parametrize(
    ("target", "status"), [("/identity/v3?a=b", 308), ("//evil.example/x", 308), ("http://evil.example/", 400)]
)
def test_plain_http_is_answered_with_the_way_to_tls_and_to_nowhere_else(
    target: str, status: int, secured: Secured
) -> None:
    there = http.client.HTTPConnection("127.0.0.1", secured.redirect, timeout=PATIENCE_S)
    there.request("POST", target, b"{}", {"Host": "evil.example"})
    reply = there.getresponse()
    assert reply.status == status
    if status == 308:
        assert reply.headers["Location"] == f"https://127.0.0.1:{secured.port}{target}"
    there.close()


def test_who_speaks_plainly_to_the_tls_door_learns_nothing(secured: Secured) -> None:
    there = http.client.HTTPConnection("127.0.0.1", secured.port, timeout=PATIENCE_S)
    with pytest.raises((http.client.HTTPException, OSError)):
        there.request("GET", "/identity/v3")
        there.getresponse()
    there.close()


def test_a_certificate_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    assert trivet(tmp_path, "certificate", "--data", "cloud").returncode == 0
    before = (tmp_path / "cloud" / "tls.key").stat()
    made = trivet(tmp_path, "certificate", "--data", "cloud")
    assert made.returncode == 1 and "is there already" in made.stderr
    assert (tmp_path / "cloud" / "tls.key").stat().st_mtime_ns == before.st_mtime_ns
