"""The whole cloud behind a real HTTP server, and boto3 as its client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
import uvicorn
from botocore.config import Config
from tests.policies.whole_cloud import WholeCloud, whole_cloud
from tests.ports import free_port

T = TypeVar("T")


class S3Cloud:
    def __init__(self, whole: WholeCloud, url: str) -> None:
        self.whole = whole
        self.url = url
        self.keys: dict[str, dict[str, str]] = {}
        self.mine: Any = None
        self.theirs: Any = None
        self.reader: Any = None

    async def fill(self) -> None:
        self.mine = self.client(await self.key("mine", "member"))
        self.theirs = self.client(await self.key("theirs", "member"))
        self.reader = self.client(await self.key("mine", "reader"))

    async def key(self, name: str, role: str) -> dict[str, str]:
        """An EC2 key of a new user in the project of that name."""
        call, admin = self.whole.call, self.whole.admin
        found = (await call("GET", "/identity/v3/projects", token=admin, query=f"name={name}".encode())).body
        if found["projects"]:
            project = found["projects"][0]["id"]
        else:
            made = await call("POST", "/identity/v3/projects", {"project": {"name": name}}, token=admin)
            project = made.body["project"]["id"]
        user_name = f"{name}-{role}"
        made = await call("POST", "/identity/v3/users", {"user": {"name": user_name, "password": "p"}}, token=admin)
        user = made.body["user"]["id"]
        roles = (await call("GET", "/identity/v3/roles", token=admin, query=f"name={role}".encode())).body["roles"]
        path = f"/identity/v3/projects/{project}/users/{user}/roles/{roles[0]['id']}"
        assert (await call("PUT", path, token=admin)).status == 204
        path = f"/identity/v3/users/{user}/credentials/OS-EC2"
        made = await call("POST", path, {"tenant_id": project}, token=admin)
        assert made.status == 201, made.raw
        self.keys[user_name] = made.body["credential"]
        return self.keys[user_name]

    def client(self, key: dict[str, str], *, url: str = "", **config: Any) -> Any:
        how = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config)
        return boto3.client(
            "s3", endpoint_url=url or f"{self.url}/s3", aws_access_key_id=key["access"], region_name="us-east-1",
            aws_secret_access_key=key["secret"], config=how,
        )  # fmt: skip

    def token(self, role: str = "member") -> str:
        """Of the same project, for Swift."""
        return self.whole.token(role, self.project, "wei")

    @property
    def project(self) -> str:
        return self.keys["mine-member"]["tenant_id"]

    async def swift(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        said.append((b"content-length", str(len(body)).encode()))
        where = f"/object-store/v1/AUTH_{self.project}/{path}"
        return await self.whole.call(method, where, body, token=self.token(), headers=said)


async def aside(act: Callable[..., T], *args: Any, **words: Any) -> T:
    return await asyncio.to_thread(act, *args, **words)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """By HTTP, at the URL that is given."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[S3Cloud]:
    settings = {"database": database} if database else {}
    async with whole_cloud(tmp_path, **settings) as whole, served(whole.process.app) as url:
        cloud = S3Cloud(whole, url)
        await cloud.fill()
        yield cloud
