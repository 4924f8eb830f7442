"""trivet upgrade check: may this program take over the cloud? One verdict for all of it, before anything is changed."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trivet.cli import known_cloud, options
from trivet.errors import NotFound, TrivetError
from trivet.settings import Settings

if TYPE_CHECKING:
    from trivet.domain.upgrade_check import Finding

_CODES = {"success": 0, "warning": 1, "failure": 2}
_ENDS = {
    "success": "This program may take over.",
    "warning": "This program may take over once somebody has looked at what is said above.",
    "failure": "Do not start this program on the cloud: mend what is said above first.",
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "upgrade",
        help="say whether this program may take over a cloud",
        description="What to do before an upgrade.",
    )
    verbs = parser.add_subparsers(title="what to do", metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="look at the cloud's database, and change nothing",
        description="Look at a cloud's schema, rows, keys, hosts, work and disk with this program's eyes. Nothing is "
        "changed; the cloud may run. Ends with 0 if it may take over, 1 if somebody should look before, 2 if not.",
    )
    check.add_argument("--json", action="store_true", help="As JSON.")
    options.add_settings(check, "data", "database")
    check.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from trivet.domain import upgrade_check  # noqa: PLC0415 - `trivet --help` need not wait for it

    settings = options.read_settings(chosen)
    findings = asyncio.run(_look(settings))
    verdict = upgrade_check.worst(findings)
    if chosen.json:
        print(msgspec.json.encode({"verdict": verdict, "checks": findings}).decode())
    else:
        for one in findings:
            print(f"{one.verdict:8}  {one.check:7}  {one.said}")
        print(_ENDS[verdict])
    return _CODES[verdict]


async def _look(settings: Settings) -> "list[Finding]":
    from trivet.domain import upgrade_check  # noqa: PLC0415

    try:
        store = await known_cloud.opened(settings)
    except NotFound:
        raise
    except TrivetError as error:
        return [upgrade_check.Finding("database", "failure", error.message)]
    try:
        return await upgrade_check.look(store, Path(settings.data), settings.database_file)
    finally:
        await store.close()
