"""The program `trivet` under a soak: at SIGUSR1 it tells its asyncio tasks, at SIGUSR2 its clock goes a day ahead."""

import asyncio
import collections
import gc
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from trivet import process
from trivet.cli.main import main
from trivet.clock import SystemClock

_DAY_S = 86_500.0


class Jumping(SystemClock):
    """Time that passed is no clock that was set: all of it goes ahead, and who sleeps wakes when his time is over."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while (left_s := end - self.monotonic()) > 0:
            await super().sleep(min(left_s, 1.0))


def jump(number: int, frame: FrameType | None) -> None:
    Jumping.ahead_s += _DAY_S


def tell(number: int, frame: FrameType | None) -> None:
    """Signals are handled between two steps of the loop, so its tasks stand still."""
    tasks = collections.Counter(task.get_name().rstrip("0123456789") for task in asyncio.all_tasks())
    kinds = collections.Counter(type(thing).__name__ for thing in gc.get_objects())
    told = {"tasks": sum(tasks.values()), "by_name": tasks, "objects": kinds.most_common(12)}
    Path(os.environ["SOAK_TOLD"]).write_text(json.dumps(told))


vars(process)["SystemClock"] = Jumping
signal.signal(signal.SIGUSR1, tell)
signal.signal(signal.SIGUSR2, jump)

if __name__ == "__main__":
    sys.exit(main())
