"""The one way to run an engine's program: bounded in time, output, memory and CPU, and killed whole.

By the standard library in a thread, not by the event loop: uvloop gives a child one more copy of each pipe
than it asked for. What a program leaves behind (ovsdb-server, QEMU, conmon) may hold its pipes open for ever, so
the end of the program is the end of the reading, not the end of the pipes.
"""

import asyncio
import contextlib
import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from trivet.drivers.contracts.errors import DriverError

_AT_ONCE = 64
_PIECE = 1 << 16
_LAST_BREATH_S = 5.0
"""How long the end of what was killed is waited for."""
_NICE = 10
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="program")


class Bounds(NamedTuple):
    """What one run may cost. Memory and CPU also bind whatever the program starts and leaves behind."""

    seconds: float = 120.0
    output_bytes: int = 16 << 20
    """The most bytes of each of its two outputs. More is neither kept nor waited for."""
    memory_bytes: int | None = None
    cpu_s: int | None = None
    gentle: bool = False
    """Work that others must not feel: it gives way on the CPU."""


PLAIN = Bounds()
"""For programs that read only what we wrote."""


class Ended(NamedTuple):
    code: int
    """Below zero: the signal that ended it."""
    out: bytes
    err: bytes


class Exceeded(DriverError):
    """It was killed, with all that it had started."""


async def run(
    words: Sequence[str],
    *,
    bounds: Bounds = PLAIN,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Ended:
    """Raises FileNotFoundError if there is no such program, Exceeded if it costs too much. Cancelling kills it.

    A session of its own: Ctrl-C at our terminal is for us, not for a step half way through; and what it starts can be
    killed with it.
    """
    child = _Child(words, bounds, given)
    running = asyncio.get_running_loop().run_in_executor(_threads, child.run, environment, directory, pass_fds)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        child.kill()
        # Whoever cancels may clear away what it worked on, and it must not write there any more.
        await asyncio.wait([running], timeout=_LAST_BREATH_S)
        raise


class _Child:
    """One program while it runs. Its thread reads; whoever has had enough kills, from any thread."""

    def __init__(self, words: Sequence[str], bounds: Bounds, given: bytes | None) -> None:
        self._words = words
        self._bounds = bounds
        self._given = given
        self._turn = threading.Lock()
        self._unwanted = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, environment: Mapping[str, str] | None, directory: Path | None, pass_fds: Sequence[int]) -> Ended:
        process = self._start(environment, directory, pass_fds)
        exit_fd = os.pidfd_open(process.pid)
        pipes = _Pipes(process, self._given or b"", self._bounds.output_bytes)
        try:
            over = self._follow(pipes, exit_fd)
        finally:
            self.kill()
            self._reap(process)
            pipes.close()
            os.close(exit_fd)
        if over is None and process.returncode == -signal.SIGXCPU:
            over = "used too much of the CPU"
        if over is not None:
            raise Exceeded(f"{self._words[0]} {over} and was ended.", again=True)
        return Ended(process.returncode, bytes(pipes.out), bytes(pipes.err))

    def kill(self) -> None:
        """Kills the program and all that it started, unless it has ended in order: then what it left is meant to
        stay."""
        with self._turn:
            self._unwanted = True
            # While it is not reaped, nobody else gets its number.
            if self._process is not None and self._process.returncode is None and not _over(self._process.pid):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _start(
        self, environment: Mapping[str, str] | None, directory: Path | None, pass_fds: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        with self._turn:
            if self._unwanted:
                raise Exceeded(f"{self._words[0]} is not wanted any more.", again=True)
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL if self._given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=directory,
                pass_fds=pass_fds,
                start_new_session=True,
            )
            _bind(self._process.pid, self._bounds)
            return self._process

    def _follow(self, pipes: "_Pipes", exit_fd: int) -> str | None:
        """Waits until the program has ended, which is None, or costs too much, and then says of what."""
        until = time.monotonic() + self._bounds.seconds
        poll = select.poll()
        poll.register(exit_fd, select.POLLIN)
        for fd in pipes.open_fds():
            poll.register(fd, pipes.interest(fd))
        while (left := until - time.monotonic()) > 0:
            ready = [fd for fd, _ in poll.poll(min(left, 3600.0) * 1000)]
            for fd in ready:
                if fd != exit_fd and not pipes.move(fd):
                    poll.unregister(fd)
            if pipes.too_much:
                return f"said more than {self._bounds.output_bytes} bytes"
            if exit_fd in ready:
                pipes.drain()
                return f"said more than {self._bounds.output_bytes} bytes" if pipes.too_much else None
        return f"took longer than {self._bounds.seconds:g} s"

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        with self._turn:
            process.wait()


def _over(pid: int) -> bool:
    """Ended by itself, and not reaped yet."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _bind(pid: int, bounds: Bounds) -> None:
    """Sets the limits from outside, since nothing of ours may run between fork and exec in a process of many
    threads."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        if bounds.memory_bytes is not None:
            resource.prlimit(pid, resource.RLIMIT_AS, (bounds.memory_bytes, bounds.memory_bytes))
        if bounds.cpu_s is not None:
            resource.prlimit(pid, resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 1))
        if bounds.gentle:
            os.setpriority(os.PRIO_PROCESS, pid, _NICE)


class _Pipes:
    """What it is told and what it says, moved without ever waiting."""

    def __init__(self, process: subprocess.Popen[bytes], given: bytes, most: int) -> None:
        self.out, self.err = bytearray(), bytearray()
        self._most = most
        self._given = memoryview(given)
        self._files = [file for file in (process.stdin, process.stdout, process.stderr) if file is not None]
        assert process.stdout is not None and process.stderr is not None
        self._kept = {process.stdout.fileno(): self.out, process.stderr.fileno(): self.err}
        self._stdin = process.stdin
        for file in self._files:
            os.set_blocking(file.fileno(), False)

    @property
    def too_much(self) -> bool:
        return max(len(self.out), len(self.err)) > self._most

    def open_fds(self) -> list[int]:
        return [file.fileno() for file in self._files]

    def interest(self, fd: int) -> int:
        return select.POLLIN if fd in self._kept else select.POLLOUT

    def move(self, fd: int) -> bool:
        """False: nothing more comes, or goes, here."""
        return self._read(fd) if fd in self._kept else self._write()

    def drain(self) -> None:
        """What it said before its end. Others may hold the pipe open and are not waited for."""
        for fd in self._kept:
            while not self.too_much:
                before = len(self._kept[fd])
                if not self._read(fd) or len(self._kept[fd]) == before:
                    break

    def close(self) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()

    def _read(self, fd: int) -> bool:
        try:
            piece = os.read(fd, _PIECE)
        except BlockingIOError:
            return True
        self._kept[fd] += piece
        return bool(piece)

    def _write(self) -> bool:
        assert self._stdin is not None
        try:
            if self._given:
                self._given = self._given[os.write(self._stdin.fileno(), self._given[:_PIECE]) :]
            if self._given:
                return True
        except BlockingIOError:
            return True
        except BrokenPipeError:
            # It has heard enough.
            pass
        self._stdin.close()
        self._files.remove(self._stdin)
        return False
