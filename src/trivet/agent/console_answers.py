"""Answers to questions about the output of consoles, for an agent that has no database to look into."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trivet.agent.engines import Engines
from trivet.agent.trouble import went_well
from trivet.domain.host_link.words import ConsoleAnswer, ConsoleQuestion
from trivet.domain.servers.words import CONSOLE_WAIT_S
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.errors import TrivetError

_WHY_MAX = 255
_logger = logging.getLogger(__name__)

Questions = Callable[[], Awaitable[list[ConsoleQuestion]]]
Tell = Callable[[str, ConsoleAnswer], Awaitable[None]]


async def answer_all(engines: Engines, questions: Questions, tell: Tell) -> None:
    """A client waits for its answer for seconds only, so a read that cannot be answered now is not tried again."""
    try:
        asked = await questions()
    except TrivetError as error:
        _logger.warning("Console output was asked for, and by whom cannot be read: %s", error)
        return
    for question in asked:
        await went_well(f"Console of server {question.server_id}", _tell(engines, question, tell))


async def _tell(engines: Engines, question: ConsoleQuestion, tell: Tell) -> None:
    await tell(question.id, await _answer(engines, question))


async def _answer(engines: Engines, question: ConsoleQuestion) -> ConsoleAnswer:
    driver = engines.machines.get(question.kind)
    if driver is None:
        return ConsoleAnswer(error=f"this host cannot run a {question.kind}")
    reading = driver.console_log(question.server_id, question.limit_bytes)
    try:
        async with asyncio.timeout(CONSOLE_WAIT_S):
            return ConsoleAnswer(output=await foreseen(f"console of server {question.server_id}", reading, TrivetError))
    except DriverError as refusal:
        return ConsoleAnswer(error=refusal.why[:_WHY_MAX])
    except TimeoutError:
        return ConsoleAnswer(error="the engine does not answer")
