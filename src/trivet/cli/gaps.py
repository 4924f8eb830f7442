"""trivet gaps: which gaps are closed, by what evidence, and what a live cloud says to our probes."""

import argparse
import json
from collections import Counter
from typing import Any

_STATUSES = ("closed", "partly", "open", "unknown")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "gaps",
        help="show the gap register, or probe a cloud for it",
        description="How many gaps are closed, and each of the 133 with its status; with --evidence also the tests "
        "that prove it. With --cloud, gaps that show from outside are tried against any OpenStack cloud in your "
        "clouds.yaml, ours or another.",
    )
    parser.add_argument("--json", action="store_true", help="A list of objects with id, status and evidence.")
    parser.add_argument("--evidence", action="store_true", help="Also the tests that prove each, and what is missing.")
    parser.add_argument("--cloud", metavar="NAME", help="Probe this cloud of clouds.yaml.")
    parser.add_argument(
        "--status", choices=_STATUSES, help="Only rows of this status; what a probe cannot tell is unknown."
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from trivet.gaps import register  # noqa: PLC0415 - `trivet --help` need not wait for it

    gaps = register.read()
    if chosen.cloud:
        return _probe(chosen, gaps)
    rows = [
        {
            "id": gap.id,
            "document": gap.document,
            "wanted": gap.wanted,
            "status": gap.status,
            "evidence": list(gap.evidence),
            "missing": gap.missing,
        }
        for gap in gaps
        if chosen.status in (None, gap.status)
    ]
    if chosen.json:
        print(json.dumps(rows, indent=2))
        return 0
    _table(rows, evidence=chosen.evidence)
    return 0


def _table(rows: list[dict[str, Any]], *, evidence: bool) -> None:
    _count(rows)
    document = None
    for row in rows:
        if row["document"] != document:
            document = row["document"]
            print(f"\n{document.replace('-', ' ')}")
        print(f"  {row['id']:7} {row['status']:7} {row['wanted']}")
        for test in row["evidence"] if evidence else ():
            print(f"                  {test}")
        if row["missing"] and evidence:
            print(f"                  missing: {row['missing']}")


def _count(rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status]) or "none")


def _probe(chosen: argparse.Namespace, gaps: "list[Any]") -> int:
    from trivet.gaps import probes  # noqa: PLC0415

    found = [
        row
        for row in probes.run(chosen.cloud, [gap for gap in gaps if gap.probe])
        if chosen.status in (None, row["status"])
    ]
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        _count(found)
        for row in found:
            print(f"  {row['id']:7} {row['status']:7} {row['evidence'][0]}")
    return 0
