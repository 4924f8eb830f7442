"""Image archives: what is inside a tar that claims to be a container image, read without unpacking it.

The id that podman will give the image is the digest of its configuration, and both archive formats
say it up front. So an image that is already in the store is recognised by a look into the archive.
"""

import json
import platform
import re
import tarfile
from typing import Any, Literal

import msgspec

from trivet.drivers.contracts.errors import DriverError

LARGEST_DOCUMENT = 4 * 1024 * 1024
MOST_INDEXES = 4
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?")


class Archive(msgspec.Struct, frozen=True):
    path: str
    transport: Literal["oci-archive", "docker-archive"]
    image_id: str


class _Unreadable(Exception):
    pass


def read_archive(path: str) -> Archive:
    try:
        with tarfile.open(path, "r:") as tar:
            names = {name.removeprefix("./"): name for name in tar.getnames()}
            if "index.json" in names:
                return Archive(path, "oci-archive", _oci_image_id(tar, names))
            if "manifest.json" in names:
                return Archive(path, "docker-archive", _docker_image_id(tar, names))
    except FileNotFoundError as e:
        raise DriverError("The image is not on this host any more.", again=True) from e
    except (tarfile.TarError, _Unreadable, EOFError, ValueError, RecursionError) as e:
        raise DriverError(
            f"The image is no readable OCI or Docker archive ({_reason(e)}). Make one with "
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


def _reason(e: Exception) -> str:
    return str(e) if isinstance(e, _Unreadable) else "it is no complete tar file"


def _oci_image_id(tar: tarfile.TarFile, names: dict[str, str]) -> str:
    """From the index to the manifest, where an index may first lead to another one, by platform."""
    document = _document(tar, names, "index.json")
    for _ in range(MOST_INDEXES):
        if "config" in document:
            return _digest(_dict(document["config"]).get("digest"))
        wanted = _for_this_machine(document)
        document = _document(tar, names, f"blobs/sha256/{_digest(wanted.get('digest'))}")
    raise _Unreadable("its index leads to no manifest")


def _docker_image_id(tar: tarfile.TarFile, names: dict[str, str]) -> str:
    document = _document(tar, names, "manifest.json", list)
    if not document:
        raise _Unreadable("its manifest.json is empty")
    return _digest(str(_dict(document[0]).get("Config")).rpartition("/")[2])


def _for_this_machine(index: dict[str, Any]) -> dict[str, Any]:
    manifests = [_dict(each) for each in index.get("manifests") or []]
    fitting = [
        each
        for each in manifests
        if (platform := each.get("platform")) is None
        or (platform.get("os"), platform.get("architecture")) == ("linux", machine_architecture())
    ]
    if not fitting:
        raise _Unreadable(f"it holds no image for linux/{machine_architecture()}")
    return fitting[0]


def _document(tar: tarfile.TarFile, names: dict[str, str], name: str, shape: type = dict) -> Any:
    member = tar.getmember(names[name]) if name in names else None
    content = tar.extractfile(member) if member is not None and member.isfile() else None
    if member is None or content is None:
        raise _Unreadable(f"{name} is missing")
    if member.size > LARGEST_DOCUMENT:
        raise _Unreadable(f"{name} is too large")
    document = json.loads(content.read())
    if not isinstance(document, shape):
        raise _Unreadable(f"{name} has the wrong shape")
    return document


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unreadable("its manifest has the wrong shape")
    return value


def _digest(value: object) -> str:
    match = DIGEST.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _Unreadable("it names no sha256 digest where one belongs")
    return match[1]
