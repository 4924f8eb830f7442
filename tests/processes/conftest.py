"""Three equal processes on one PostgreSQL behind a balancer."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresCluster, postgres_cluster
from tests.processes.cluster import Balancer, Client, Member

__all__ = ["postgres_cluster"]


class Cluster:
    def __init__(self, folder: Path, database: str) -> None:
        self.database = database
        self.members = [Member(folder, f"p{number}", database) for number in range(3)]
        self.balancer = Balancer(folder, [member.port for member in self.members])

    def start(self) -> None:
        self.balancer.start()
        for member in self.members:
            member.start(self.balancer.url)

    def stop(self) -> None:
        for member in self.members:
            member.stop()
        self.balancer.stop()

    def revive(self) -> None:
        for member in self.members:
            if member.process.poll() is not None:
                member.start(self.balancer.url)

    def client(self, url: str | None = None) -> Client:
        client = Client(url or self.balancer.url)
        client.login()
        return client


@pytest.fixture
def cluster(tmp_path: Path, postgres_cluster: PostgresCluster) -> Iterator[Cluster]:
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed (tools/setup-system.sh test)")
    made = Cluster(tmp_path, postgres_cluster.new_database())
    made.start()
    yield made
    made.stop()
