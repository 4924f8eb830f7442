"""Pulling from a registry: a real one where it is installed, and one of our own that can be made to misbehave."""

import asyncio
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.api.image.container_archives import MANIFEST, Image, descriptor, digest, tar
from tests.api.image.image_cloud import Cloud
from tests.programs import PATIENCE_S

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.oci_pull import Pull, Reference, challenge_words, parse
from trivet.drivers.web import Allowed, Web

INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Serves what is in `answers`: path -> (content type, body)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, bytes]] = {}
        self.token = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        kind, body = self.answers.get(path, ("", b""))
        status = 200 if kind else 404
        if self.token and path.startswith("/v2/") and request.headers.get("authorization") != f"Bearer {self.token}":
            status, body = 401, b"{}"
        request.send_response(status)
        if status == 401:
            challenge = f'Bearer realm="http://{self.host}/token",service="here"'
            request.send_header("www-authenticate", challenge)
        request.send_header("content-type", kind or "text/plain")
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def offer(self, image: Image, *, kind: str = MANIFEST, manifest: bytes | None = None) -> None:
        self.answers["/v2/app/manifests/1"] = (kind, manifest or image.manifest)
        for blob in (image.config, image.layer):
            self.answers[f"/v2/app/blobs/{digest(blob)}"] = ("application/octet-stream", blob)


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    thread = Thread(target=registry.server.serve_forever, args=(0.01,))
    thread.start()
    yield registry
    registry.server.shutdown()
    registry.server.server_close()
    thread.join()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud(tmp_path / "blobs") as cloud:
        yield cloud


async def pulled(registry: Registry, version: str = "1") -> bytes:
    pull = Pull(Web(Allowed("127.0.0.1")), Reference(registry.host, "app", version))
    return b"".join([chunk async for chunk in pull.archive()])


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return {member.name: found.extractfile(member).read() for member in found}  # type: ignore[union-attr] # all are files


async def test_an_image_comes_as_one_archive(registry: Registry) -> None:
    image = Image()
    registry.offer(image)
    found = members(await pulled(registry))
    index = json.loads(found["index.json"])
    manifest = json.loads(found[f"blobs/sha256/{index['manifests'][0]['digest'][7:]}"])
    assert found[f"blobs/sha256/{manifest['layers'][0]['digest'][7:]}"] == image.layer
    assert found[f"blobs/sha256/{manifest['config']['digest'][7:]}"] == image.config


async def test_of_many_platforms_this_machines_is_taken(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    image = Image()
    registry.offer(image)
    entries = [
        descriptor(MANIFEST, b"other") | {"platform": {"os": "linux", "architecture": "riscv64"}},
        descriptor(MANIFEST, image.manifest) | {"platform": {"os": "linux", "architecture": "amd64"}},
    ]
    registry.answers["/v2/app/manifests/all"] = (INDEX, json.dumps({"manifests": entries}).encode())
    registry.answers[f"/v2/app/manifests/{digest(image.manifest)}"] = (MANIFEST, image.manifest)
    assert image.layer in members(await pulled(registry, "all")).values()
    registry.answers["/v2/app/manifests/all"] = (INDEX, json.dumps({"manifests": entries[:1]}).encode())
    with pytest.raises(DriverError, match="no linux/amd64"):
        await pulled(registry, "all")


async def test_a_token_is_fetched_where_the_registry_wants_one(registry: Registry) -> None:
    registry.offer(Image())
    registry.token = "abc"
    registry.answers["/token"] = ("application/json", b'{"token": "abc"}')
    assert members(await pulled(registry))
    registry.answers["/token"] = ("application/json", b'{"token": "wrong"}')
    with pytest.raises(DriverError, match="does not give"):
        await pulled(registry)


async def test_docker_names_become_oci_names(registry: Registry) -> None:
    image = Image()
    text = image.manifest.decode().replace("vnd.oci.image.layer.v1.tar+gzip", "vnd.docker.image.rootfs.diff.tar.gzip")
    registry.offer(image, kind=DOCKER, manifest=text.replace(MANIFEST, DOCKER).encode())
    for name, text_ in members(await pulled(registry)).items():
        if name.endswith(".json") or text_.startswith(b"{"):
            assert b"docker" not in text_, name


async def test_damage_is_noticed(registry: Registry) -> None:
    image = Image()
    registry.offer(image)
    path = f"/v2/app/blobs/{digest(image.layer)}"
    for spoiled in (image.layer[:-1] + b"?", image.layer[:-1], image.layer + b"?"):
        registry.answers[path] = ("application/octet-stream", spoiled)
        with pytest.raises(DriverError, match="damaged"):
            await pulled(registry)
    pinned = f"sha256:{hashlib.sha256(b'x').hexdigest()}"
    registry.answers[f"/v2/app/manifests/{pinned}"] = (MANIFEST, image.manifest)
    with pytest.raises(DriverError, match="damaged"):
        await pulled(registry, pinned)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"config": {}, "layers": [{}]}', b'{"manifests": 7}', b"\xff"])
