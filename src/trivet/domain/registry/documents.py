"""Documents: manifests and indexes as they are pushed, read and checked. The text itself is kept as it came."""

from typing import Any

import msgspec

from trivet.domain.images.layered import Piece, Recipe, given
from trivet.domain.registry import names
from trivet.domain.registry.tars import END, header, member, padding
from trivet.errors import Invalid

SIZE_MAX = 4 << 20
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)

_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
"""Of what a container can be made from; anything else is an artifact that only looks like an image."""
_OCI_NAMES = {
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_DESCRIPTORS_MAX = 1000
_TYPE_MAX = 255
ANNOTATIONS_MAX = 64 << 10
"""They lie with the row, and lists of what refers to a manifest tell them."""


class Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    platform: Platform | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Such a layer is never pushed: it has an address where it is to be had."""
        return "nondistributable" in self.media_type or "foreign" in self.media_type


class Document(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: list[Descriptor] = []
    manifests: list[Descriptor] = []
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}

    @property
    def blobs(self) -> list[Descriptor]:
        """What has to be there before it."""
        found = [] if self.config is None else [self.config]
        return [one for one in (*found, *self.layers) if not one.is_elsewhere]

    @property
    def named(self) -> set[str]:
        return {one.digest for one in (*self.blobs, *self.manifests)}

    @property
    def is_image(self) -> bool:
        """A container can be made from it."""
        whole = all(not layer.is_elsewhere for layer in self.layers)
        return self.config is not None and self.config.media_type in _CONFIGS and bool(self.layers) and whole

    @property
    def kind(self) -> str | None:
        """What referrers are filtered by."""
        return self.artifact_type or (self.config.media_type if self.config is not None else None)


def read(text: bytes, content_type: str) -> Document:
    kind = content_type.partition(";")[0].strip()
    if len(text) > SIZE_MAX:
        raise Invalid("manifest.size", f"A manifest has {SIZE_MAX} bytes at most.", status=413)
    if kind not in (*MANIFESTS, *INDEXES):
        raise _bad(f"its content type {kind[:100]!r} is none of {', '.join((*MANIFESTS, *INDEXES))}")
    try:
        found = msgspec.json.decode(text, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(str(error)) from error
    if found.schema_version != 2:
        raise _bad("its schemaVersion is not 2")
    if found.media_type not in (None, kind):
        raise _bad(f"it says that it is {found.media_type[:100]!r} and was sent as {kind!r}")
    _check_shape(found, kind)
    return found


def _check_shape(found: Document, kind: str) -> None:
    if kind in MANIFESTS and (found.config is None or found.manifests):
        raise _bad("it has no config, or has manifests like an index")
    if kind in INDEXES and (found.config is not None or found.layers):
        raise _bad("it has manifests, and a config or layers as well")
    every = [*found.blobs, *found.layers, *found.manifests, *([found.subject] if found.subject else [])]
    if len(every) > _DESCRIPTORS_MAX:
        raise _bad(f"it names more than {_DESCRIPTORS_MAX} things")
    for one in every:
        if not names.is_digest(one.digest) or one.size < 0 or len(one.media_type) > _TYPE_MAX:
            raise _bad(f"it names {one.digest[:100]!r} in no way that can be understood")
    if sum(len(name) + len(value) for name, value in found.annotations.items()) > ANNOTATIONS_MAX:
        raise _bad(f"its annotations have more than {ANNOTATIONS_MAX} characters; long ones belong into a layer")
    if len(found.artifact_type or "") > _TYPE_MAX:
        raise _bad("its artifactType is too long")


def _bad(why: str) -> Invalid:
    return Invalid("manifest.invalid", f"The manifest cannot be taken: {why}.")


def for_platform(index: Document, architecture: str) -> Descriptor | None:
    wanted = Platform("linux", architecture)
    return next((one for one in index.manifests if one.platform == wanted), None)


# -- as an archive that engines read


def archive(text: bytes, document: Document, places: dict[str, tuple[str, int]]) -> Recipe:
    """Of one image; `places` says in which blob, and where in it, each of its blobs is."""
    assert document.config is not None
    if document.media_type == DOCKER_MANIFEST or document.config.media_type in _OCI_NAMES:
        text = msgspec.json.encode(_as_oci(document))
    top = {"mediaType": OCI_MANIFEST, "digest": names.digest_of(text), "size": len(text)}
    pieces = [
        given(member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')),
        given(member("index.json", msgspec.json.encode({"schemaVersion": 2, "manifests": [top]}))),
        given(member(_path(names.digest_of(text)), text)),
    ]
    for one in {one.digest: one for one in document.blobs}.values():
        key, at = places[one.digest]
        pieces += [given(header(_path(one.digest), one.size)), Piece(size=one.size, key=key, at=at)]
        if rest := padding(one.size):
            pieces.append(given(rest))
    return Recipe([*pieces, given(END)])


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _as_oci(document: Document) -> dict[str, Any]:
    """Docker's manifests differ from OCI's in names only."""
    assert document.config is not None

    def renamed(one: Descriptor) -> dict[str, Any]:
        kind = _OCI_NAMES.get(one.media_type, one.media_type)
        return {"mediaType": kind, "digest": one.digest, "size": one.size}

    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": renamed(document.config),
        "layers": [renamed(layer) for layer in document.layers],
    }
