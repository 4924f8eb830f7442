"""Archives of container images: tar files as `skopeo copy` and `podman save` write them.

Two layouts are taken: OCI (index.json and blobs named by their digest) and docker's (manifest.json). The
whole file is read once, in order, and every byte that the image consists of is held against the digest that
names it. Nothing is unpacked here, but what docker's layout names by the digest of its unpacked bytes, and that only
as far as such an archive has a reason to go (`unpacking.py`).
"""

import hashlib
import posixpath
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from trivet.domain.images.unpacking import Allowance, unpacked_digest
from trivet.drivers.contracts.tars import Broken, Member, Reader
from trivet.errors import Invalid

_JSON_MAX = 4 << 20
_TEXTS_MAX = 16 << 20
"""Of all JSON in one archive."""
_DESCRIPTORS_MAX = 10_000
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_DEPTH_MAX = 3


class Facts(msgspec.Struct, frozen=True):
    layout: str
    """"oci" or "docker"."""
    architectures: tuple[str, ...]
    layers: int


class _Seen(msgspec.Struct):
    """What one pass over the file found, by member name."""

    file: IO[bytes]
    allowance: Allowance
    digests: dict[str, str] = {}
    places: dict[str, Member] = {}
    texts: dict[str, bytes] = {}
    texts_size: int = 0
    links: dict[str, str] = {}
    held: int = 0
    """How many descriptors were looked at."""


def check(file: IO[bytes], allowance: Allowance) -> Facts:
    """Refuse what is no whole, self-consistent image. Blocking: for a thread."""
    try:
        seen = _read(file, allowance)
        if "index.json" in seen.texts:
            return _check_oci(seen)
        if "manifest.json" in seen.texts:
            return _check_docker(seen)
    except Broken as error:
        raise _bad(str(error)) from error
    raise _bad("it has neither index.json (OCI) nor manifest.json (docker)")


class Layout(msgspec.Struct, frozen=True):
    """One image of an archive, as a registry would tell of it: its manifest, and where in the file what it names is."""

    manifest: bytes
    media_type: str
    places: dict[str, tuple[int, int]]
    """Digest -> (where, how long)."""


def layout(file: IO[bytes], allowance: Allowance, architecture: str) -> Layout:
    """Of the image for that architecture, or of the first. Blocking: for a thread."""
    try:
        seen = _read(file, allowance)
        if "index.json" in seen.texts:
            return _oci_layout(seen, architecture)
        return _docker_layout(seen)
    except Broken as error:
        raise _bad(str(error)) from error


def _oci_layout(seen: _Seen, architecture: str) -> Layout:
    index = _object(seen.texts["index.json"], "index.json")
    found = list(_manifests(seen, index, 0))
    fitting = [one for one in found if _check_manifest(seen, one)[0] == architecture] or found
    if not fitting:
        raise _bad("its index names no image that is in the file")
    manifest = fitting[0]
    named = {_blob_name(one): str(one["digest"]) for one in (manifest["config"], *manifest["layers"])}
    places = {digest: (seen.places[name].offset, seen.places[name].size) for name, digest in named.items()}
    kind = manifest.get("mediaType") or "application/vnd.oci.image.manifest.v1+json"
    return Layout(msgspec.json.encode(manifest), str(kind), places)


def _docker_layout(seen: _Seen) -> Layout:
    """Docker's archives have no manifest as registries have it, so one is made."""
    _check_docker(seen)
    (entry,) = msgspec.json.decode(seen.texts["manifest.json"], type=list[dict[str, Any]])
    kind = "application/vnd.docker.image.rootfs.diff.tar"
    places: dict[str, tuple[int, int]] = {}

    def described(name: str, media_type: str) -> dict[str, Any]:
        real = _real(seen, name)
        place, digest = seen.places[real], f"sha256:{seen.digests[real]}"
        places[digest] = (place.offset, place.size)
        seen.file.seek(place.offset)
        packed = media_type == kind and seen.file.read(2) == b"\x1f\x8b"
        return {"mediaType": media_type + ".gzip" * packed, "digest": digest, "size": place.size}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": described(str(entry["Config"]), "application/vnd.docker.container.image.v1+json"),
        "layers": [described(str(layer), kind) for layer in entry["Layers"]],
    }
    return Layout(msgspec.json.encode(manifest), str(manifest["mediaType"]), places)


def _read(file: IO[bytes], allowance: Allowance) -> _Seen:
    seen = _Seen(file, allowance)
    reader = Reader(file)
    for member in reader:
        name = posixpath.normpath(member.name)
        if name.startswith(("/", "../")) or name == "..":
            raise _bad(f"its member {member.name[:100]!r} points outside")
        if member.kind in ("hard", "soft"):
            target = posixpath.join(posixpath.dirname(name) if member.kind == "soft" else "", member.target)
            seen.links[name] = posixpath.normpath(target)
        elif member.kind == "file":
            _take(seen, name, member, reader.content(member))
    return seen


def _take(seen: _Seen, name: str, member: Member, content: Iterator[bytes]) -> None:
    digest = hashlib.sha256()
    kept = bytearray()
    keeping = member.size <= _JSON_MAX
    for chunk in content:
        seen.allowance.spend()
        digest.update(chunk)
        keeping = keeping and (kept or chunk)[:1] in (b"{", b"[")
        if keeping:
            kept += chunk
    seen.digests[name] = digest.hexdigest()
    seen.places[name] = member
    if keeping and kept:
        seen.texts_size += len(kept)
        if seen.texts_size > _TEXTS_MAX:
            raise _bad("it has too much JSON")
        seen.texts[name] = bytes(kept)


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
    seen.held += 1
    if seen.held > _DESCRIPTORS_MAX:
        raise _bad("its manifests name too many blobs")
    name = _blob_name(descriptor)
    assert isinstance(descriptor, dict)
    found = seen.digests.get(name)
    if found is None:
        raise _bad(f"{name} is missing")
    size = seen.places[name].size
    if found != name.rpartition("/")[2] or descriptor.get("size", size) != size:
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
    if len(layers) > _DESCRIPTORS_MAX:
        raise _bad("its manifests name too many blobs")
    unpacked: dict[str, str] = {}
    for layer, diff_id in zip(layers, diff_ids, strict=True):
        _check_layer(seen, str(layer), diff_id, unpacked)
    return Facts("docker", (str(config.get("architecture", "unknown")),), len(layers))


def _check_layer(seen: _Seen, layer: str, diff_id: object, unpacked: dict[str, str]) -> None:
    """By the digest of its bytes as they are, or else as they unpack; what was unpacked once is remembered."""
    real = _real(seen, layer)
    found = f"sha256:{seen.digests.get(real)}"
    if real not in seen.digests:
        raise _bad(f"its layer {layer[:100]} is missing")
    if diff_id == found:
        return
    if real not in unpacked:
        place = seen.places[real]
        unpacked[real] = unpacked_digest(seen.file, place.offset, place.size, seen.allowance) or ""
    if diff_id != f"sha256:{unpacked[real]}":
        raise _bad(f"its layer {layer[:100]} is damaged: its digest is {found}")


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
