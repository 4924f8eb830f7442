"""The boundary around one object: the one place that catches everything, so that one poisoned row stops no other.

A bug is told to whoever acts as an engine's trouble would be, since what is to be done about it is the same: later.
"""

import logging
from collections.abc import Awaitable
from typing import TypeVar

from trivet.drivers.contracts.errors import DriverError

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class Unforeseen(DriverError):
    """A bug. It may pass, and it has been logged."""

    def __init__(self) -> None:
        super().__init__("An unexpected error happened on our side; it has been logged.", again=True)


async def foreseen(what: str, act: Awaitable[T], *expected: type[Exception]) -> T:
    """What is done with one object. Only drivers' refusals and what is expected come out of it as they are."""
    try:
        return await act
    except DriverError:
        raise
    except expected:
        raise
    except Exception as error:
        _logger.exception("%s: nobody foresaw this", what)
        raise Unforeseen from error
