"""A cloud of images alone, with its blobs in a directory, and four callers."""

import struct
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.one_service import MINE, THEIRS, Answer, OneService, Skewed, ask, ask_in_chunks, store_on

from trivet.api.image.service import SERVICE
from trivet.controllers.images import ImageController
from trivet.domain.images import sweep as image_sweep
from trivet.domain.images import tasks as image_tasks
from trivet.drivers.files import FileBlobs
from trivet.drivers.web import Allowed, Web

PATCH = "application/openstack-images-v2.1-json-patch"
OCTETS = "application/octet-stream"


class Cloud(OneService):
    def __init__(self, directory: Path, database: str = "") -> None:
        self.clock = Skewed()
        super().__init__(SERVICE, store_on(database, self.clock), blobs=FileBlobs(directory))
        self.images = ImageController(self.parts, Web(Allowed("127.0.0.0/8")))
        self.tokens = {
            "member": self.issue(MINE, "member"),
            "reader": self.issue(MINE, "reader"),
            "stranger": self.issue(THEIRS, "member"),
            "admin": self.issue("3" * 32, "admin"),
        }

    async def silence(self, seconds: float) -> None:
        """Time passes in which nobody gives a sign of life, and somebody looks."""
        for _ in range(int(seconds // 20) + 2):
            async with self.store.read() as tx:
                await image_tasks.open_ones(tx, self.parts.sightings, 1)
            await image_sweep.sweep(self.parts)
            self.clock.passed_s += 20

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str = "member",
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        said = self._said(who, kind, headers)
        return await ask(self.app, method, f"/image{path}", body, headers=said, query=query)

    def _said(self, who: str, kind: str, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"x-auth-token": self.tokens[who], "content-type": kind, **(headers or {})}

    # -- short words

    async def create(self, who: str = "member", **words: object) -> Any:
        words = {"name": "one", "disk_format": "raw", "container_format": "bare"} | words
        return (await self.call("POST", "/v2/images", words, who=who)).ok()

    async def active(self, data: bytes = b"bytes of an image", who: str = "member", **words: object) -> Any:
        image = await self.create(who, **words)
        (await self.upload(image["id"], data, who=who)).ok()
        return await self.show(image["id"], who=who)

    async def upload(self, id: str, data: bytes, who: str = "member") -> Answer:
        return await self.call("PUT", f"/v2/images/{id}/file", data, who=who, kind=OCTETS)

    async def upload_in_chunks(self, id: str, chunks: Iterable[bytes | None]) -> Answer:
        """At a None among them the client goes away."""
        return await self.put_in_chunks(f"/v2/images/{id}/file", chunks)

    async def put_in_chunks(self, path: str, chunks: Iterable[bytes | None]) -> Answer:
        return await ask_in_chunks(self.app, "PUT", f"/image{path}", chunks, headers=self._said("member", OCTETS))

    async def show(self, id: str, who: str = "member") -> Any:
        return (await self.call("GET", f"/v2/images/{id}", who=who)).ok()

    async def names(self, who: str = "member", **query: object) -> list[str]:
        return await self.names_of(query, who)

    async def names_of(self, query: Mapping[str, object], who: str = "member") -> list[str]:
        found = (await self.call("GET", "/v2/images", who=who, query=query)).ok()
        return [image["name"] for image in found["images"]]

    async def patch(self, id: str, *changes: Mapping[str, object], who: str = "member", kind: str = PATCH) -> Answer:
        return await self.call("PATCH", f"/v2/images/{id}", list(changes), who=who, kind=kind)

    async def blob_keys(self) -> set[str]:
        return await self.parts.blobs.keys()


def qcow2(*, version: int = 3, backing: int = 0, features: int = 0, size: int = 1 << 30) -> bytes:
    """The beginning of such a disk, which is all that an upload looks at."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, 16, size)
    return (head + bytes(72 - len(head)) + struct.pack(">QQQII", features, 0, 0, 4, 104)).ljust(65536, b"\0")


@pytest.fixture
async def cloud(database: str, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud(tmp_path / "blobs", database) as cloud:
        yield cloud
