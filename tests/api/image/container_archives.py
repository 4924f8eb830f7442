"""Archives of container images as skopeo and podman write them, made by hand so that they can be spoiled."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def descriptor(kind: str, text: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(text), "size": len(text)}


def tar(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


class Image:
    """One small image, whole."""

    def __init__(self, text: bytes = b"hello") -> None:
        self.plain = tar({"etc/motd": text})
        self.layer = gzip.compress(self.plain, mtime=0)
        self.config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [digest(self.plain)]},
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor(CONFIG, self.config),
                "layers": [descriptor(LAYER, self.layer)],
            }
        ).encode()

    def oci_members(self) -> dict[str, bytes]:
        index = {"schemaVersion": 2, "manifests": [descriptor(MANIFEST, self.manifest)]}
        members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        for blob in (self.manifest, self.config, self.layer):
            members[f"blobs/sha256/{digest(blob)[7:]}"] = blob
        return members

    def docker_members(self) -> dict[str, bytes]:
        entry = {"Config": "config.json", "RepoTags": ["x:latest"], "Layers": ["one/layer.tar"]}
        return {
            "one/layer.tar": self.plain,
            "config.json": self.config,
            "manifest.json": json.dumps([entry]).encode(),
        }
