"""The command `trivet` in a process of its own, as a shell starts it, with what it says in files.

It heeds Ctrl-C even if the tests run in the background, where a shell has them and all that they start ignore it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

BIN = Path(sys.executable).parent
PATIENCE_S = 120.0
"""Many times what anything takes here: what is not there by then never comes."""
_HEEDING_SIGNALS = ("env", "--default-signal=INT,HUP,QUIT,TERM")


def clean() -> dict[str, str]:
    """The environment without what would tell our commands and stock clients of other clouds."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TRIVET_"))}


def until(
    what: str,
    check: Callable[[], Any],
    told: Callable[[], object] = lambda: "",
    *,
    pause_s: float = 0.05,
    patience_s: float = PATIENCE_S,
) -> Any:
    """What `check` finds once it finds anything; `told` says more of it if it never does."""
    end = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < end, f"never: {what} {told()}"
        time.sleep(pause_s)
    return found


class Program:
    """One that stays. Start it in the folder, if any, and stop it in every case."""

    COMMAND: tuple[str, ...] = (str(BIN / "trivet"),)

    def __init__(
        self,
        said: Path,
        log: Path,
        *words: str,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._said = said
        self._log = log
        self._words = words
        self._environment = clean() if environment is None else environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was never begun"
        return self._process

    def begin(self, *more: str) -> None:
        self._said.write_text("")
        with self._said.open("a") as out, self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*_HEEDING_SIGNALS, *self.COMMAND, *self._words, *more],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    def ready(self) -> Self:
        """Waits; one that ends before, or never gets there, is ended, and the test told why."""
        try:
            until("ready", self._is_ready, self._end_of_log, pause_s=0.02)
        except AssertionError:
            self.kill()
            raise
        return self

    def _is_ready(self) -> bool:
        ended = self.process.poll() is not None
        assert not ended, self._end_of_log()
        return any(line.startswith("ready") for line in self.said().splitlines())

    def start(self, *more: str) -> Self:
        self.begin(*more)
        return self.ready()

    def said(self) -> str:
        return self._said.read_text()

    def log(self) -> str:
        return self._log.read_text()

    def _end_of_log(self) -> str:
        return self.log()[-4000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; what does not end is killed, and what never began has ended well."""
        if self._process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
