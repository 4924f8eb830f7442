"""Image archives: what is inside a tar that claims to be a container image, read without unpacking it.

The id that podman will give the image is the digest of its configuration, and both archive formats
say it up front. So an image that is already in the store is recognised by a look into the archive.
"""

import platform
import re
from pathlib import Path
from typing import IO, Literal, TypeVar

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.tars import Broken, Member, Reader

LARGEST_DOCUMENT = 4 * 1024 * 1024
MOST_INDEXES = 4
MOST_MEMBERS = 10_000
"""Of the archive, which has a few for each layer."""
Shape = TypeVar("Shape")
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?")


class Archive(msgspec.Struct, frozen=True):
    path: str
    transport: Literal["oci-archive", "docker-archive"]
    image_id: str


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""


class _Pointer(msgspec.Struct):
    digest: str
    platform: _Platform | None = None


class _Document(msgspec.Struct):
    """An index or a manifest: the one has manifests, the other a config."""

    manifests: list[_Pointer] = []
    config: _Pointer | None = None


class _DockerImage(msgspec.Struct):
    config: str = msgspec.field(name="Config")


class _Unreadable(Exception):
    pass


class _Files:
    """Where the members of an archive stand, by name, and what those of a sensible size say."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.places: dict[str, Member] = {}
        for number, member in enumerate(Reader(file), start=1):
            if number > MOST_MEMBERS:
                raise _Unreadable("it holds too many files")
            if member.kind == "file":
                self.places[member.name.removeprefix("./")] = member

    def read(self, name: str, shape: type[Shape]) -> Shape:
        place = self.places.get(name)
        if place is None:
            raise _Unreadable(f"{name} is missing")
        if place.size > LARGEST_DOCUMENT:
            raise _Unreadable(f"{name} is too large")
        self._file.seek(place.offset)
        try:
            return msgspec.json.decode(self._file.read(place.size), type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
            raise _Unreadable(f"{name} is not what it should be: {e}") from e


def read_archive(path: str) -> Archive:
    try:
        with Path(path).open("rb") as file:
            files = _Files(file)
            if "index.json" in files.places:
                return Archive(path, "oci-archive", _oci_image_id(files))
            if "manifest.json" in files.places:
                return Archive(path, "docker-archive", _docker_image_id(files))
    except FileNotFoundError as e:
        raise DriverError("The image is not on this host any more.", again=True) from e
    except (Broken, _Unreadable) as e:
        raise DriverError(
            f"The image is no readable OCI or Docker archive ({e}). Make one with "
            "'podman save --format oci-archive' or 'skopeo copy' and upload it again.",
            again=False,
        ) from e
    raise DriverError(
        "The image is a tar, but neither an OCI nor a Docker archive: it has no index.json or manifest.json.",
        again=False,
    )


def machine_architecture() -> str:
    """As images spell it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _oci_image_id(files: _Files) -> str:
    """From the index to the manifest, where an index may first lead to another one, by platform."""
    document = files.read("index.json", _Document)
    for _ in range(MOST_INDEXES):
        if document.config is not None:
            return _digest(document.config.digest)
        blob = _digest(_for_this_machine(document).digest)
        document = files.read(f"blobs/sha256/{blob}", _Document)
    raise _Unreadable("its index leads to no manifest")


def _docker_image_id(files: _Files) -> str:
    images = files.read("manifest.json", list[_DockerImage])
    if not images:
        raise _Unreadable("its manifest.json is empty")
    return _digest(images[0].config.rpartition("/")[2])


def _for_this_machine(index: _Document) -> _Pointer:
    wanted = _Platform("linux", machine_architecture())
    for each in index.manifests:
        if each.platform is None or each.platform == wanted:
            return each
    raise _Unreadable(f"it holds no image for linux/{wanted.architecture}")


def _digest(text: str) -> str:
    match = DIGEST.fullmatch(text)
    if match is None:
        raise _Unreadable("it names no sha256 digest where one belongs")
    return match[1]
