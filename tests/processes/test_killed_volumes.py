"""HA-13: a hundred operations on volumes, while whatever works on them is killed at any moment: processes of ours, of
which one or two share the back end, and the daemons of the volumes. All end as asked, and nothing is left over.
"""

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.outages.alone import Tenant
from tests.ports import free_port
from tests.postgres import PostgresCluster
from tests.processes.cluster import PASSWORD, Balancer
from tests.programs import BIN, Program, clean, until
from trivet.drivers.contracts.volume import Serving
from trivet.drivers.qemu import processes
from trivet.drivers.qemu.layout import short_directory
from trivet.drivers.qsd.layout import Layout
from trivet.drivers.qsd.volumes import missing

VOLUMES = 20
"""Each is made, attached, grown and snapshotted, its snapshot is deleted, and every other one is, too."""
AT_ONCE = 4
PATTERN = 0x5A
FILES = {"disk.raw", "serving.json", "lock", "pid", "daemon.log", "qmp", "nbd"}
"""Of a volume that is served."""


class Member(Program):
    COMMAND = (str(BIN / "python"), "-m", "tests.processes.real_volumes")

    def __init__(self, folder: Path, name: str, database: str) -> None:
        data = folder / name
        data.mkdir()
        (folder / "blobs").mkdir(exist_ok=True)
        (data / "blobs").symlink_to(folder / "blobs")
        (data / "secret").write_bytes(b"one secret, the same for every process")
        self.port = free_port()
        words = ["up", "--sim", "--data", str(data), "--listen", f"127.0.0.1:{self.port}"]
        environment = clean() | {"TRIVET_ADMIN_PASSWORD": PASSWORD, "TRIVET_TEST_VOLUMES": str(folder / "volumes")}
        words += ["--database", database] if database else []
        super().__init__(data / "out", data / "log", *words, environment=environment, folder=Path.cwd())


class Crew:
    """Processes of ours on one back end."""

    def __init__(self, folder: Path, count: int, database: str) -> None:
        self.volumes = folder / "volumes"
        self.members = [Member(folder, f"p{number}", database) for number in range(count)]
        self.balancer = Balancer(folder)

    def client(self) -> Tenant:
        client = Tenant(self.balancer.url)
        client.login()
        return client

    def layout(self, id: str) -> Layout:
        return Layout(self.volumes / id, short_directory(self.volumes) / id)

    def ids(self) -> list[str]:
        return [path.name for path in self.volumes.iterdir() if path.name[0] not in "._"]


@pytest.fixture(params=["one", "two"])
def crew(request: pytest.FixtureRequest, tmp_path: Path, postgres_cluster: PostgresCluster) -> Iterator[Crew]:
    lacks = missing() + ([] if shutil.which("haproxy") else ["haproxy"])
    if lacks:
        pytest.skip(f"not everything is here (tools/setup-system.sh test): {lacks}")
    two = request.param == "two"
    made = Crew(tmp_path, 2 if two else 1, postgres_cluster.new_database() if two else "")
    with ExitStack() as stack:
        stack.callback(_end_daemons, made)
        stack.callback(made.balancer.stop)
        for member in made.members:
            stack.callback(member.stop)
            member.start()
        made.balancer.start([member.port for member in made.members])
        yield made


def _end_daemons(crew: Crew) -> None:
    for id in crew.ids():
        with suppress(OSError, ValueError):
            os.kill(int(crew.layout(id).pid.read_text()), signal.SIGKILL)


