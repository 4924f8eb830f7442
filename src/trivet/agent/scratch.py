"""Scratch: large files that an agent makes for an image, and that are gone once they were handed over."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivet.errors import NotFound

_logger = logging.getLogger(__name__)


class Scratch:
    def __init__(self, data: Path) -> None:
        self._folder = data / "scratch"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, name: str) -> str:
        """The path for a new file; an old one of that name is removed."""
        path = self._folder / name
        path.unlink(missing_ok=True)
        return str(path)


@contextmanager
def handed_over(image_id: str, path: str) -> Iterator[None]:
    """The file goes whatever comes of it; it is no fault if nobody waits for the image any more."""
    try:
        yield
    except NotFound:
        _logger.info("Image %s was deleted while it was made; nobody waits for it", image_id)
    finally:
        Path(path).unlink(missing_ok=True)
