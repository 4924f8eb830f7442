"""Answers to questions about the output of consoles, for an agent that has no database to look into."""

import logging
from collections.abc import Awaitable, Callable

from trivet.agent.engines import Engines
from trivet.domain.agent_words import ConsoleAnswer, ConsoleQuestion
from trivet.drivers.contracts.errors import DriverError
from trivet.errors import TrivetError

_WHY_MAX = 255
_logger = logging.getLogger(__name__)

Questions = Callable[[], Awaitable[list[ConsoleQuestion]]]
Tell = Callable[[str, ConsoleAnswer], Awaitable[None]]


async def answer_all(engines: Engines, questions: Questions, tell: Tell) -> None:
    """Whoever asked waits for seconds only, so one that cannot be answered now is left to its end."""
    try:
        for question in await questions():
            await tell(question.id, await _answer(engines, question))
    except TrivetError as error:
        _logger.warning("Console output was asked for and could not be told: %s", error)


async def _answer(engines: Engines, question: ConsoleQuestion) -> ConsoleAnswer:
    driver = engines.machines.get(question.kind)
    if driver is None:
        return ConsoleAnswer(error=f"this host cannot run a {question.kind}")
    try:
        return ConsoleAnswer(output=await driver.console_log(question.server_id, question.limit_bytes))
    except DriverError as refusal:
        return ConsoleAnswer(error=refusal.why[:_WHY_MAX])
