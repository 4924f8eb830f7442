"""trivet status: what a running cloud says of itself, at a glance."""

import argparse
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from trivet.cli import options
from trivet.errors import Busy, Invalid


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "status",
        help="show how a running cloud is",
        description="Hosts, servers and capacity of the cloud whose data directory is given, by its own API.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options.add_settings(parser, "data")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    data = Path(options.read_settings(chosen).data)
    cloud = _Cloud(data / "clouds.yaml")
    hypervisors = cloud.get("compute", "/os-hypervisors/detail")["hypervisors"]
    servers = cloud.get("compute", "/servers/detail?all_tenants=1&limit=1000")["servers"]
    counts: dict[str, int] = {}
    for server in servers:
        counts[server["status"]] = counts.get(server["status"], 0) + 1
    found = {
        "url": cloud.url,
        "pid": _pid(data),
        "hosts": {"up": sum(host["state"] == "up" for host in hypervisors), "all": len(hypervisors)},
        "servers": counts,
    }
    if chosen.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"cloud    {found['url']} (process {found['pid'] or 'not on this machine'})")
    print(f"hosts    {found['hosts']['up']} of {found['hosts']['all']} up")
    print(f"servers  {', '.join(f'{n} {status}' for status, n in sorted(counts.items())) or 'none'}")
    return 0


def _pid(data: Path) -> int | None:
    try:
        pid = int((data / "trivet.pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


class _Cloud:
    """Just enough of a client to ask two questions."""

    def __init__(self, clouds_yaml: Path) -> None:
        try:
            auth = json.loads(clouds_yaml.read_text().partition("\n")[2])["clouds"]["trivet"]["auth"]
        except (OSError, ValueError, KeyError) as error:
            raise Invalid(
                "status.no_cloud", f"There is no {clouds_yaml}; name the data directory of a cloud with --data."
            ) from error
        self.url = auth["auth_url"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"name": auth["user_domain_name"]}}
        project = {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }
        token, headers = self._call(f"{self.url}/auth/tokens", json.dumps(body).encode(), {})
        self._token = headers["X-Subject-Token"]
        self._catalog = {entry["type"]: entry["endpoints"][0]["url"] for entry in token["token"]["catalog"]}

    def get(self, service: str, path: str) -> Any:
        return self._call(self._catalog[service].rstrip("/") + path, None, {"X-Auth-Token": self._token})[0]

    def _call(self, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[Any, Any]:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - the URL is our own cloud's
                return json.load(reply), reply.headers
        except (urllib.error.URLError, OSError) as error:
            raise Busy("status.silent", f"The cloud at {url} does not answer: {error}. Is it running?") from error
