"""The kill loop: one process under creates and deletes is killed (-9) at random and started again, many times.

    python -m bench.soak.kills --seconds 300 [--postgres]

Afterwards everything that was acknowledged is there and ACTIVE, what was deleted is gone, nothing is there twice, and
claims, quotas and ports are those of the servers that are there.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.outages.alone import Alone

from bench import clouds
from bench.soak import report
from bench.soak.load import Load


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=300)
    words.add_argument("--clients", type=int, default=4)
    words.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, in place of SQLite")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--no-report", action="store_true", help="leave docs/reliability.md as it is")
    chosen = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trivet-kills-")))
        (folder / "data").mkdir()
        database = stack.enter_context(clouds.cluster()).new_database() if chosen.postgres else ""
        alone = Alone(folder / "data", folder, database)
        stack.callback(alone.stop)
        figures, wrong = _kill_and_look(alone, chosen.seconds, chosen.clients, random.Random(chosen.seed))  # noqa: S311
    for line in wrong:
        report.say("WRONG", line)
    if not chosen.no_report:
        name = "kills on PostgreSQL" if chosen.postgres else "kills"
        report.write(name, f"python -m bench.soak.kills {' '.join(sys.argv[1:])}".strip(), figures)
    return 1 if wrong else 0


def _kill_and_look(
    alone: Alone, seconds: float, clients: int, chance: random.Random
) -> tuple[report.Figures, list[str]]:
    alone.start()
    image = alone.client().image()
    load = Load(clients, lambda: [alone.url], image)
    load.start()
    kills, began, down_s = 0, time.monotonic(), []
    try:
        while time.monotonic() - began < seconds:
            time.sleep(chance.uniform(0.2, 3))
            alone.kill()
            killed = time.monotonic()
            alone.start()
            down_s.append(time.monotonic() - killed)
            kills += 1
            report.say(kills, load.answers)
    finally:
        load.stop()
    rested = time.monotonic()
    wrong = load.wrong(alone.client())
    return {
        "kills": kills,
        "seconds": round(rested - began),
        "answers": load.answers,
        "creates without an answer": sum(worker.unanswered_creates for worker in load.workers),
        "from a kill to `ready`, median and longest": f"{sorted(down_s)[len(down_s) // 2]:.1f} s, {max(down_s):.1f} s",
        "at rest after": f"{time.monotonic() - rested:.0f} s",
        "lost, doubled, leaked or stuck": len(wrong),
    }, wrong


if __name__ == "__main__":
    sys.exit(main())
