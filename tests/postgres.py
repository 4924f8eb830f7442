"""A PostgreSQL cluster of the tests' own: made in memory where there is room, gone with the session.

A database for a test is a copy of one whose schema is ready, and goes with its test, so that the cluster stays small.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.ports import free_port
from tests.scratch import scratch
from trivet.clock import SystemClock
from trivet.ids import SystemIds
from trivet.store.postgres import PostgresStore

_BIN = Path("/usr/lib/postgresql/15/bin")
_OPTIONS = (
    "-c fsync=off -c full_page_writes=off -c max_connections=200 -c jit=off -c shared_buffers=64MB"
    " -c min_wal_size=32MB -c max_wal_size=128MB"
)
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
_PATIENCE_S = 120.0
_READY = "ready"


class PostgresCluster:
    def __init__(self, folder: Path, options: str = _OPTIONS) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._numbers = count(1)
        self._there: set[str] = set()
        self.port = free_port()
        self._options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", str(folder), *options.split()]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Refuses to run as root, so then it runs as the package's own user."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        words = ["-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-N"]
        done = subprocess.run(
            self._command("initdb", *words), cwd="/", capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=_PATIENCE_S,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr or done.stdout}")
        self.resume()

    def resume(self) -> None:
        """After a stop, with all that was in it."""
        command = self._command("postgres", "-D", str(self._data), *self._options)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + _PATIENCE_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"postgres did not start: {(self._folder / 'log').read_text()[-4000:]}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """Its last line is the state of the server: `starting`, `ready`, `stopping`."""
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()[7:] == ["ready   "]
        except FileNotFoundError:
            return False

    def stop(self) -> None:
        """At once: nobody needs what is in it any more, or it comes back from its log."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        return self._copy_of("template1")

    def migrated_database(self) -> str:
        """The URL of a database whose schema is ready."""
        if _READY not in self._there:
            self._sql(f"CREATE DATABASE {_READY}")
            self._there.add(_READY)
            _run(_migrate(self.url(_READY)))
        return self._copy_of(_READY)

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Databases that are made within are dropped at its end."""
        before = set(self._there) | {_READY}
        yield
        for name in sorted(self._there - before):
            self._sql(f"DROP DATABASE {name} WITH (FORCE)")
            self._there.discard(name)

    def _copy_of(self, template: str) -> str:
        name = f"test{next(self._numbers)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        self._there.add(name)
        return self.url(name)

    def _sql(self, statement: str) -> None:
        async def say() -> None:
            connection = await asyncpg.connect(self.url("postgres"), timeout=_PATIENCE_S)
            try:
                await connection.execute(statement, timeout=_PATIENCE_S)
            finally:
                await connection.close()

        _run(say())

    def _command(self, program: str, *words: str) -> list[str]:
        command = [str(_BIN / program), *words]
        if os.geteuid() == 0:
            # It ends with whoever started it, even if that was killed.
            who = ("--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=QUIT")
            command = ["setpriv", *who, "--", *command]
        return command


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Also where a loop runs already: whoever asks for a database waits for it."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _migrate(url: str) -> None:
    store = PostgresStore(url, SystemClock(), SystemIds(), connections=1)
    await store.open()
    await store.migrate()
    await store.close()


def need_postgres() -> None:
    if not (_BIN / "postgres").exists():
        why = f"PostgreSQL 15 is not installed ({_BIN}); install the package postgresql-15."
        pytest.skip(why)


@contextmanager
def running_cluster() -> Iterator[PostgresCluster]:
    """One that nobody else uses."""
    need_postgres()
    with scratch("pg", _ROOM_BYTES) as folder:
        folder.chmod(0o755)
        cluster = PostgresCluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[PostgresCluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_cluster(shared_cluster: PostgresCluster) -> Iterator[PostgresCluster]:
    """What a test makes in it goes with the test."""
    with shared_cluster.sparing():
        yield shared_cluster
