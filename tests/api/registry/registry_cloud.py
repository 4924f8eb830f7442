"""A cloud of a registry and of images, with two projects that have nothing to do with each other."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.image.container_archives import CONFIG, LAYER, MANIFEST, Image, descriptor, digest
from tests.api.one_service import MINE, THEIRS, Answer, OneService, Skewed, ask, ask_in_chunks, store_on

from trivet.api.image.service import SERVICE as IMAGES
from trivet.api.kit.app import App
from trivet.api.registry.service import SERVICE
from trivet.domain.identity import assignments
from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.people.projects import DEFAULT_DOMAIN, PROJECTS, Project
from trivet.domain.identity.people.roles import LADDER, ROLES, Role
from trivet.domain.identity.people.users import USERS, PasswordOf, User
from trivet.domain.registry import sweep as registry_sweep
from trivet.drivers.files import FileBlobs
from trivet.store.tx import Tx

OCTETS = "application/octet-stream"
INDEX = "application/vnd.oci.image.index.v1+json"
APP = "mine/app"


class Cloud(OneService):
    """`mine` and `theirs` are projects of the domain `default`, each with a member of its name; `both` is in both."""

    def __init__(self, directory: Path, database: str = "") -> None:
        self.clock = Skewed()
        super().__init__(SERVICE, store_on(database, self.clock), blobs=FileBlobs(directory))
        self.app = App(self.parts, [SERVICE, IMAGES])
        self.tokens = {
            "member": self.issue(MINE, "member"),
            "reader": self.issue(MINE, "reader"),
            "stranger": self.issue(THEIRS, "member"),
            "admin": self.issue("3" * 32, "admin"),
        }

    async def fill(self) -> None:
        hashed = await self.parts.passwords.hash("secret")
        async with self.store.write() as tx:
            domain = Project(id=DEFAULT_DOMAIN, name="Default", domain_id=None, parent_id=None, is_domain=True)
            await tx.insert(PROJECTS, domain)
            other = Project(id="d" * 32, name="other", domain_id=None, parent_id=None, is_domain=True)
            await tx.insert(PROJECTS, other)
            roles = {}
            for name in LADDER:
                roles[name] = (await tx.insert(ROLES, Role(id=tx.ids.hex(), name=name))).id
            for id, name in ((MINE, "mine"), (THEIRS, "theirs")):
                project = Project(id=id, name=name, domain_id=DEFAULT_DOMAIN, parent_id=DEFAULT_DOMAIN)
                await tx.insert(PROJECTS, project)
                user = await _user(tx, name, DEFAULT_DOMAIN, hashed)
                await assignments.add(tx, Assignment("user", user, "project", id, roles["member"]))
            looker = await _user(tx, "looker", DEFAULT_DOMAIN, hashed)
            await assignments.add(tx, Assignment("user", looker, "project", MINE, roles["reader"]))
            elsewhere = await _user(tx, "ada", "d" * 32, hashed)
            await assignments.add(tx, Assignment("user", elsewhere, "project", MINE, roles["member"]))

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str = "member",
        bearer: str = "",
        kind: str = OCTETS,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        said = self._said(who, bearer, kind)
        if isinstance(body, bytes) and "transfer-encoding" not in (headers or {}):
            said["content-length"] = str(len(body))
        return await ask(self.app, method, path, body, headers={**said, **(headers or {})}, query=query)

    def _said(self, who: str, bearer: str, kind: str) -> dict[str, str]:
        shown = {"authorization": f"Bearer {bearer}"} if bearer else {"x-auth-token": self.tokens[who]}
        return {"content-type": kind, **shown}

    async def in_chunks(self, method: str, location: str, chunks: Iterable[bytes | None]) -> Answer:
        """At a None among them the client goes away."""
        said = self._said("member", "", OCTETS) | {"transfer-encoding": "chunked"}
        return await ask_in_chunks(self.app, method, location, chunks, headers=said)

    # -- short words

    async def log_in(self, user: str, password: str, *scopes: str) -> Answer:
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"authorization": f"Basic {basic}"}
        return await ask(self.app, "GET", "/v2/token", headers=headers, query={"scope": list(scopes)})

    async def bearer(self, user: str, *scopes: str, password: str = "secret") -> str:
        return str((await self.log_in(user, password, *scopes)).ok("token"))

    async def begin(self, repository: str = APP, **how: Any) -> str:
        answer = await self.call("POST", f"/v2/{repository}/blobs/uploads/", **how)
        assert answer.status == 202, answer.raw
        return path_of(answer)

    async def push_blob(self, data: bytes, repository: str = APP, **how: Any) -> str:
        location = await self.begin(repository, **how)
        answer = await self.call("PUT", location, data, query={"digest": digest(data)}, **how)
        assert answer.status == 201, answer.raw
        return digest(data)

    async def push_manifest(
        self, text: bytes, reference: str, repository: str = APP, kind: str = MANIFEST, **how: Any
    ) -> Answer:
        return await self.call("PUT", f"/v2/{repository}/manifests/{reference}", text, kind=kind, **how)

    async def push(self, reference: str = "1", repository: str = APP, image: Image | None = None, **how: Any) -> Image:
        image = image or Image()
        for data in (image.config, image.layer):
            await self.push_blob(data, repository, **how)
        answer = await self.push_manifest(image.manifest, reference, repository, **how)
        assert answer.status == 201, answer.raw
        return image

    async def pull(self, reference: str = "1", repository: str = APP, **how: Any) -> Answer:
        headers = {"accept": "*/*", **how.pop("headers", {})}
        return await self.call("GET", f"/v2/{repository}/manifests/{reference}", headers=headers, **how)

    async def images(self, who: str = "member", **query: object) -> dict[str, Any]:
        found = (await self.call("GET", "/image/v2/images", who=who, query=query)).ok("images")
        return {image["name"]: image for image in found}

    async def patch(self, image_id: str, who: str = "member", **words: object) -> None:
        changes = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in words.items()]
        kind = "application/openstack-images-v2.1-json-patch"
        (
            await self.call("PATCH", f"/image/v2/images/{image_id}", json.dumps(changes).encode(), who=who, kind=kind)
        ).ok()

    async def used(self, resource: str = "image_size_total", project_id: str = MINE) -> int:
        async with self.store.read() as tx:
            sql = "SELECT used FROM quota_usages WHERE scope_id = ? AND resource = ?"
            row = await tx.row(sql, project_id, resource)
        return int(row[0]) if row is not None else 0

    async def sweep(self, after_s: float = 0.0) -> None:
        self.clock.passed_s += after_s
        await registry_sweep.sweep(self.parts)

    async def keys(self) -> set[str]:
        return await self.parts.blobs.keys()


async def _user(tx: Tx, name: str, domain_id: str, hashed: str) -> str:
    user = User(id=tx.ids.hex(), name=name, domain_id=domain_id, passwords=(PasswordOf(hash=hashed, at=1.0),))
    return (await tx.insert(USERS, user)).id


def path_of(answer: Answer) -> str:
    """Of where it says that something is."""
    return answer.headers["location"].partition("cloud:8774")[2]


def said(answer: Answer, status: int) -> str:
    """The code of its first error, as the specification spells it."""
    assert answer.status == status, (answer.status, answer.raw)
    return str(answer.body["errors"][0]["code"])


def artifact(subject: bytes, kind: str = "application/vnd.example.sbom.v1") -> tuple[bytes, bytes]:
    """A manifest that is attached to another, and its configuration."""
    config = b"{}"
    described = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor("application/vnd.oci.empty.v1+json", config),
        "layers": [descriptor("application/vnd.oci.empty.v1+json", config)],
        "subject": descriptor(MANIFEST, subject),
        "annotations": {"of": kind},
    }
    return json.dumps(described).encode(), config


def index_of(*images: Image) -> bytes:
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    manifests = [descriptor(MANIFEST, image.manifest) | platform for image in images]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


@pytest.fixture
async def cloud(database: str, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud(tmp_path / "blobs", database) as cloud:
        yield cloud


__all__ = ["CONFIG", "LAYER", "MANIFEST", "Image", "cloud", "descriptor", "digest"]
