"""All measurements, one after the other, on one database and then on the other. Start it with bench/run.sh."""

import asyncio
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.postgres import PostgresCluster

from bench import claim_cost, clouds, harness, proc, tables
from bench.clouds import Cloud
from bench.harness import Line

RESULTS = Path(__file__).parent / "results"
BENCHES = ("token-issue", "token-validate", "placement-claim", "image", "server-boot", "server-boot-serial", "network")
_IDLE_S = 60.0


def main() -> None:
    for database in os.environ.get("BENCH_DATABASES", "sqlite postgres").split():
        with ExitStack() as stack:
            postgres = stack.enter_context(clouds.cluster()) if database == "postgres" else None
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trivet-bench-")))
            summary = measure(database, folder, postgres)
        (RESULTS / f"{database}.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(tables.write(RESULTS))


def measure(database: str, folder: Path, postgres: PostgresCluster | None) -> dict[str, Any]:
    out = RESULTS / f"{database}.jsonl"
    out.unlink(missing_ok=True)
    load = os.getloadavg()[0]
    say(f"{database}: cold start")
    summary: dict[str, Any] = {"database": database, "load_at_start": round(load, 1), "cores": os.cpu_count()}
    repeat = ("--repeat", os.environ.get("BENCH_REPEAT", "3"), "--secs", os.environ.get("BENCH_SECS", "6"))
    with clouds.cloud(postgres) as cloud:
        summary["cold_start"] = harness.run(cloud, out, "first-server")[0]
    say(f"{database}: tokens, with the weakest hash")
    lines = _tokens_apart_from_the_hash(out, postgres, repeat)
    with clouds.cloud(postgres) as cloud:
        cloud.wait()
        summary["memory_at_rest_mib"] = round(proc.pss_mib(cloud.pid), 1)
        for bench in BENCHES:
            say(f"{database}: {bench}")
            lines += harness.run(cloud, out, *repeat, bench)
        say(f"{database}: races")
        lines += (races := harness.run(cloud, out, "--repeat", os.environ.get("BENCH_RACES", "20"), "placement-race"))
        summary["races"] = _races(races)
        summary["memory_after_load_mib"] = round(proc.pss_mib(cloud.pid), 1)
        say(f"{database}: server-list, and at rest with 500 servers")
        lines += harness.run(cloud, out, *repeat[2:], "--keep", "server-list")
        summary["idle"] = _idle(cloud, postgres)
    say(f"{database}: claims")
    summary["claim_cpu_ms_by_hosts"] = asyncio.run(claim_cost.measure(folder, postgres))
    summary["benches"] = harness.medians(lines)
    summary["load_at_end"] = round(os.getloadavg()[0], 1)
    return summary


def _tokens_apart_from_the_hash(out: Path, postgres: PostgresCluster | None, repeat: tuple[str, ...]) -> list[Line]:
    with clouds.cloud(postgres, clouds.WITH_WEAK_HASH) as cloud:
        cloud.wait()
        return [line | {"name": "token-issue-weak-hash"} for line in harness.run(cloud, out, *repeat, "token-issue")]


def _races(lines: list[Line]) -> dict[str, int]:
    runs = [line for line in lines if line.get("name") == "placement-race"]
    return {
        "runs": len(runs),
        "claimed": sum(run["won"] for run in runs),
        "slots": sum(run["capacity"] for run in runs),
        "oversold": sum(run["overcommitted"] for run in runs),
        "errors": sum(run["errors"] for run in runs),
    }


def _idle(cloud: Cloud, postgres: PostgresCluster | None) -> dict[str, float]:
    """Of a core, while nobody asks for anything."""
    time.sleep(10)
    pids = {"ours": cloud.pid} | ({"postgres": postgres.pid} if postgres else {})
    before = {name: proc.cpu_s(pid) for name, pid in pids.items()}
    time.sleep(_IDLE_S)
    return {name: round(100 * (proc.cpu_s(pid) - before[name]) / _IDLE_S, 2) for name, pid in pids.items()}


def say(what: str) -> None:
    print(f"-- {time.strftime('%H:%M:%S')} {what} (load {os.getloadavg()[0]:.1f})", flush=True)


if __name__ == "__main__":
    main()
