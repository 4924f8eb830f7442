"""The whole cloud with simulated hosts, whose agents do what is wanted, and a caller of the container service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.container_archives import Image, tar
from tests.api.one_service import Answer
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.drivers.contracts.patience import behind
from trivet.drivers.sim.machines import SimMachines

PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.02


def why(answer: Answer, status: int) -> str:
    """Of a refusal, in this service's shape."""
    assert answer.status == status, (answer.status, answer.raw)
    (fault,) = answer.body["errors"]
    assert fault.keys() == {"request_id", "code", "status", "title", "detail", "links"}
    assert fault["status"] == status
    return str(fault["detail"])


class Project:
    """A project with a network and a member who asks."""

    def __init__(self, cloud: "Containers", id: str, user_id: str, network_id: str) -> None:
        self.cloud = cloud
        self.id = id
        self.user_id = user_id
        self.network_id = network_id

    def token(self, role: str = "member") -> str:
        return self.cloud.whole.token(role, self.id, self.user_id)

    async def call(
        self, method: str, path: str, body: Any = None, /, *, version: str = "1.40", role: str = "member", **query: Any
    ) -> Answer:
        return await self.cloud.call(method, path, body, token=self.token(role), version=version, **query)

    async def create(self, *, run: bool = False, version: str = "1.40", role: str = "member", **said: Any) -> Answer:
        body = {"image": "shell"} | {name: value for name, value in said.items() if value is not ...}
        query = {"run": "true"} if run else {}
        return await self.call("POST", "/containers", body, version=version, role=role, **query)

    async def made(self, status: str = "Running", **said: Any) -> str:
        """One that has come to this state."""
        id = str((await self.create(run=status != "Created", **said)).ok()["uuid"])
        await self.becomes(id, status)
        return id

    async def show(self, id: str, **how: Any) -> Any:
        return (await self.call("GET", f"/containers/{id}", **how)).ok()

    async def becomes(self, id: str, status: str) -> Any:
        return await self.until(id, lambda view: bool(view["status"] == status))

    async def until(self, id: str, fits: Callable[[Any], bool]) -> Any:
        view = None
        async with asyncio.timeout(PATIENCE_S):
            while view is None or not fits(view):
                await asyncio.sleep(_LOOK_EVERY_S)
                view = await self.show(id)
        return view

    async def gone(self, id: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.call("GET", f"/containers/{id}")).status != 404:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def act(self, id: str, action: str, body: Any = None, /, **how: Any) -> Answer:
        return await self.call("POST", f"/containers/{id}/{action}", body, **how)


class Containers:
    def __init__(self, whole: WholeCloud) -> None:
        self.whole = whole

    async def call(
        self, method: str, path: str, body: Any = None, /, *, token: str, version: str = "1.40", **query: Any
    ) -> Answer:
        said = "&".join(f"{name}={value}" for name, value in query.items()).encode()
        headers = [(b"openstack-api-version", f"container {version}".encode())]
        return await self.whole.call(method, f"/container/v1{path}", body, token=token, headers=headers, query=said)

    async def project(self, name: str) -> Project:
        whole = self.whole
        made = await whole.made("/identity/v3/projects", {"project": {"name": name}}, whole.admin)
        user = await whole.made("/identity/v3/users", {"user": {"name": f"of {name}"}}, whole.admin)
        token = whole.token("member", made["id"], user["id"])
        network = await whole.made("/network/v2.0/networks", {"network": {"name": f"net-{name}"}}, token)
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}
        await whole.made("/network/v2.0/subnets", {"subnet": subnet}, token)
        return Project(self, made["id"], user["id"], network["id"])

    async def image(self, name: str, token: str, *, visibility: str = "public", **words: str) -> str:
        said = {"name": name, "disk_format": "oci", "container_format": "docker", "visibility": visibility} | words
        answer = await self.whole.call("POST", "/image/v2/images", said, token=token)
        id = str(answer.ok()["id"])
        content = tar(Image(name.encode()).oci_members())
        sent = [(b"content-type", b"application/octet-stream")]
        (await self.whole.call("PUT", f"/image/v2/images/{id}/file", content, token=token, headers=sent)).ok()
        return id

    def engine_of(self, id: str) -> SimMachines:
        """The simulated host that has it."""
        hosting = self.whole.process.hosting
        assert hosting is not None
        for engines in hosting.engines.values():
            found = behind(engines.machines["container"])
            assert isinstance(found, SimMachines)
            if found.has(id):
                return found
        raise AssertionError(f"{id} is on no host")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Containers]:
    async with whole_cloud(tmp_path) as whole:
        found = Containers(whole)
        await found.image("shell", whole.admin)
        yield found


@pytest.fixture
async def mine(cloud: Containers) -> Project:
    return await cloud.project("mine")


@pytest.fixture
async def theirs(cloud: Containers) -> Project:
    return await cloud.project("theirs")
