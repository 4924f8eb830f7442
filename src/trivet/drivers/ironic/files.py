"""Files for machines and their management controllers: one folder, by plain HTTP, and whoever asks knows the name.

Nothing is listed. A controller reads a CD in pieces as the machine asks for them, so a part of a file can be asked for.
Of this package it needs nothing, since it runs in the engine's process.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_PIECE = 1 << 20
_PART = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")


class Files:
    """A WSGI application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        file = self._file(environ.get("PATH_INFO", "")) if method in ("GET", "HEAD") else None
        if file is None:
            start("404 Not Found", [("Content-Length", "0")])
            return []
        size = file.seek(0, 2)
        part = _part(environ.get("HTTP_RANGE", ""), size)
        if part is None:
            file.close()
            start("416 Range Not Satisfiable", [("Content-Range", f"bytes */{size}"), ("Content-Length", "0")])
            return []
        first, last = part
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(last - first + 1)),
            ("Accept-Ranges", "bytes"),
        ]
        if "HTTP_RANGE" in environ:
            start("206 Partial Content", [*headers, ("Content-Range", f"bytes {first}-{last}/{size}")])
        else:
            start("200 OK", headers)
        if method == "HEAD":
            file.close()
            return []
        return _pieces(file, first, last - first + 1)

    def _file(self, path: str) -> BinaryIO | None:
        """None: there is none, or it is none of ours, wherever a link leads."""
        try:
            found = (self._folder / path.lstrip("/")).resolve()
            return found.open("rb") if found.is_relative_to(self._folder) and found.is_file() else None
        except (OSError, ValueError):
            return None


def _part(said: str, size: int) -> tuple[int, int] | None:
    """First and last byte; None if there are no such bytes. What is not understood is the whole."""
    found = _PART.match(said)
    if found is None or found.groups() == ("", ""):
        return 0, size - 1
    first, last = found.groups()
    if not first:
        return (size - min(int(last), size), size - 1) if int(last) and size else None
    end = min(int(last), size - 1) if last else size - 1
    return (int(first), end) if int(first) <= end else None


def _pieces(file: BinaryIO, first: int, left: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
