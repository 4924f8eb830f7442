"""The external load harness, run unchanged, and what it said: one JSON line a measurement."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.clouds import Cloud

Line = dict[str, Any]


def run(cloud: Cloud, out: Path, *words: str) -> list[Line]:
    """The measurements of this run; they are also added to `out`."""
    before = _lines(out)
    command = [sys.executable, os.environ["OSBENCH"], "--out", str(out), *words]
    subprocess.run(command, env=os.environ | cloud.environment, check=True, stdout=subprocess.DEVNULL)
    return _lines(out)[len(before) :]


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def medians(lines: list[Line]) -> dict[str, Line]:
    """By bench and concurrency: the medians of its runs, CPU also by process."""
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        if "server_cpu_ms_op" in line and "summary" not in line:
            grouped.setdefault(key(line["name"], line["concurrency"]), []).append(line)
    found: dict[str, Line] = {}
    for name, runs in grouped.items():
        found[name] = {
            "runs": len(runs),
            "ops_s": round(statistics.median(run["ops_s"] for run in runs), 1),
            "p50_ms": _median([run["p50_ms"] for run in runs]),
            "cpu_ms": round(statistics.median(run["server_cpu_ms_op"] for run in runs), 3),
            "cpu_ms_ours": round(statistics.median(_ours(run) for run in runs), 3),
            "errors": sum(run["errors"] for run in runs),
            "other_cores": round(statistics.median(run["other_cores"] for run in runs), 2),
        }
    return found


def key(name: str, concurrency: int) -> str:
    return f"{name} at {concurrency}"


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if known else None


def _ours(run: Line) -> float:
    """The harness leaves out shares that are next to nothing."""
    return float(run["server_cpu_ms_op"]) - float(run["server_cpu_by"].get("postgres", 0.0))
