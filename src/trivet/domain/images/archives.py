"""Archives of container images: tar files as `skopeo copy` and `podman save` write them.

Two layouts are taken: OCI (index.json and blobs named by their digest) and docker's (manifest.json). The
whole file is read once, in order, and every byte that the image consists of is held against the digest that
names it. Nothing is unpacked here.
"""

import hashlib
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from trivet.errors import Invalid

_JSON_MAX = 4 << 20
_MEMBERS_MAX = 20_000
_CHUNK = 1 << 20
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_DEPTH_MAX = 3


class Facts(msgspec.Struct, frozen=True):
    layout: str
    """"oci" or "docker"."""
    architectures: tuple[str, ...]
    layers: int


class _Seen(msgspec.Struct):
    """What one pass over the file found, by member name."""

    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}
    texts: dict[str, bytes] = {}
    unpacked: dict[str, str] = {}
    """Digests of what gzipped members hold."""
    links: dict[str, str] = {}


def check(file: IO[bytes]) -> Facts:
    """Refuse what is no whole, self-consistent image. Blocking: for a thread."""
    try:
        seen = _read(file)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise _bad(f"the file is not a tar archive ({error})") from error
    if "index.json" in seen.texts:
        return _check_oci(seen)
    if "manifest.json" in seen.texts:
        return _check_docker(seen)
    raise _bad("it has neither index.json (OCI) nor manifest.json (docker)")


def _read(file: IO[bytes]) -> _Seen:
    seen = _Seen({}, {}, {}, {}, {})
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for count, member in enumerate(archive):
            if count >= _MEMBERS_MAX:
                raise _bad("it has too many members")
            name = posixpath.normpath(member.name)
            if name.startswith(("/", "../")) or name == "..":
                raise _bad(f"its member {member.name[:100]!r} points outside")
            if member.issym() or member.islnk():
                target = member.linkname if member.islnk() else posixpath.join(posixpath.dirname(name), member.linkname)
                seen.links[name] = posixpath.normpath(target)
            elif member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                _take(seen, name, content, member.size)
    return seen


def _take(seen: _Seen, name: str, content: IO[bytes], size: int) -> None:
    digest = hashlib.sha256()
    kept = bytearray()
    unpacked = _Unpacked()
    for chunk in _chunks(content):
        digest.update(chunk)
        unpacked.update(chunk)
        if size <= _JSON_MAX:
            kept += chunk
    seen.digests[name] = digest.hexdigest()
    seen.sizes[name] = size
    if kept[:1] == b"{" or kept[:1] == b"[":
        seen.texts[name] = bytes(kept)
    if unpacked.hexdigest is not None:
        seen.unpacked[name] = unpacked.hexdigest


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


class _Unpacked:
    """The digest of what a gzipped stream holds, with bounded memory; None if it is not gzipped."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._inflate: Any = None
        self._first = True

    def update(self, chunk: bytes) -> None:
        if self._first:
            self._first = False
            if chunk.startswith(b"\x1f\x8b"):
                self._inflate = zlib.decompressobj(31)
        if self._inflate is None:
            return
        text = chunk
        while text:
            self._digest.update(self._inflate.decompress(text, _CHUNK))
            text = self._inflate.unconsumed_tail

    @property
    def hexdigest(self) -> str | None:
        return self._digest.hexdigest() if self._inflate is not None else None


# -- OCI


def _check_oci(seen: _Seen) -> Facts:
    index = _object(seen.texts["index.json"], "index.json")
    architectures: list[str] = []
    layers = 0
    for manifest in _manifests(seen, index, 0):
        architecture, count = _check_manifest(seen, manifest)
        architectures.append(architecture)
        layers += count
    if not architectures:
        raise _bad("its index names no image that is in the file")
    return Facts("oci", tuple(sorted(set(architectures))), layers)


def _manifests(seen: _Seen, index: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Of all platforms that are in the file; an index may name more than were copied."""
    if depth > _DEPTH_MAX:
        raise _bad("its indexes are nested too deeply")
    for descriptor in _list(index, "manifests"):
        name = _blob_name(descriptor)
        if depth > 0 and name not in seen.digests:
            continue
        body = _object(_blob_text(seen, descriptor), name)
        if descriptor.get("mediaType") in _INDEXES or "manifests" in body:
            yield from _manifests(seen, body, depth + 1)
        else:
            yield body


