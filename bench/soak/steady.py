"""A soak: one cloud under steady churn for as long as you like, and what it has grown by, seen from outside.

    python -m bench.soak.steady --minutes 20 [--postgres] [--workers 2] [--rate 15]

Every half minute it prints memory, descriptors, threads, tasks, the database's size and what lies in the folders; at
the end the rows of every table, now and after the clock went a day ahead twice: what is kept for a while is gone then.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.postgres import PostgresCluster

from bench import clouds, proc
from bench.soak import report
from bench.soak.churn import Churn, Client
from bench.soak.report import say

_LOOK_EVERY_S = 30.0
_CLIENTS = 4
_SETTLE_S = 25.0


class Watched:
    """The cloud, and what can be seen of it from outside."""

    def __init__(self, folder: Path, url: str, workers: int) -> None:
        self.port = clouds.free_port()
        self._folder = folder
        self._url = url
        self._told = folder / "told"
        self._alone = workers == 1
        program = ["-m", "bench.soak.told_cloud" if self._alone else "trivet.cli.main"]
        words = ["up", "--sim", "--sim-hosts", "20", "--data", str(folder / "cloud")]
        words += ["--listen", f"127.0.0.1:{self.port}", "--workers", str(workers)]
        words += ["--database", url] if url else []
        environment = os.environ | {"TRIVET_ADMIN_PASSWORD": clouds.PASSWORD, "SOAK_TOLD": str(self._told)}
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, *program, *words], env=environment, stdout=log, stderr=log)
        end = time.monotonic() + clouds.READY_S
        while "ready:" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text()[-4000:])
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def look(self) -> dict[str, Any]:
        pids = proc.family(self.process.pid)
        return {
            "pss_mib": round(proc.pss_mib(self.process.pid), 1),
            "cpu_s": round(proc.cpu_s(self.process.pid)),
            "fds": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            "threads": sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
            "tasks": self.inside().get("tasks"),
            "blobs": len(list((self._folder / "cloud" / "blobs").iterdir())),
            "log_kib": self.log.stat().st_size // 1024,
        } | (self._postgres() if self._url else self._sqlite())

    def inside(self) -> dict[str, Any]:
        if not self._alone:
            return {}
        self._told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        for _ in range(100):
            time.sleep(0.05)
            if self._told.exists() and (said := self._told.read_text()):
                told: dict[str, Any] = json.loads(said)
                return told
        return {}

    def days_pass(self) -> None:
        """So that what is kept for a while is forgotten."""
        if self._alone:
            self.process.send_signal(signal.SIGUSR2)

    def rows(self) -> dict[str, int]:
        if self._url:
            names = self._ask("SELECT relname FROM pg_stat_user_tables ORDER BY 1")
            return {name: int(self._ask(f"SELECT count(*) FROM {name}")[0]) for (name,) in map(str.split, names)}
        with sqlite3.connect(f"file:{self._folder}/cloud/trivet.db?mode=ro", uri=True) as looking:
            names = [name for (name,) in looking.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: looking.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in sorted(names)}

    def _sqlite(self) -> dict[str, Any]:
        sizes = {path.name: path.stat().st_size // 1024 for path in (self._folder / "cloud").glob("trivet.db*")}
        return {"db_kib": sizes.get("trivet.db"), "wal_kib": sizes.get("trivet.db-wal")}

    def _postgres(self) -> dict[str, Any]:
        states = self._ask("SELECT state FROM pg_stat_activity WHERE datname = current_database()")
        longest = self._ask(
            "SELECT round(extract(epoch FROM max(now() - xact_start))::numeric, 2) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        dead = self._ask("SELECT sum(n_dead_tup) FROM pg_stat_user_tables")
        size = self._ask("SELECT pg_database_size(current_database()) / 1024")
        held = {"states": dict(Counter(states)), "idle_in_tx_s": longest[0] if longest else None}
        return held | {"dead_rows": int(dead[0]), "db_kib": int(size[0])}

    def _ask(self, sql: str) -> list[str]:
        done = subprocess.run(["psql", self._url, "-Atc", sql], capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=20)
    words.add_argument("--postgres", action="store_true")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--rate", type=float, default=6.0, help="acts a second, of all clients together")
    words.add_argument("--no-report", action="store_true", help="leave docs/reliability.md as it is")
    chosen = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trivet-soak-")))
        postgres: PostgresCluster | None = stack.enter_context(clouds.cluster()) if chosen.postgres else None
        watched = Watched(folder, postgres.new_database() if postgres else "", chosen.workers)
        stack.callback(watched.stop)
        figures = _soak(watched, chosen.minutes * 60, chosen.rate)
        print(watched.log.read_text()[-3000:])
    if not chosen.no_report:
        report.write("steady", f"python -m bench.soak.steady {' '.join(sys.argv[1:])}".strip(), figures)
    return 1 if figures["answers of 500 and above, 503 apart"] else 0


def _soak(watched: Watched, seconds: float, rate: float) -> report.Figures:
    clients = [Client(watched.port, clouds.PASSWORD, seed) for seed in range(_CLIENTS)]
    over = threading.Event()
    doing = [threading.Thread(target=_day, args=(client, rate / _CLIENTS, over)) for client in clients]
    for thread in doing:
        thread.start()
    began, looks = time.monotonic(), []
    while time.monotonic() - began < seconds:
        time.sleep(min(_LOOK_EVERY_S, seconds))
        answers = sum((client.answers for client in clients), Counter[str]())
        looks.append(watched.look())
        say(round(time.monotonic() - began), looks[-1] | {"answers": dict(answers)})
    over.set()
    for thread in doing:
        thread.join()
    say("slowest_s", [round(client.slowest_s, 2) for client in clients])
    say("odd", [line for client in clients for line in client.odd][:20])
    say("inside", watched.inside())
    say("rows", watched.rows())
    for day in (1, 2):
        watched.days_pass()
        time.sleep(_SETTLE_S)
        say(f"rows a day later, {day}", watched.rows())
    at_rest = watched.look()
    say("at rest", at_rest)
    return {
        "minutes": round(seconds / 60),
        "requests": sum(answers.values()),
        "answers of 500 and above, 503 apart": sum(n for what, n in answers.items() if _is_bug(what)),
        "slowest answer": f"{max(client.slowest_s for client in clients):.2f} s",
    } | {
        f"{name}: at first, in the end, at rest": f"{looks[0][name]}, {looks[-1][name]}, {at_rest[name]}"
        for name in ("pss_mib", "fds", "threads", "tasks", "db_kib")
    }


def _is_bug(what: str) -> bool:
    return what.isdigit() and int(what) >= 500 and what != "503"


def _day(client: Client, rate: float, over: threading.Event) -> None:
    churn = Churn(client, f"c{id(client) % 10_000}")
    while not over.is_set():
        churn.act()
        time.sleep(client.chance.expovariate(rate))
    churn.end()


if __name__ == "__main__":
    sys.exit(main())
