"""Pulling a container image out of a registry, as the stream of one OCI archive.

It speaks the distribution API itself, instead of starting a tool, because every connection on the way (the
registry, its token server, wherever blobs are redirected to) must pass the same look at its address
(web.py). Only the platform of this machine is taken; every blob is held against its digest while it passes.
"""

import asyncio
import hashlib
import platform
import re
import tarfile
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.web import Answer, TlsError, Web

_INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFEST_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_OCI_NAMES = {
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TEXT_MAX = 4 << 20
_LAYERS_MAX = 512
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"^{_WORD}(?:/{_WORD})*\Z")
_TAG = re.compile(r"^\w[\w.-]{0,127}\Z", re.ASCII)
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}\Z")
_BLOCK = 512


class Reference(msgspec.Struct, frozen=True):
    host: str
    name: str
    version: str
    """A tag or a digest."""


def parse(uri: str) -> Reference:
    """Reads docker://host[:port]/name[:tag][@digest]."""
    parts = urlsplit(uri)
    name, _, digest = parts.path.strip("/").partition("@")
    name, _, tag = name.partition(":")
    host = "registry-1.docker.io" if parts.netloc in ("docker.io", "index.docker.io") else parts.netloc
    if host == "registry-1.docker.io" and "/" not in name:
        name = f"library/{name}"
    version = digest or tag or "latest"
    good = _DIGEST.match(version) if digest else _TAG.match(version)
    if parts.scheme != "docker" or not host or not _NAME.match(name) or not good:
        raise DriverError(f"{uri[:200]!r} is not like docker://host/name:tag.", again=False)
    return Reference(host, name, version)


class Pull:
    """One image of one registry."""

    def __init__(self, web: Web, reference: Reference) -> None:
        self._web = web
        self._reference = reference
        self._scheme = "https"
        self._authorization: dict[str, str] = {}

    async def archive(self) -> AsyncIterator[bytes]:
        manifest = await self._manifest()
        config, layers = manifest.get("config"), manifest.get("layers")
        if not isinstance(config, dict) or not isinstance(layers, list) or len(layers) > _LAYERS_MAX:
            raise DriverError("The registry's answer is no manifest of a container image.", again=False)
        text = msgspec.json.encode(_as_oci(manifest))
        yield _member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        yield _member("index.json", self._index(text))
        yield _member(_blob_path(_digest(text)), text)
        done = set()
        for descriptor in (config, *layers):
            digest, size = _checked(descriptor)
            if digest not in done:
                done.add(digest)
                async for chunk in self._blob(digest, size):
                    yield chunk
        yield bytes(2 * _BLOCK)

    def _index(self, manifest: bytes) -> bytes:
        descriptor = {
            "mediaType": _MANIFEST_TYPES[0],
            "digest": _digest(manifest),
            "size": len(manifest),
            "annotations": {"org.opencontainers.image.ref.name": self._reference.version.rpartition(":")[2]},
        }
        return msgspec.json.encode({"schemaVersion": 2, "manifests": [descriptor]})

    # -- manifests

    async def _manifest(self) -> dict[str, Any]:
        body = await self._manifest_text(self._reference.version)
        if "manifests" in body:
            body = await self._manifest_text(_for_this_machine(body["manifests"]))
        return body

    async def _manifest_text(self, version: str) -> dict[str, Any]:
        accept = {"accept": ", ".join((*_MANIFEST_TYPES, *_INDEX_TYPES))}
        answer = await self._get(f"manifests/{version}", accept)
        text = await answer.text(_TEXT_MAX)
        if _DIGEST.match(version) and _digest(text) != version:
            raise DriverError(f"The registry's manifest is damaged: it is not {version}.", again=True)
        return _json(text)

    # -- blobs

    async def _blob(self, digest: str, size: int) -> AsyncIterator[bytes]:
        answer = await self._get(f"blobs/{digest}", {})
        yield _header(_blob_path(digest), size)
        found, seen = hashlib.sha256(), 0
        async for chunk in answer.chunks():
            seen += len(chunk)
            if seen > size:
                break
            await asyncio.to_thread(found.update, chunk)
            yield chunk
        if seen != size or f"sha256:{found.hexdigest()}" != digest:
            raise DriverError(f"The registry's {digest} is damaged.", again=True)
        yield bytes(-size % _BLOCK)

    # -- the registry

    async def _get(self, path: str, headers: dict[str, str]) -> Answer:
        answer = await self._try(path, headers)
        if answer.status == 401 and not self._authorization:
            challenge = answer.headers.get("www-authenticate", "")
            answer.close()
            await self._log_in(challenge)
            answer = await self._try(path, headers)
        if answer.status != 200:
            answer.close()
            where = f"{self._reference.host}/{self._reference.name}"
            raise DriverError(_refusal(answer.status, where, path), again=answer.status >= 500 or answer.status == 429)
        return answer

    async def _try(self, path: str, headers: dict[str, str]) -> Answer:
        rest = f"{self._reference.host}/v2/{self._reference.name}/{path}"
        told = {**headers, **self._authorization}
        try:
            return await self._web.get(f"{self._scheme}://{rest}", told)
        except TlsError:
            parts = urlsplit(f"//{self._reference.host}")
            host, port = parts.hostname or "", parts.port or 80
            if not await self._web.speaks_plainly(host, port):
                raise
            self._scheme = "http"
            return await self._web.get(f"http://{rest}", told)

    async def _log_in(self, challenge: str) -> None:
        """Gets an anonymous token, which is how public images are read."""
        kind, _, rest = challenge.partition(" ")
        said = challenge_words(rest)
        if kind.lower() != "bearer" or "realm" not in said:
            raise DriverError(f"{self._reference.host} gives this image only to those who log in.", again=False)
        asked = {"service": said.get("service", ""), "scope": f"repository:{self._reference.name}:pull"}
        answer = await self._web.get(f"{said['realm']}?{urlencode(asked)}")
        text = await answer.text(_TEXT_MAX)
        if answer.status != 200:
            raise DriverError(f"{self._reference.host} gives this image only to those who log in.", again=False)
        token = _json(text)
        self._authorization = {"authorization": f"Bearer {token.get('token') or token.get('access_token') or ''}"}


