"""The database goes away and comes back, or has no room: told clearly meanwhile, and nobody has to help."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outages.alone import COMPUTE, Alone, Tenant
from tests.postgres import PostgresCluster, running_cluster


@pytest.fixture
def own_cluster() -> Iterator[PostgresCluster]:
    """Nobody else's tests may be on what stops."""
    with running_cluster() as cluster:
        yield cluster


def is_listened_to(url: str) -> bool:
    command = ["psql", url, "-Atc", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return made.stdout.strip() == "1"


@pytest.mark.postgres
def test_postgresql_stops_and_comes_back(tmp_path: Path, own_cluster: PostgresCluster) -> None:
    (tmp_path / "data").mkdir()
    url = own_cluster.new_database()
    alone = Alone(tmp_path / "data", tmp_path, url)
    try:
        alone.start()
        tenant = alone.client()
        image, network = tenant.image(), tenant.network()
        status, told = tenant.create("before", image, network)
        assert status == 202, told
        for _ in range(2):
            own_cluster.stop()
            for method, path in (("GET", f"{COMPUTE}/servers"), ("GET", "/network/v2.0/ports")):
                status, told, headers = tenant.call(method, path, once=True)
                assert status == 503 and headers["Retry-After"], told
            status, told = tenant.create("meanwhile", image, network, once=True)
            assert status == 503, told
            own_cluster.resume()
            tenant.until("answers again", lambda: tenant.call("GET", f"{COMPUTE}/servers", once=True)[0] == 200)
            status, told = tenant.create("after", image, network)
            assert status == 202, told
            tenant.until("all ACTIVE", lambda: {server["status"] for server in tenant.servers()} == {"ACTIVE"})
        assert "before" in {server["name"] for server in tenant.servers()}
        assert "meanwhile" not in {server["name"] for server in tenant.servers()}
        tenant.until("it listens again", lambda: is_listened_to(url))
        tenant.books_balance()
        assert alone.process.poll() is None
    finally:
        alone.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, b"size=12m") != 0:
        pytest.skip(f"no small disk here: {os.strerror(ctypes.get_errno())}")
    yield disk
    libc.umount2(bytes(disk), 2)


def fill_up(disk: Path) -> Path:
    """Until not one byte more fits."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return path


def test_a_full_disk_is_told_and_forgotten(tmp_path: Path, small_disk: Path) -> None:
    alone = Alone(small_disk, tmp_path)
    try:
        alone.start()
        tenant = alone.client()
        image, network = tenant.image(), tenant.network()
        ballast = fill_up(small_disk)
        made, refused = fill_database(tenant, image, network)
        assert refused is not None, "the disk was full"
        assert tenant.call("GET", f"{COMPUTE}/servers", once=True)[0] == 200, "who only looks is not concerned"
        ballast.unlink()
        status, told = tenant.create("after", image, network)
        assert status == 202, told
        tenant.until("all ACTIVE", lambda: {server["status"] for server in tenant.servers()} == {"ACTIVE"})
        assert {server["id"] for server in tenant.servers()} == {*made, told["server"]["id"]}
        tenant.books_balance()
        alone.kill()
        alone.start()
        again = alone.client()
        assert {server["id"] for server in again.servers()} == {*made, told["server"]["id"]}
    finally:
        alone.stop()


def fill_database(tenant: Tenant, image: str, network: str) -> tuple[list[str], object]:
    """(what was acknowledged, how the first refusal was told)."""
    made: list[str] = []
    for number in range(300):
        status, told = tenant.create(f"s{number}", image, network, once=True)
        if status != 202:
            assert status == 503, told
            assert "disk is full" in str(told), told
            return made, told
        made.append(told["server"]["id"])
    return made, None
