"""The few words of a tar that an archive of an image needs."""

import tarfile

_BLOCK = 512
END = bytes(2 * _BLOCK)


def header(name: str, size: int) -> bytes:
    described = tarfile.TarInfo(name)
    described.size = size
    described.mode = 0o644
    return described.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def member(name: str, content: bytes) -> bytes:
    return header(name, len(content)) + content + padding(len(content))