async def test_nonsense_is_refused(registry: Registry, text: bytes) -> None:
    registry.answers["/v2/app/manifests/1"] = (MANIFEST, text)
    with pytest.raises(DriverError):
        await pulled(registry)


async def test_a_name_that_is_not_there_is_said(registry: Registry) -> None:
    with pytest.raises(DriverError, match="has no") as told:
        await pulled(registry)
    assert not told.value.again


async def test_plain_http_is_spoken_with_the_operators_own_only(registry: Registry) -> None:
    registry.offer(Image())
    with pytest.raises(DriverError, match="not public"):
        await anext(Pull(Web(Allowed()), Reference(registry.host, "app", "1")).archive())


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("docker://quay.io/a/b:1", Reference("quay.io", "a/b", "1")),
        ("docker://docker.io/alpine", Reference("registry-1.docker.io", "library/alpine", "latest")),
        ("docker://127.0.0.1:5000/a", Reference("127.0.0.1:5000", "a", "latest")),
        (f"docker://h/a:1@sha256:{'0' * 64}", Reference("h", "a", f"sha256:{'0' * 64}")),
    ],
)
def test_references_are_read_as_podman_reads_them(uri: str, found: Reference) -> None:
    assert parse(uri) == found


@pytest.mark.parametrize(
    "uri",
    ["docker://h", "docker:///a", "docker://h/A", "docker://h/a:..", "docker://h/a@sha256:1", "docker://h/a/../b"],
)
def test_what_is_no_reference_is_refused(uri: str) -> None:
    with pytest.raises(DriverError):
        parse(uri)


async def test_an_import_from_a_registry_makes_an_image(cloud: Cloud, registry: Registry) -> None:
    registry.offer(Image())
    image = await cloud.create(container_format="docker")
    body = {"method": {"name": "web-download", "uri": f"docker://{registry.host}/app:1"}}
    (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
    await cloud.images.settle()
    shown = await cloud.show(image["id"])
    assert (shown["status"], shown.get("trivet_fault")) == ("active", None)


# -- with the programs that people use


@pytest.mark.dataplane
@pytest.mark.skipif(
    not (shutil.which("docker-registry") and shutil.which("skopeo")), reason="needs docker-registry and skopeo"
)
async def test_a_real_registry_gives_what_skopeo_put_there_and_skopeo_reads_what_we_made(
    cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "in.tar").write_bytes(tar(Image(b"real").oci_members()))
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        "http: {addr: 127.0.0.1:0}\n"
    )
    said = tmp_path / "registry.said"
    with said.open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            "docker-registry", "serve", str(config), stderr=log, stdout=subprocess.DEVNULL
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (listening := re.search(r"listening on (127\.0\.0\.1:\d+)", said.read_text())) is None:
                assert server.returncode is None, said.read_text()
                await asyncio.sleep(0.05)
        host = listening[1]
        await run(
            "skopeo", "copy", "--dest-tls-verify=false", f"oci-archive:{tmp_path}/in.tar", f"docker://{host}/a/b:1"
        )
        image = await cloud.create(container_format="docker")
        body = {"method": {"name": "web-download", "uri": f"docker://{host}/a/b:1"}}
        (await cloud.call("POST", f"/v2/images/{image['id']}/import", body)).ok()
        await cloud.images.settle()
        assert (await cloud.show(image["id"]))["status"] == "active"
    finally:
        server.kill()
        await server.wait()
    (tmp_path / "out.tar").write_bytes((await cloud.call("GET", f"/v2/images/{image['id']}/file")).raw)
    shown = json.loads(await run("skopeo", "inspect", "--config", f"oci-archive:{tmp_path}/out.tar"))
    assert shown["architecture"] == "amd64"


async def run(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    return out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('realm="http://a/token",service="here"', {"realm": "http://a/token", "service": "here"}),
        ('Realm="r", scope="a:b:pull,push" , error="no"', {"realm": "r", "scope": "a:b:pull,push", "error": "no"}),
        ('realm="never closed', {}),
        ("realm=bare", {}),
        ("x" * 60_000, {}),
        ('="' * 30_000, {}),
    ],
)
def test_how_to_log_in_is_read_in_one_pass(text: str, words: dict[str, str]) -> None:
    """It is whatever a registry says that a tenant named, up to as much as a header may have."""
    assert challenge_words(text).items() >= words.items()
    assert sum(map(len, challenge_words(text))) <= len(text)
