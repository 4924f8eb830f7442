"""The engines' turn: one run of the tests at a time has them, for a network namespace has the names and addresses of
their bridges and links only once.

A run takes the turn at its first test with engines and keeps it until its process ends, however it ends. Another run
waits, says for whom, and fails in the end. The workers of one run (pytest -n) would wait for each other for ever, so
there such tests fail at once.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

NAME = "trivet-engine-tests"
_PATIENCE_S = 1800.0
_MARKS = frozenset(("dataplane", "contract"))


class Turn:
    """A name that the kernel gives to one process of a network namespace, and takes back when it dies."""

    def __init__(self, name: str) -> None:
        self._address = f"\0{name}"
        self._mine = False

    def take(self, tell: Callable[[str], None], patience_s: float = _PATIENCE_S) -> str | None:
        """Why not, if not."""
        end = time.monotonic() + patience_s
        if self._is_mine():
            return None
        tell(f"Another run of the tests has the engines (process {self.holder()}); this one waits for its end.")
        while not self._is_mine():
            if time.monotonic() > end:
                return (
                    f"Another run of the tests (process {self.holder()}) has had this network namespace's engines for"
                    f" {patience_s / 60:g} minutes. Wait for it, or end it, and try again."
                )
            time.sleep(0.5)
        return None

    def holder(self) -> int | None:
        """The process that has it."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.setblocking(False)
            try:
                asking.connect(self._address)
            except OSError:
                return None
            said = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", said)[0]
        return pid

    def _is_mine(self) -> bool:
        if not self._mine:
            with socket.socket(socket.AF_UNIX) as asking:
                try:
                    asking.bind(self._address)
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    return False
                asking.listen(128)
                asking.detach()  # nobody closes it but the end of this process
                self._mine = True
        return True


_turn = Turn(NAME)
_refusals: list[str] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Here, because a test's own time limit does not count yet."""
    if _uses_engines(item) and not _refusals and (refusal := _refusal(item)) is not None:
        _refusals.append(refusal)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _uses_engines(item) and _refusals:
        pytest.fail(_refusals[0], pytrace=False)


def _uses_engines(item: pytest.Item) -> bool:
    """Only root can make what two runs would meet at."""
    return os.geteuid() == 0 and not _MARKS.isdisjoint(mark.name for mark in item.iter_markers())


def _refusal(item: pytest.Item) -> str | None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return "Tests with engines run in one process, for there is one of each engine: leave out -n."
    terminal: Any = item.config.pluginmanager.get_plugin("terminalreporter")

    def tell(sentence: str) -> None:
        terminal.ensure_newline()
        terminal.write_line(sentence, flush=True)

    return _turn.take(tell)
