"""The command `trivet` as a shell runs it, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TRIVET = Path(sys.executable).parent / "trivet"
READY_S = 60.0
# Who starts the tests in the background may have them ignore Ctrl-C, and children inherit that.
_HEEDING_CTRL_C = ("env", "--default-signal=INT")


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TRIVET_"))}


def trivet(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [str(TRIVET), *words],
        cwd=folder,
        env=clean() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=READY_S,
    )


class Up:
    """A command that stays."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._said = folder / f"said{len(list(folder.glob('said*')))}"
        with self._said.open("w") as out:
            self.process = subprocess.Popen(
                [*_HEEDING_CTRL_C, str(TRIVET), *words],
                cwd=folder,
                env=clean(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._said.read_text()

    def ready(self) -> "Up":
        end = time.monotonic() + READY_S
        while "ready:" not in self.said():
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.02)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)
