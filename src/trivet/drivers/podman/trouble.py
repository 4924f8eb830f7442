"""podman's complaints, told as DriverErrors: what a tenant can use goes to him, the rest to the log."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.podman.engine import EngineRefused

log = logging.getLogger(__name__)

KNOWN_TROUBLE: tuple[tuple[str, str, bool], ...] = (
    (
        r'exec: \\?"(?P<what>[^"\\]+)\\?": (?:executable file not found|stat)',
        "The image has no program {what!r}.",
        False,
    ),
    (r'exec: \\?"(?P<what>[^"\\]+)\\?": permission denied', "The image's {what!r} is no program.", False),
    (r"no command or entrypoint", "The image names no program to run, so the server must.", False),
    (r"no space left on device", "The host has no room left.", True),
    (r"netns|network namespace|/run/netns/", "Its network is not ready on the host.", True),
    (r"memory limit.*too low|minimum memory limit", "It has too little memory to start.", False),
)
"""podman's words -> ours, and whether another try may help."""


@contextmanager
def told_as(what_failed: str) -> Iterator[None]:
    try:
        yield
    except EngineRefused as e:
        log.warning("%s podman said: %s", what_failed, e)
        raise _trouble(what_failed, str(e)) from e
    except (OSError, msgspec.DecodeError) as e:
        log.warning("%s %s", what_failed, e)
        raise DriverError(what_failed, again=True) from e


def _trouble(what_failed: str, complaint: str) -> DriverError:
    for pattern, words, again in KNOWN_TROUBLE:
        if match := re.search(pattern, complaint):
            return DriverError(f"{what_failed} {words.format(**match.groupdict())}", again=again)
    return DriverError(what_failed, again=True)
