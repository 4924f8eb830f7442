"""Clouds to measure: `trivet up --sim` as a user starts it, on SQLite or on a PostgreSQL cluster of its own.

The database keeps its promises while it is measured: fsync is on, as in production.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import PostgresCluster

TRIVET = (str(Path(sys.executable).parent / "trivet"),)
WITH_WEAK_HASH = (sys.executable, "-m", "bench.weak_hash")
PASSWORD = "a password for benches"  # noqa: S105 - of a cloud that lives for minutes, on loopback
READY_S = 60.0
_POSTGRES_OPTIONS = "-c max_connections=100 -c jit=off -c shared_buffers=64MB"


class Cloud:
    """One process that is the whole cloud, and the pid files by which the harness counts its CPU."""

    def __init__(self, folder: Path, database: str, postgres_pid: int | None, program: Sequence[str]) -> None:
        self.port = free_port()
        self.pids = folder / "pids"
        self.began_at = 0.0
        self._data = folder / "cloud"
        self._log = folder / "log"
        self._database = database
        self._postgres_pid = postgres_pid
        self._program = program
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Returns at once: how long it takes to answer is one of the figures."""
        self.pids.mkdir()
        words = ["up", "--sim", "--data", str(self._data), "--listen", f"127.0.0.1:{self.port}"]
        if self._database:
            words += ["--database", self._database]
        with self._log.open("a") as log:
            self.began_at = time.time()
            self._process = subprocess.Popen(
                [*self._program, *words],
                env=os.environ | {"TRIVET_ADMIN_PASSWORD": PASSWORD},
                stdout=log,
                stderr=log,
            )
        (self.pids / "trivet.pid").write_text(str(self._process.pid))
        if self._postgres_pid is not None:
            (self.pids / "postgres.pid").write_text(str(self._postgres_pid))

    def wait(self) -> None:
        end = time.monotonic() + READY_S
        while "ready:" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"The cloud did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    @property
    def environment(self) -> dict[str, str]:
        """By which clients find it."""
        return {
            "OS_AUTH_URL": f"http://127.0.0.1:{self.port}/identity/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
            "OSBENCH_PIDDIR": str(self.pids),
            "OSBENCH_T0": str(self.began_at),
        }


@contextmanager
def cluster() -> Iterator[PostgresCluster]:
    """PostgreSQL 15 of our own, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="trivet-bench-pg-"))
    folder.chmod(0o755)
    made = PostgresCluster(folder, _POSTGRES_OPTIONS)
    try:
        made.start()
        yield made
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(folder)


@contextmanager
def cloud(postgres: PostgresCluster | None, program: Sequence[str] = TRIVET) -> Iterator[Cloud]:
    """Started, perhaps not yet answering; stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="trivet-bench-"))
    made = Cloud(folder, postgres.new_database() if postgres else "", postgres.pid if postgres else None, program)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
