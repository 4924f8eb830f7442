"""What the cloud calls itself when it listens at every address of its machine: one that a client can come to."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Up
from tests.ports import free_port
from tests.programs import PATIENCE_S

NOTICE = "The catalog sends clients to "
NOWHERE = ("0.0.0.0", "[::]", "::")


def addresses(tmp_path: Path) -> tuple[str, set[str]]:
    """Where clouds.yaml sends a client, and where the catalog sends it from there."""
    text = (tmp_path / "cloud" / "clouds.yaml").read_text().partition("\n")[2]
    auth: dict[str, Any] = json.loads(text)["clouds"]["trivet"]["auth"]
    user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
    scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    request = urllib.request.Request(f"{auth['auth_url']}/auth/tokens", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        catalog = json.load(reply)["token"]["catalog"]
    named = {endpoint["url"] for service in catalog for endpoint in service["endpoints"]}
    return auth["auth_url"].removesuffix("/identity/v3"), {"/".join(url.split("/")[:3]) for url in named}


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "[::]"])
def test_who_listens_everywhere_names_an_address_that_answers(everywhere: str, tmp_path: Path) -> None:
    up = Up(tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"{everywhere}:{free_port()}", "--plain-http")
    try:
        up.ready()
        told, named = addresses(tmp_path)
        assert named == {told}
        assert not any(f"//{nowhere}:" in told for nowhere in NOWHERE)
        assert f"{NOTICE}{told}." in up.said() and "TRIVET_PUBLIC_URL" in up.said()
        assert f"ready: {told} after" in up.said()
    finally:
        up.stop()


def test_who_is_told_its_address_says_no_other(tmp_path: Path) -> None:
    port = free_port()
    public = f"http://localhost:{port}"
    up = Up(
        tmp_path,
        "up",
        "--sim",
        "--data",
        "cloud",
        "--listen",
        f"0.0.0.0:{port}",
        "--plain-http",
        "--public-url",
        public + "/",
    )
    try:
        up.ready()
        assert addresses(tmp_path) == (public, {public})
        assert NOTICE not in up.said()
    finally:
        up.stop()


def test_links_behind_a_proxy_lead_back_to_the_proxy(tmp_path: Path) -> None:
    """The class: what we say of ourselves by the connection we see is wrong where a proxy ends it (http for https)."""
    port = free_port()
    up = Up(
        tmp_path, "up", "--sim", "--data", "cloud", "--listen", f"127.0.0.1:{port}",
        "--public-url", "https://cloud.example",
    )  # fmt: skip
    try:
        up.ready()
        for path in ("/compute/v2.1", "/compute", "/identity/v3", "/image", "/network"):
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": "cloud.example"})
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
                    said = reply.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read().decode()
            assert "https://cloud.example/" in said and "http://" not in said, (path, said)
    finally:
        up.stop()
