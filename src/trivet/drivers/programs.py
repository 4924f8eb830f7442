"""Running an engine's program and reading what it says.

By the standard library in a thread, not by the event loop: uvloop gives a child one more copy of each pipe
than it asked for, and a daemon that the child leaves behind (ovsdb-server, QEMU, conmon) would hold it open,
so that the end of the output never came.
"""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

_AT_ONCE = 64
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="program")


class Ended(NamedTuple):
    code: int
    out: bytes
    err: bytes


async def run(
    words: Sequence[str],
    *,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Ended:
    """Raises FileNotFoundError if there is no such program. Cancelling kills it.

    A session of its own: Ctrl-C at our terminal is for us, not for a step half way through.
    """
    loop = asyncio.get_running_loop()
    process = await loop.run_in_executor(_threads, _start, words, given is not None, environment, pass_fds)
    try:
        out, err = await loop.run_in_executor(_threads, process.communicate, given)
    except asyncio.CancelledError:
        process.kill()
        raise
    return Ended(process.returncode, out, err)


def _start(
    words: Sequence[str], has_input: bool, environment: Mapping[str, str] | None, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        pass_fds=pass_fds,
        start_new_session=True,
    )
