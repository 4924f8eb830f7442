"""Passcodes shown to two processes of one cloud at once."""

import asyncio

from tests.api.identity.identity_cloud import Cloud
from tests.api.identity.test_identity_passcodes import code_now, show_code, user_with_seed, wrong_code
from tests.domain.identity.test_login_races import TRIES, two

__all__ = ["two"]


async def test_passcodes_guessed_at_once_are_counted_each_before_it_is_looked_at(two: tuple[Cloud, Cloud]) -> None:
    user_id = await user_with_seed(two[0])
    guesses = [show_code(two[n % 2], user_id, wrong_code(two[0])) for n in range(4 * TRIES)]
    refused = [answer.refused(401) for answer in await asyncio.gather(*guesses)]
    assert sum("locked" not in why for why in refused) == TRIES
    assert "locked" in (await show_code(two[1], user_id, code_now(two[1]))).refused(401)


async def test_a_passcode_shown_to_two_processes_at_once_is_good_for_one(two: tuple[Cloud, Cloud]) -> None:
    user_id = await user_with_seed(two[0], options={"ignore_lockout_failure_attempts": True})
    code = code_now(two[0])
    answers = await asyncio.gather(*(show_code(two[n % 2], user_id, code) for n in range(6)))
    assert sorted(answer.status for answer in answers) == [201, 401, 401, 401, 401, 401]
