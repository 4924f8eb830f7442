"""Several equal processes on one machine, behind one port.

The supervisor serves nothing. It starts the workers, starts one again that died, and passes on the signal to stop.
The kernel spreads connections over the workers (SO_REUSEPORT). A worker tells that it is ready by one byte down a
pipe, and the end of the pipe tells that it is gone.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

from trivet.cli.announce import say_ready
from trivet.clock import pause_s
from trivet.errors import Invalid
from trivet.settings import Settings

_PIPE = "TRIVET_WORKER_PIPE"
_NUMBER = "TRIVET_WORKER_NUMBER"
_LOOK_EVERY_S = 0.2
_AGAIN_MOST_S = 10.0


def is_worker() -> bool:
    return _PIPE in os.environ


def number() -> int:
    """The number of this worker among those of its machine, from 0."""
    return int(os.environ.get(_NUMBER, "0"))


def tell_ready() -> None:
    pipe = int(os.environ.pop(_PIPE))
    os.write(pipe, b".")
    os.close(pipe)


def supervise(settings: Settings) -> int:
    began = time.monotonic()
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _refuse_busy_port(settings)
    # The first one makes the schema and the admin; the others find them.
    team = [_Worker(0)]
    try:
        while not stopping and not team[0].was_ready:
            team[0].look(_LOOK_EVERY_S)
            if team[0].code is not None:
                # It has said why, and the others would say the same.
                return team[0].code
        if not stopping:
            team += [_Worker(number) for number in range(1, settings.workers)]
        said = False
        while not stopping:
            for worker in team:
                worker.look(_LOOK_EVERY_S / len(team))
                worker.start_again_in_time()
            if not said and all(worker.was_ready for worker in team):
                say_ready(settings, time.monotonic() - began)
                said = True
    finally:
        for worker in team:
            worker.process.terminate()
        for worker in team:
            worker.process.wait()
    return 0


class _Worker:
    """One of them, through all its lives."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._failures = 0
        self._start()

    def _start(self) -> None:
        self.was_ready = False
        self.code: int | None = None
        self._again_at = 0.0
        self._pipe, its_end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trivet.cli.main", *sys.argv[1:]],
            env=os.environ | {_PIPE: str(its_end), _NUMBER: str(self._number)},
            pass_fds=[its_end],
            # Ctrl-C is for the supervisor, which stops them in its own way.
            process_group=0,
        )
        os.close(its_end)

    def look(self, seconds: float) -> None:
        """At its pipe until it says something, then at whether it lives."""
        if self.was_ready or self.code is not None:
            time.sleep(seconds)
        elif select.select([self._pipe], [], [], seconds)[0]:
            self.was_ready = bool(os.read(self._pipe, 1))
            if not self.was_ready:
                self.process.wait()
        if self.code is None:
            self.code = self.process.poll()
            if self.code is not None:
                os.close(self._pipe)
                self._failures = 0 if self.was_ready else self._failures + 1
                wait_s = pause_s(self._failures + 1, first_s=_LOOK_EVERY_S, most_s=_AGAIN_MOST_S)
                self._again_at = time.monotonic() + wait_s

    def start_again_in_time(self) -> None:
        """At once when it had been ready; ever later while it cannot become so."""
        if self.code is not None and time.monotonic() >= self._again_at:
            self._start()


def _refuse_busy_port(settings: Settings) -> None:
    """Workers share their port with whoever asks for it as they do, and another cloud's workers would."""
    address = (settings.listen_host.strip("[]"), settings.listen_port)
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise Invalid(
                "listen.refused",
                f"Cannot listen on {settings.listen} ({error.strerror}); choose another with --listen.",
            ) from error
