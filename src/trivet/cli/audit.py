"""trivet audit: who changed what, from the log that every change is written to."""

import argparse
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from trivet.cli import options
from trivet.cli.cloud_client import CloudClient

_FILTERS = {
    "user": ("user_id", "ID", "Only what this user did."),
    "project": ("project_id", "ID", "Only what belongs to this project."),
    "noun": ("noun", "WORD", "Only changes of these: servers, ports, users..."),
    "id": ("noun_id", "ID", "Only changes of this one."),
    "request": ("request_id", "ID", "Only what this request did."),
}
_LOOK_EVERY_S = 2.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "audit",
        help="show who changed what",
        description="The newest changes, oldest first: when, what, by whom and by which request. What the cloud did by "
        "itself has neither. They are kept for audit_days.",
    )
    for flag, (_, shown, sentence) in _FILTERS.items():
        parser.add_argument(f"--{flag}", metavar=shown, help=sentence)
    parser.add_argument("--last", metavar="N", type=int, default=100, help="How many at most. [100]")
    parser.add_argument("--follow", action="store_true", help="Go on with what comes, until Ctrl-C.")
    parser.add_argument("--json", action="store_true", help="A JSON object a line.")
    options.add_settings(parser, "data")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    cloud = CloudClient(Path(options.read_settings(chosen).data) / "clouds.yaml")
    asked = {name: getattr(chosen, flag) for flag, (name, _, _) in _FILTERS.items() if getattr(chosen, flag)}
    last = _shown(cloud, asked | {"limit": chosen.last}, chosen) or 0
    while chosen.follow:
        time.sleep(_LOOK_EVERY_S)
        last = _shown(cloud, asked | {"limit": 1000, "after": last}, chosen) or last
    return 0


def _shown(cloud: CloudClient, asked: dict[str, Any], chosen: argparse.Namespace) -> int | None:
    """The number of the last one."""
    entries = cloud.get(f"/v1/audit?{urlencode(asked)}")["entries"]
    for entry in entries:
        if chosen.json:
            print(json.dumps(entry), flush=True)
            continue
        by = f"user {entry['user_id']}" if entry["user_id"] else "the cloud"
        of = f" of project {entry['project_id']}" if entry["project_id"] else ""
        print(f"{entry['at']}  {entry['noun']} {entry['id']}{of} {entry['verb']} by {by}", end="")
        print(f" ({entry['request_id']})" if entry["request_id"] else "", flush=True)
    return entries[-1]["seq"] if entries else None
