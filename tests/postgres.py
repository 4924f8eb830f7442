"""A PostgreSQL cluster of the tests' own: made in a temporary folder, gone with the session.

A new database for a test is a copy of one whose schema is ready, which takes a tenth of a second.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

_BIN = Path("/usr/lib/postgresql/15/bin")
_OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c jit=off -c shared_buffers=64MB"


class PostgresCluster:
    def __init__(self, folder: Path, options: str = _OPTIONS) -> None:
        self._folder = folder
        self._options = options
        self._data = folder / "data"
        self._numbers = count(1)
        self.port = _free_port()

    def start(self) -> None:
        """Refuses to run as root, so then it runs as the package's own user."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-N")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder} {self._options}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of an empty database, or of a copy."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-T", template, name)
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_BIN / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    if not (_BIN / "postgres").exists():
        why = f"PostgreSQL 15 is not installed ({_BIN}); install the package postgresql."
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="trivet-pg-"))
    folder.chmod(0o755)
    cluster = PostgresCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
