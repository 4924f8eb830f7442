"""Shifting: a snapshot's newest layer brought from the host's numbers back to the container's.

A container's own files bear the host's ids on the disk, and podman 4 saves them so. This is a program, run
for one archive, in a process with limits of its own: it reads whatever a tenant wrote. Members are passed on with all
that they say, so this is Python's reader, kept from what makes it read without bounds.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from trivet.drivers.podman.ranges import SIZE

BLOBS = "blobs/sha256/"
_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
_LEVEL = 1
_HEADER_MAX = 1 << 20
"""More than all extended attributes that a file system keeps of one file."""
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


class _Plain(tarfile.TarInfo):
    """A member of which little has to be read before its content; of sparse files the map may go on for ever."""

    def _proc_member(self, archive: Any) -> Any:
        said_before = self.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_PAX)
        if self.type == tarfile.GNUTYPE_SPARSE or (said_before and self.size > _HEADER_MAX):
            raise tarfile.ReadError("a header is too large")
        return super()._proc_member(archive)  # type: ignore[misc]


class _Counted(io.RawIOBase):
    """Passes on what is written, and knows its length and digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sum.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"


def shift(source: Path, target: Path, base: int) -> None:
    """Of an OCI archive with one image, whose last layer is the container's."""
    with tarfile.open(source, "r:", tarinfo=_Plain) as tar, tempfile.TemporaryFile(dir=target.parent) as layer:
        index = json.loads(_read(tar, "index.json"))
        manifest = json.loads(_read(tar, _blob(index["manifests"][0])))
        config = json.loads(_read(tar, _blob(manifest["config"])))
        old = {_blob(each) for each in (index["manifests"][0], manifest["config"], manifest["layers"][-1])}
        unpacked, packed = shifted(_open(tar, _blob(manifest["layers"][-1])), layer, base)
        config["rootfs"]["diff_ids"][-1] = unpacked.digest
        manifest["layers"][-1] |= {"digest": packed.digest, "size": packed.size, "mediaType": _GZIP}
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as out:
            for member in tar:
                if member.isfile() and member.name not in {*old, "index.json"}:
                    out.addfile(member, tar.extractfile(member))
            layer.seek(0)
            _add(out, BLOBS + packed.digest.removeprefix("sha256:"), layer, packed.size)
            manifest["config"] |= _add_document(out, config)
            index["manifests"][0] |= _add_document(out, manifest)
            text = json.dumps(index).encode()
            _add(out, "index.json", io.BytesIO(text), len(text))


def shifted(layer: IO[bytes], target: IO[bytes], base: int) -> tuple[_Counted, _Counted]:
    """The layer as unpacked and as packed."""
    packed = _Counted(target)
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=_LEVEL, mtime=0) as zipped:
        unpacked = _Counted(cast(IO[bytes], zipped))
        with (
            tarfile.open(fileobj=layer, mode="r|*", tarinfo=_Plain) as tar,
            tarfile.open(fileobj=unpacked, mode="w|", format=tarfile.PAX_FORMAT) as out,
        ):
            for member in tar:
                member.uid, member.gid = _inner(member.uid, base), _inner(member.gid, base)
                headers = dict(member.pax_headers)
                for name in ("uid", "gid"):
                    # What stands here would be written in place of the number.
                    headers.pop(name, None)
                member.pax_headers = headers
                out.addfile(member, tar.extractfile(member) if member.isreg() else None)
                # Both remember every file, and there may be millions.
                _forget(tar)
                _forget(out)
    return unpacked, packed


def _forget(tar: Any) -> None:
    tar.members.clear()


def _inner(id: int, base: int) -> int:
    """What is not the container's was made by podman, as root, for the container's root."""
    return id - base if base <= id < base + SIZE else min(id, SIZE - 1)


def _add_document(out: tarfile.TarFile, document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document).encode()
    digest = hashlib.sha256(text).hexdigest()
    _add(out, BLOBS + digest, io.BytesIO(text), len(text))
    return {"digest": f"sha256:{digest}", "size": len(text)}


def _add(out: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    out.addfile(entry, content)


def _blob(pointer: dict[str, Any]) -> str:
    return BLOBS + str(pointer["digest"]).removeprefix("sha256:")


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    with _open(tar, name) as file:
        return file.read()


def _open(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file


if __name__ == "__main__":
    shift(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
