"""trivet status: what a running cloud says of itself, at a glance."""

import argparse
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivet.cli import data_folder, options
from trivet.errors import Busy, Forbidden, Invalid

_VCPUS = {"used": "vcpus_used", "all": "vcpus"}
_MEMORY = {"used": "memory_mb_used", "all": "memory_mb"}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "status",
        help="show how a running cloud is",
        description="Hosts, servers and capacity of the cloud whose data directory is given, by its own API.",
    )
    parser.add_argument("--json", action="store_true", help="As JSON.")
    options.add_settings(parser, "data")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    data = Path(options.read_settings(chosen).data)
    cloud = _Cloud(data / "clouds.yaml")
    hosts = cloud.hosts()
    found: dict[str, Any] = {
        "url": cloud.url,
        "pid": data_folder.running_pid(data),
        "hosts": {"up": sum(host["state"] == "up" for host in hosts), "all": len(hosts)},
        "vcpus": {word: sum(host[name] for host in hosts) for word, name in _VCPUS.items()},
        "memory_mib": {word: sum(host[name] for host in hosts) for word, name in _MEMORY.items()},
        "servers": dict(sorted(Counter(server["status"] for server in cloud.servers()).items())),
    }
    if chosen.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"cloud    {found['url']} (process {found['pid'] or 'not on this machine'})")
    print(f"hosts    {found['hosts']['up']} of {found['hosts']['all']} up")
    print(f"in use   {found['vcpus']['used']} vCPUs of {found['vcpus']['all']},", end=" ")
    print(f"{found['memory_mib']['used']} MiB of {found['memory_mib']['all']}")
    print(f"servers  {', '.join(f'{n} {status}' for status, n in found['servers'].items()) or 'none'}")
    return 0


class _Cloud:
    """Just enough of a client to ask for hosts and servers."""

    def __init__(self, clouds_yaml: Path) -> None:
        try:
            auth = json.loads(clouds_yaml.read_text().partition("\n")[2])["clouds"]["trivet"]["auth"]
            auth_url = str(auth["auth_url"])
            domain = {"name": auth["user_domain_name"]}
            user = {"name": auth["username"], "password": auth["password"], "domain": domain}
            project = {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Invalid(
                "status.no_cloud", f"There is no {clouds_yaml}; name the data directory of a cloud with --data."
            ) from error
        except OSError as error:
            raise Invalid("status.no_cloud", f"Cannot read {clouds_yaml}: {error.strerror}.") from error
        except (ValueError, LookupError, TypeError) as error:
            raise Invalid("status.no_cloud", f"{clouds_yaml} does not name the cloud trivet and its admin.") from error
        self.url = auth_url.removesuffix("/identity/v3")
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }
        self._from = clouds_yaml
        token, headers = self._call(f"{auth_url}/auth/tokens", json.dumps(body).encode(), {})
        self._token = headers["X-Subject-Token"]
        self._catalog = {entry["type"]: entry["endpoints"][0]["url"] for entry in token["token"]["catalog"]}

    def hosts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("compute", "/os-hypervisors/detail")["hypervisors"]
        return found

    def servers(self) -> Iterator[dict[str, Any]]:
        marker = ""
        while page := self._get("compute", f"/servers/detail?all_tenants=1&limit=1000{marker}")["servers"]:
            yield from page
            marker = f"&marker={page[-1]['id']}"

    def _get(self, service: str, path: str) -> Any:
        return self._call(self._catalog[service].rstrip("/") + path, None, {"X-Auth-Token": self._token})[0]

    def _call(self, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[Any, Any]:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - the URL is our own cloud's
                return json.load(reply), reply.headers
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise Forbidden("status.refused", f"The cloud refuses the password in {self._from}.") from error
            raise Busy("status.silent", f"{url} cannot answer: {error}.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Also when it dies in the middle of an answer, or something else listens there.
            why = getattr(error, "reason", error)
            raise Busy("status.silent", f"{_origin(url)} is silent or no cloud ({why}). Is it running?") from error


def _origin(url: str) -> str:
    """Of the service that was asked: behind a balancer another one than we logged in at."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url
