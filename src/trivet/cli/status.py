"""trivet status: how a running cloud is, at a glance and by its exit code: 0 when all is well, 1 when something is not.

It asks the cloud's own API as admin. Where no clouds.yaml is (a process that joined a cloud made elsewhere does not
know the password) it asks the process of this machine how that one is.
"""

import argparse
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from trivet.cli import data_folder, options
from trivet.cli.cloud_client import CloudClient, silent, trusting
from trivet.errors import Busy

_GIB = 1 << 30
_FULL = 0.05
_BEHIND_MAX = 10_000
_LATE_S = 3600.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "status",
        help="show how a running cloud is",
        description="Release, database, disk, a line for each host, and what is not well: then it ends with 1. Without "
        "a clouds.yaml in the data directory it tells only how the process there is.",
    )
    parser.add_argument("--json", action="store_true", help="As JSON.")
    options.add_settings(parser, "data")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    data = Path(options.read_settings(chosen).data)
    process = data_folder.running(data)
    if not (data / "clouds.yaml").exists() and process is not None and process.url:
        found = {"url": process.url, "pid": process.pid, **_of_process(process.url)}
    else:
        cloud = CloudClient(data / "clouds.yaml")
        found = {"url": cloud.url, "pid": process.pid if process else None, **cloud.get("/v1/status")}
        found["troubles"] = list(_troubles(found))
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)
    return 1 if found["troubles"] else 0


def _of_process(url: str) -> dict[str, Any]:
    """What anybody may ask it. It shows the certificate of the whole cloud, whose names need not be this address."""
    trust = trusting(None)
    trust.check_hostname, trust.verify_mode = False, 0  # type: ignore[assignment] # CERT_NONE; nothing secret is said
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10, context=trust) as reply:  # noqa: S310 - our own
            told = json.load(reply)
    except urllib.error.HTTPError as error:
        told = json.loads(error.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise silent(url, error) from error
    if not isinstance(told, dict) or "ready" not in told:
        raise Busy("status.silent", f"{url} is no cloud of ours.")
    troubles = [] if told["ready"] else [f"this process is not ready: database {told.get('database')}"]
    return {"process": told, "troubles": troubles}


def _troubles(found: dict[str, Any]) -> "list[str]":
    told = [
        f"host {host['name']} is down, last heard of {_ago(host['seen_s'])}"
        for host in found["hosts"]
        if not host["up"]
    ]
    if found["data"]["free_bytes"] < _FULL * found["data"]["bytes"]:
        told.append(f"the disk under data is nearly full: {found['data']['free_bytes'] / _GIB:.1f} GiB are left")
    if found["engines"] not in ("well", "not looked after by this process"):
        told.append(f"the engines are not well: {found['engines']}")
    if found["log_lag"] > _BEHIND_MAX:
        told.append(f"the process that answered is {found['log_lag']} changes behind")
    if found["orders"]["oldest_s"] > _LATE_S:
        told.append(f"something was asked of a server {_ago(found['orders']['oldest_s'])} and is not done")
    return told


def _ago(seconds: float) -> str:
    if seconds > 10 * 365 * 86400:
        return "never"
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _show(found: dict[str, Any]) -> None:
    where = f"process {found['pid']}" if found["pid"] else "no process on this machine"
    print(f"cloud     {found['url']} ({where})")
    if "process" in found:
        words = ", ".join(f"{name} {told}" for name, told in found["process"].items() if name != "ready")
        print(f"process   {'ready' if found['process']['ready'] else 'not ready'}: {words}")
        print("          Hosts and servers are told where the clouds.yaml of admin is; here is none.")
    else:
        _show_cloud(found)
    for trouble in found["troubles"]:
        print(f"TROUBLE   {trouble}")


def _show_cloud(found: dict[str, Any]) -> None:
    data, hosts, orders = found["data"], found["hosts"], found["orders"]
    print(f"release   {found['version']}, schema {found['schema']}")
    print(f"database  {found['database']['kind']}, answers in {found['database']['seconds'] * 1000:.1f} ms")
    print(f"disk      {data['free_bytes'] / _GIB:.1f} GiB free of {data['bytes'] / _GIB:.1f}")
    print(f"engines   {found['engines']}")
    print(f"servers   {', '.join(f'{n} {status}' for status, n in found['servers'].items()) or 'none'}")
    print(
        f"waiting   {orders['waiting']} orders"
        + (f", the oldest since {_ago(orders['oldest_s'])}" if orders["waiting"] else "")
    )
    print(f"hosts     {sum(host['up'] for host in hosts)} of {len(hosts)} up")
    width = max((len(host["name"]) for host in hosts), default=4)
    if hosts:
        print(f"\n  {'host':{width}}  state     servers  vCPUs        memory MiB         disk GiB      heard of")
    for host in hosts:
        state = ("up" if host["up"] else "DOWN") + ("" if host["enabled"] else ", off")
        cells = [f"{host[f'{what}_used']}/{host[what]}" for what in ("vcpus", "memory_mib", "disk_gib")]
        print(
            f"  {host['name']:{width}}  {state:8}  {host['servers']:7}  {cells[0]:11}  {cells[1]:17}  {cells[2]:12}"
            f"  {_ago(host['seen_s'])}"
        )
