"""Passwords are hashed in threads: who waits gets what is his, and the threads go with who had them."""

import asyncio
import gc
import threading
import time

import pytest
from tests.api.one_service import FastPasswords
from tests.programs import until

from trivet.domain.identity.people.passwords import Passwords


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "password"}


def alive(threads: set[threading.Thread]) -> int:
    return sum(thread.is_alive() for thread in threads)


async def test_many_at_once_each_get_their_own_answer() -> None:
    passwords = FastPasswords()
    hashes = await asyncio.gather(*(passwords.hash(f"word {n}") for n in range(20)))
    right = await asyncio.gather(*(passwords.matches(f"word {n}", hashed) for n, hashed in enumerate(hashes)))
    wrong = await asyncio.gather(*(passwords.matches(f"word {n + 1}", hashed) for n, hashed in enumerate(hashes)))
    assert all(right) and not any(wrong)
    assert not await passwords.matches("word", "not a hash")
    passwords.close()


async def test_what_cannot_be_hashed_is_told_to_who_asked_and_to_nobody_else() -> None:
    passwords = FastPasswords()
    ended = await asyncio.gather(*map(passwords.hash, ("\ud800", "good", "\ud800", "good")), return_exceptions=True)
    assert [isinstance(one, UnicodeEncodeError) for one in ended] == [True, False, True, False]
    with pytest.raises(UnicodeEncodeError):
        await passwords.hash("\ud800")
    passwords.close()


async def test_who_waits_no_more_disturbs_nobody() -> None:
    trouble: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: trouble.append(told))
    passwords = FastPasswords()
    hashed = await passwords.hash("word")
    asking = [asyncio.create_task(passwords.matches("word", hashed)) for _ in range(20)]
    await asyncio.sleep(0)
    time.sleep(0.05)  # the threads answer while the loop cannot hear it
    for one in asking[::2]:
        one.cancel()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert ended[1::2] == [True] * 10
    assert await passwords.matches("word", hashed)
    assert trouble == []
    passwords.close()


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_the_threads_end_with_who_had_them(how: str) -> None:
    before = threads()
    passwords = FastPasswords()
    asyncio.run(passwords.hash("word"))
    own = threads() - before
    assert alive(own) == 2
    if how == "closed":
        passwords.close()
    else:
        del passwords
        gc.collect()
    until("the threads have ended", lambda: not alive(own))


def test_a_loop_that_is_closed_meanwhile_ends_no_thread() -> None:
    before = threads()
    passwords = Passwords()
    loop = asyncio.new_event_loop()
    asking = loop.create_task(passwords.hash("word"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    async def more() -> list[str]:
        return await asyncio.gather(*(passwords.hash("word") for _ in range(6)))

    assert len(asyncio.run(more())) == 6
    own = threads() - before
    assert alive(own) == 2 and not asking.done()
    passwords.close()
    until("the threads have ended", lambda: not alive(own))
