"""Several equal processes on one machine, behind one port.

The supervisor serves nothing. It starts the workers, starts one again that died, and passes on the signal
to stop. The kernel spreads connections over the workers (SO_REUSEPORT).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from trivet.settings import Settings

_PAUSE_S = 0.2


def supervise(settings: Settings) -> int:
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pid_file = Path(settings.data) / "trivet.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    workers: dict[int, subprocess.Popen[bytes]] = {}
    while not stopping:
        for number in range(settings.workers):
            if number not in workers or workers[number].poll() is not None:
                workers[number] = _start(number)
                if number == 0:
                    # The first one makes the schema and the admin; the others find them.
                    time.sleep(_PAUSE_S)
        time.sleep(_PAUSE_S)
    for worker in workers.values():
        worker.terminate()
    for worker in workers.values():
        worker.wait()
    pid_file.unlink(missing_ok=True)
    return 0


def _start(number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "trivet.cli.main", *sys.argv[1:]],
        env=os.environ | {"TRIVET_WORKER": str(number)},
        start_new_session=False,
    )
