"""A whole cloud with simulated hosts and a simulated back end, and two tenants in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.container_archives import Image, tar
from tests.api.one_service import Answer, exchange
from tests.policies.whole_cloud import WholeCloud, whole_cloud

from trivet.drivers.contracts.patience import behind

PATIENCE_S = 60.0
MINE, THEIRS = "1" * 32, "2" * 32


class VolumeCloud:
    def __init__(self, whole: WholeCloud) -> None:
        self.whole = whole
        self.mine = whole.token("member", MINE, "wei")
        self.theirs = whole.token("member", THEIRS, "mallory")
        self.reader = whole.token("reader", MINE, "rae")
        self.admin = whole.admin
        self.image_id = self.network_id = self.flavor_id = ""

    @property
    def engine(self) -> Any:
        assert self.whole.process.hosting is not None
        return behind(self.whole.process.hosting.volumes)

    @property
    def temper(self) -> Any:
        assert self.whole.process.hosting is not None
        return self.whole.process.hosting.temper

    async def fill(self) -> None:
        async def opened() -> Any:
            return await self.rows("SELECT 1 FROM volume_backends")

        await self.eventually(opened, "a back end for volumes")
        network = await self.whole.made("/network/v2.0/networks", {"network": {"name": "n"}}, self.mine)
        self.network_id = network["id"]
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}
        await self.whole.made("/network/v2.0/subnets", {"subnet": subnet}, self.mine)
        self.image_id = await self.new_image("i", self.mine)
        flavors = (await self.whole.call("GET", "/compute/v2.1/flavors", token=self.mine)).body["flavors"]
        self.flavor_id = flavors[0]["id"]

    async def new_container_image(self, name: str, token: str) -> str:
        return await self.new_image(name, token, tar(Image().oci_members()), container_format="docker")

    async def new_image(self, name: str, token: str, content: bytes = b"\0" * 512, **words: Any) -> str:
        image = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "private"} | words
        answer = await self.whole.call("POST", "/image/v2/images", image, token=token)
        id = str(answer.body["id"])
        sent = [(b"content-type", b"application/octet-stream")]
        answer = await self.whole.call("PUT", f"/image/v2/images/{id}/file", content, token=token, headers=sent)
        assert answer.status == 204, answer.raw
        return id

    # -- clients

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, version: str = "3.71", query: str =
        ""
    ) -> Answer:  # fmt: skip
        headers = [(b"openstack-api-version", f"volume {version}".encode())]
        return await self._call(method, f"/volume/v3{path}", body, token, headers, query)

    async def compute(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, version: str = "2.95"
    ) -> Answer:
        headers = [(b"openstack-api-version", f"compute {version}".encode())]
        return await self._call(method, f"/compute/v2.1{path}", body, token, headers, "")

    async def _call(
        self, method: str, path: str, body: Any, token: str | None, headers: list[tuple[bytes, bytes]], query: str
    ) -> Answer:
        import json  # noqa: PLC0415

        raw = json.dumps(body).encode() if body is not None else b""
        said = [(b"host", b"cloud:8774"), (b"x-auth-token", (token or self.mine).encode()), *headers]
        return await exchange(self.whole.process.app, method, path, [raw], headers=said, query=query.encode())

    async def volume(self, *, until: str | None = "available", token: str | None = None, **words: Any) -> Any:
        body = {"volume": {"size": 1} | words}
        made = (await self.call("POST", "/volumes", body, token=token)).ok("volume")
        return await self.until(made["id"], until, token=token) if until else made

    async def show(self, id: str, **how: Any) -> Any:
        return (await self.call("GET", f"/volumes/{id}", **how)).ok("volume")

    async def act(self, id: str, action: str, said: Any = None, **how: Any) -> Answer:
        return await self.call("POST", f"/volumes/{id}/action", {action: said}, **how)

    async def snapshot(self, volume_id: str, *, until: str = "available", **words: Any) -> Any:
        body = {"snapshot": {"volume_id": volume_id} | words}
        made = (await self.call("POST", "/snapshots", body)).ok("snapshot")

        async def ready() -> Any:
            found = (await self.call("GET", f"/snapshots/{made['id']}")).ok("snapshot")
            return found if found["status"] == until else None

        return await self.eventually(ready, f"snapshot {until}")

    async def server(self, *, until: str = "ACTIVE", **words: Any) -> Any:
        server = {"name": "s", "flavorRef": self.flavor_id, "networks": [{"uuid": self.network_id}]} | words
        if "block_device_mapping_v2" not in server:
            server.setdefault("imageRef", self.image_id)
        made = (await self.compute("POST", "/servers", {"server": server})).ok("server")

        async def there() -> Any:
            found = (await self.compute("GET", f"/servers/{made['id']}")).ok("server")
            return found if found["status"] == until else None

        return await self.eventually(there, f"server {until}")

    async def attach(self, server_id: str, volume_id: str, *, until: str | None = "in-use", **words: Any) -> Any:
        body = {"volumeAttachment": {"volumeId": volume_id} | words}
        made = (await self.compute("POST", f"/servers/{server_id}/os-volume_attachments", body)).ok("volumeAttachment")
        if until:
            await self.until(volume_id, until)
        return made

    # -- waiting

    async def until(self, id: str, status: str, *, token: str | None = None) -> Any:
        async def there() -> Any:
            found = await self.show(id, token=token)
            return found if found["status"] == status else None

        return await self.eventually(there, f"volume {status}")

    async def gone(self, path: str, *, token: str | None = None) -> None:
        async def away() -> Any:
            return (await self.call("GET", path, token=token)).status == 404

        await self.eventually(away, f"{path} gone")

    async def eventually(self, true: Callable[[], Awaitable[Any]], what: str) -> Any:
        until = time.monotonic() + PATIENCE_S
        while not (found := await true()):
            assert time.monotonic() < until, f"never: {what}"
            await asyncio.sleep(0.02)
        return found

    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.whole.process.parts.store.read() as tx:
            return [tuple(row) for row in await tx.rows(sql, *values)]

    async def used(self, project_id: str = MINE) -> dict[str, int]:
        found = await self.rows("SELECT resource, used FROM quota_usages WHERE scope_id = ?", project_id)
        return {name: used for name, used in found if name in ("volumes", "gigabytes", "snapshots")}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[VolumeCloud]:
    async with whole_cloud(tmp_path) as whole:
        cloud = VolumeCloud(whole)
        await cloud.fill()
        yield cloud
