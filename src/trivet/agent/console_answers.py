"""Answers to questions about the output of consoles, for an agent that has no database to look into."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trivet.agent.engines import Engines
from trivet.agent.trouble import went_well
from trivet.domain.host_link.words import ConsoleAnswer, ConsoleQuestion
from trivet.domain.servers.words import wait_s
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.machine import answered
from trivet.errors import TrivetError

_WHY_MAX = 255
_logger = logging.getLogger(__name__)

Questions = Callable[[], Awaitable[list[ConsoleQuestion]]]
Tell = Callable[[str, ConsoleAnswer], Awaitable[None]]


async def answer_all(engines: Engines, questions: Questions, tell: Tell, busy: set[str] | None = None) -> None:
    """A client waits for its answer for seconds only, so a read that cannot be answered now is not tried again. `busy`
    are those that are being answered already."""
    busy = set() if busy is None else busy
    try:
        asked = await questions()
    except TrivetError as error:
        _logger.warning("Console output was asked for, and by whom cannot be read: %s", error)
        return
    new = [question for question in asked if question.id not in busy]
    busy |= {question.id for question in new}
    tells = (
        went_well(f"Console of server {question.server_id}", _tell(engines, question, tell, busy)) for question in new
    )
    await asyncio.gather(*tells)


async def _tell(engines: Engines, question: ConsoleQuestion, tell: Tell, busy: set[str]) -> None:
    try:
        await tell(question.id, await _answer(engines, question))
    finally:
        busy.discard(question.id)


async def _answer(engines: Engines, question: ConsoleQuestion) -> ConsoleAnswer:
    driver = engines.machines.get(question.kind)
    if driver is None:
        return ConsoleAnswer(error=f"this host cannot run a {question.kind}")
    reading = answered(driver, question.server_id, question.question, question.limit_bytes)
    try:
        async with asyncio.timeout(wait_s(question.question)):
            return ConsoleAnswer(output=await foreseen(f"console of server {question.server_id}", reading, TrivetError))
    except DriverError as refusal:
        return ConsoleAnswer(error=refusal.why[:_WHY_MAX])
    except TimeoutError:
        return ConsoleAnswer(error="the engine does not answer")