def _check_manifest(seen: _Seen, manifest: dict[str, Any]) -> tuple[str, int]:
    config = _object(_blob_text(seen, manifest.get("config")), "the image's configuration")
    layers = _list(manifest, "layers")
    for layer in layers:
        _hold(seen, layer)
    return str(config.get("architecture", "unknown")), len(layers)


def _blob_text(seen: _Seen, descriptor: object) -> bytes:
    _hold(seen, descriptor)
    text = seen.texts.get(_blob_name(descriptor))
    if text is None:
        raise _bad(f"{_blob_name(descriptor)} is not JSON of a sensible size")
    return text


def _hold(seen: _Seen, descriptor: object) -> None:
    """The blob is there, as long as it should be, and what its name says."""
    name = _blob_name(descriptor)
    assert isinstance(descriptor, dict)
    found = seen.digests.get(name)
    if found is None:
        raise _bad(f"{name} is missing")
    if found != name.rpartition("/")[2] or descriptor.get("size", seen.sizes[name]) != seen.sizes[name]:
        raise _bad(f"{name} is damaged: its digest is {found}")


def _blob_name(descriptor: object) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    algorithm, _, value = digest.partition(":") if isinstance(digest, str) else ("", "", "")
    if algorithm != "sha256" or len(value) != 64 or not value.isalnum():
        raise _bad("it names something by other than a sha256 digest")
    return f"blobs/sha256/{value}"


# -- docker


def _check_docker(seen: _Seen) -> Facts:
    try:
        entries = msgspec.json.decode(seen.texts["manifest.json"], type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise _bad(f"manifest.json cannot be read ({error})") from error
    if len(entries) != 1:
        raise _bad(f"it holds {len(entries)} images; save one")
    name = str(entries[0].get("Config", ""))
    config = _object(seen.texts.get(_real(seen, name), b""), "the image's configuration")
    rootfs = config.get("rootfs")
    diff_ids = _list(rootfs if isinstance(rootfs, dict) else {}, "diff_ids")
    layers = _list(entries[0], "Layers")
    if len(diff_ids) != len(layers):
        raise _bad("its configuration and its manifest name different numbers of layers")
    for layer, diff_id in zip(layers, diff_ids, strict=True):
        real = _real(seen, str(layer))
        digests = (f"sha256:{seen.digests.get(real)}", f"sha256:{seen.unpacked.get(real)}")
        if real not in seen.digests:
            raise _bad(f"its layer {str(layer)[:100]} is missing")
        if diff_id not in digests:
            raise _bad(f"its layer {str(layer)[:100]} is damaged: its digest is {digests[0]}")
    return Facts("docker", (str(config.get("architecture", "unknown")),), len(layers))


def _real(seen: _Seen, name: str) -> str:
    """Where a member's content is: docker links layers that several images share."""
    name = posixpath.normpath(name)
    for _ in range(8):
        if name not in seen.links:
            return name
        name = seen.links[name]
    raise _bad("its links go in circles")


# -- both


def _object(text: bytes, name: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(f"{name} cannot be read ({error})") from error


def _list(holder: dict[str, Any], key: str) -> list[Any]:
    found = holder.get(key)
    if not isinstance(found, list):
        raise _bad(f"it has no list of {key}")
    return found


def _bad(why: str) -> Invalid:
    return Invalid(
        "image.archive",
        f"The file is no archive of a container image: {why}. Save one with `skopeo copy ... oci-archive:FILE`"
        " or `podman save --format oci-archive`.",
        status=415,
    )
