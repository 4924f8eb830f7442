"""Programs are run in one way, and none costs more than it was given: time, output, memory, CPU, and what it starts.

The class: an engine's tool that reads a tenant's bytes, and does with them what the tenant wants. `tests/house` holds
all of the source to this one way.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest
from tests.programs import until

from trivet.drivers import programs
from trivet.drivers.programs import Bounds, Exceeded

CHATTERBOX = "import sys\nwhile True: sys.{}.write('a' * 65536)"


def python(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", text


async def test_what_a_program_says_is_had_whole_and_its_code() -> None:
    ended = await programs.run(python("import sys; print(input() * 3); print('no', file=sys.stderr); sys.exit(3)"),
                               given=b"abc\n")  # fmt: skip
    assert ended == (3, b"abcabcabc\n", b"no\n")


async def test_a_program_is_given_more_than_a_pipe_holds_and_need_not_read_it() -> None:
    given = b"x" * (1 << 20)
    assert (await programs.run(python("import sys; print(len(sys.stdin.read()))"), given=given)).out == b"1048576\n"
    assert (await programs.run(("true",), given=given)).code == 0


@pytest.mark.parametrize("pipe", ["stdout", "stderr"])
async def test_a_program_that_never_stops_talking_is_ended(pipe: str) -> None:
    with pytest.raises(Exceeded, match="more than 100000 bytes"):
        await programs.run(python(CHATTERBOX.format(pipe)), bounds=Bounds(output_bytes=100_000))


async def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    words = ("sh", "-c", f"sleep 1000 & echo $! > {started}; wait")
    with pytest.raises(Exceeded, match="longer than 1 s"):
        await programs.run(words, bounds=Bounds(seconds=1))
    await gone(int(started.read_text()))


async def test_whoever_is_cancelled_leaves_no_program_behind(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    running = asyncio.create_task(programs.run(("sh", "-c", f"sleep 1000 & echo $! $$ > {started}; wait")))
    await asyncio.to_thread(until, "started", lambda: started.exists() and len(started.read_text().split()) == 2)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    for pid in started.read_text().split():
        await gone(int(pid))


async def test_a_daemon_that_a_program_leaves_is_not_waited_for_and_lives() -> None:
    """Though it holds the pipe."""
    ended = await programs.run(("sh", "-c", "sleep 1000 & echo $!"), bounds=Bounds(seconds=60))
    os.kill(int(ended.out), 9)


async def test_memory_and_cpu_have_an_end() -> None:
    full = await programs.run(python("x = bytearray(1 << 30)"), bounds=Bounds(memory_bytes=512 << 20))
    assert b"MemoryError" in full.err
    with pytest.raises(Exceeded, match="CPU"):
        await programs.run(python("while True: pass"), bounds=Bounds(cpu_s=1))


async def test_a_program_that_is_not_there_says_so() -> None:
    with pytest.raises(FileNotFoundError):
        await programs.run(("trivet-has-no-such-program",))


async def gone(pid: int) -> None:
    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    await asyncio.to_thread(until, f"{pid} has ended", ended)
