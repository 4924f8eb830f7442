"""Trouble that stays where it is: what may fail without consequence for anything else, and what is known of it."""

import logging
from collections.abc import Awaitable

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.patience import Unanswered
from trivet.errors import TrivetError

_BUG = "internal"
"""What an API calls an error that nobody foresaw there."""
_logger = logging.getLogger(__name__)


async def went_well(what: str, act: Awaitable[object]) -> bool:
    return await _trouble(what, act) is None


async def hangs(what: str, act: Awaitable[object]) -> bool:
    """Whether its engine does not answer: then it is not asked about everything else in turn."""
    return isinstance(await _trouble(what, act), Unanswered)


async def _trouble(what: str, act: Awaitable[object]) -> Exception | None:
    try:
        await foreseen(what, act, TrivetError)
    except (DriverError, TrivetError) as error:
        _logger.warning("%s: %s", what, error)
        return error
    return None


def is_bug(error: Exception) -> bool:
    """Not trouble that everybody has, such as an API that is away: it is in what was asked."""
    return isinstance(error, DriverError) or (isinstance(error, TrivetError) and error.code == _BUG)
