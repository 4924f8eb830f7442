"""Three equal processes on one PostgreSQL behind a balancer."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import PostgresCluster
from tests.processes.cluster import Balancer, Client, Member


class Cluster:
    def __init__(self, folder: Path, database: str) -> None:
        self.balancer = Balancer(folder)
        self.members = [Member(folder, f"p{number}", database, self.balancer.url) for number in range(3)]

    def start(self) -> None:
        self.balancer.start([member.port for member in self.members])
        for member in self.members:
            member.start()

    def revive(self) -> None:
        for member in self.members:
            if member.process.poll() is not None:
                member.start()

    def client(self, url: str | None = None) -> Client:
        client = Client(url or self.balancer.url)
        client.login()
        return client


@pytest.fixture
def cluster(tmp_path: Path, postgres_cluster: PostgresCluster) -> Iterator[Cluster]:
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed (tools/setup-system.sh test)")
    made = Cluster(tmp_path, postgres_cluster.new_database())
    with ExitStack() as stack:
        stack.callback(made.balancer.stop)
        for member in made.members:
            stack.callback(member.stop)
        made.start()
        yield made