def challenge_words(text: str) -> dict[str, str]:
    """Of name="value",name="value", as a server says how to log in, in one pass. The values may have commas."""
    said: dict[str, str] = {}
    at = 0
    while (quote := text.find('="', at)) >= 0 and (end := text.find('"', quote + 2)) >= 0:
        said[text[at:quote].strip(" ,").lower()] = text[quote + 2 : end]
        at = end + 1
    return said


def _refusal(status: int, where: str, path: str) -> str:
    if status in (401, 403):
        return f"The registry does not give {where} to just anybody (status {status})."
    if status == 404:
        return f"The registry has no {where} {path.rpartition('/')[2]}."
    return f"The registry answers {status} for {where}."


def _for_this_machine(manifests: object) -> str:
    wanted = _ARCHITECTURES.get(platform.machine(), platform.machine())
    for entry in manifests if isinstance(manifests, list) else []:
        offered = entry.get("platform", {}) if isinstance(entry, dict) else {}
        if offered.get("os") == "linux" and offered.get("architecture") == wanted:
            return _checked(entry)[0]
    raise DriverError(f"The registry has no linux/{wanted} of this image.", again=False)


def _checked(descriptor: object) -> tuple[str, int]:
    digest, size = (descriptor.get("digest"), descriptor.get("size")) if isinstance(descriptor, dict) else ("", None)
    if not isinstance(digest, str) or not _DIGEST.match(digest) or not isinstance(size, int) or size < 0:
        raise DriverError("The registry's manifest names something by other than a sha256 digest.", again=False)
    return digest, size


def _as_oci(manifest: dict[str, Any]) -> dict[str, Any]:
    """Docker's manifests differ from OCI's in names only."""
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPES[0],
        "config": _renamed(manifest["config"]),
        "layers": [_renamed(layer) for layer in manifest["layers"]],
    }


def _renamed(descriptor: dict[str, Any]) -> dict[str, Any]:
    kind = str(descriptor.get("mediaType"))
    return {"mediaType": _OCI_NAMES.get(kind, kind), "digest": descriptor.get("digest"), "size": descriptor.get("size")}


def _json(text: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DriverError(f"The registry's answer cannot be read: {error}.", again=True) from error


# -- tar


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def _member(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + bytes(-len(content) % _BLOCK)