class Owner:
    """One client and its volumes, one after the other. What was done before the connection broke, it finds done."""

    def __init__(self, crew: Crew, name: str, server_id: str) -> None:
        self._crew = crew
        self._client = crew.client()
        self._name = name
        self._server_id = server_id
        self.attached: set[str] = set()
        self.flushed: set[str] = set()
        self.ended = 0
        """Operations."""

    def work(self, count: int) -> None:
        for number in range(count):
            id = self._make(f"{self._name}-{number}")
            self._attach(id)
            self._write(id)
            self._extend(id)
            snapshot_id = self._snapshot(id)
            self._ask("DELETE", f"/volume/v3/snapshots/{snapshot_id}")
            self._gone(f"/volume/v3/snapshots/{snapshot_id}")
            if number % 2:
                self.attached.add(id)
            else:
                self._ask("DELETE", f"/compute/v2.1/servers/{self._server_id}/os-volume_attachments/{id}")
                self._volume(id, "available")
                self._ask("DELETE", f"/volume/v3/volumes/{id}")
                self._gone(f"/volume/v3/volumes/{id}")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Refused is what was done already; what comes of it is looked at in any case."""
        status, told, _ = self._client.call(method, path, body)
        assert status < 500, (method, path, told)
        return told

    def _make(self, name: str) -> str:
        self._ask("POST", "/volume/v3/volumes", {"volume": {"name": name, "size": 1}})
        found = self._client.ok("GET", f"/volume/v3/volumes?name={name}")["volumes"]
        for twin in found[1:]:
            self._volume(twin["id"], "available")
            self._ask("DELETE", f"/volume/v3/volumes/{twin['id']}")
        self._volume(found[0]["id"], "available")
        return str(found[0]["id"])

    def _attach(self, id: str) -> None:
        body = {"volumeAttachment": {"volumeId": id}}
        self._ask("POST", f"/compute/v2.1/servers/{self._server_id}/os-volume_attachments", body)
        self._volume(id, "in-use")

    def _write(self, id: str) -> None:
        """By QEMU's own client, as the machine would; what it flushed has to be there in the end."""
        layout = self._crew.layout(id)
        (export,) = self._volume(id, "in-use")["attachments"]
        uri = f"nbd+unix:///{export['attachment_id']}?socket={layout.nbd}"
        words = ("qemu-io", "-f", "raw", "-c", f"write -P {PATTERN} 0 64k", "-c", "flush", uri)
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode == 0 and b"wrote" in done.stdout:
            self.flushed.add(id)

    def _extend(self, id: str) -> None:
        path = f"/volume/v3/volumes/{id}/action"
        self._ask("POST", path, {"os-extend": {"new_size": 2}})
        until("it has grown", lambda: self._volume(id, "in-use")["size"] == 2, lambda: self._volume(id, "in-use"))

    def _snapshot(self, id: str) -> str:
        body = {"snapshot": {"volume_id": id, "name": id, "force": True}}
        self._ask("POST", "/volume/v3/snapshots", body)
        found = self._client.ok("GET", f"/volume/v3/snapshots?name={id}")["snapshots"]
        for one in found:
            self._settled(f"/volume/v3/snapshots/{one['id']}", "snapshot", "available")
        for twin in found[1:]:
            self._ask("DELETE", f"/volume/v3/snapshots/{twin['id']}")
            self._gone(f"/volume/v3/snapshots/{twin['id']}")
        return str(found[0]["id"])

    def _volume(self, id: str, status: str) -> Any:
        return self._settled(f"/volume/v3/volumes/{id}", "volume", status)

    def _settled(self, path: str, noun: str, status: str) -> Any:
        def there() -> Any:
            found = self._client.ok("GET", path)[noun]
            assert not found["status"].startswith("error"), found
            return found if found["status"] == status else None

        found = until(f"{noun} {status}", there, lambda: self._client.ok("GET", path), pause_s=0.1)
        self.ended += 1
        return found

    def _gone(self, path: str) -> None:
        until(f"{path} gone", lambda: self._client.call("GET", path)[0] == 404, pause_s=0.1)
        self.ended += 1


@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_a_hundred_operations_end_as_asked_whatever_is_killed(crew: Crew, chance: random.Random) -> None:
    tenant = crew.client()
    image = tenant.image()
    owners = []
    for number in range(AT_ONCE):
        status, made = tenant.create(f"s{number}", image, None)
        assert status == 202, made
        owners.append(Owner(crew, f"v{number}", made["server"]["id"]))
    tenant.until("all ACTIVE", lambda: {server["status"] for server in tenant.servers()} == {"ACTIVE"})
    done = threading.Event()
    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        killing = threads.submit(_kill, crew, owners, chance, done)
        working = [threads.submit(owner.work, VOLUMES // AT_ONCE) for owner in owners]
        try:
            for one in working:
                one.result()
        finally:
            done.set()
        assert killing.result() > 0
    _all_is_as_asked(crew, tenant, owners)


def _kill(crew: Crew, owners: list[Owner], chance: random.Random, done: threading.Event) -> int:
    """How often. Daemons each time, and a process of ours every other time, which comes back. Something has to end
    between two deaths: on a machine so slow that nothing does, all would only be begun."""
    times = ended = 0
    while not done.wait(chance.uniform(0.3, 1.2)):
        if (now := sum(owner.ended for owner in owners)) == ended:
            continue
        times, ended = times + 1, now
        for id in chance.sample(sorted(crew.ids()), k=min(2, len(crew.ids()))):
            with suppress(OSError, ValueError):
                os.kill(int(crew.layout(id).pid.read_text()), signal.SIGKILL)
        if times % 2:
            member = chance.choice(crew.members)
            member.kill()
            member.start()
    return times


def _all_is_as_asked(crew: Crew, tenant: Tenant, owners: list[Owner]) -> None:
    kept = set().union(*(owner.attached for owner in owners))
    for member in crew.members:
        # Whoever comes next looks at everything.
        member.kill()
    for member in crew.members:
        member.start()
    rows = {row["id"]: row for row in tenant.ok("GET", "/volume/v3/volumes/detail")["volumes"]}
    until("only what was kept is there", lambda: set(crew.ids()) == kept, crew.ids)
    assert set(rows) == kept
    assert {(row["status"], row["size"]) for row in rows.values()} == {("in-use", 2)}
    assert list((crew.volumes / "_snapshots").iterdir()) == []
    until("all are served", lambda: all(processes.alive(crew.layout(id)) for id in kept))
    for id in kept:
        layout = crew.layout(id)
        (attachment,) = rows[id]["attachments"]
        assert layout.read_serving().exports == Serving({attachment["attachment_id"]: False}).exports
        assert layout.disk.stat().st_size == 2 << 30
        assert {path.name for path in layout.folder.iterdir()} <= FILES
    for id in kept & set().union(*(owner.flushed for owner in owners)):
        with crew.layout(id).disk.open("rb") as disk:
            assert disk.read(1 << 16) == bytes([PATTERN]) * (1 << 16)
    used = tenant.ok("GET", "/volume/v3/limits")["limits"]["absolute"]
    counts = (used["totalVolumesUsed"], used["totalGigabytesUsed"], used["totalSnapshotsUsed"])
    assert counts == (len(kept), 2 * len(kept), 0)
