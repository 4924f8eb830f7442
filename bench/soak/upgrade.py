"""An upgrade under load: a cloud of an earlier commit is brought up to date, one process beside the other.

    python -m bench.soak.upgrade [--from COMMIT] [--seconds 20]

Two processes of the earlier commit run on one PostgreSQL. A new one starts beside them and brings the schema forward;
then the old ones stop, one after the other, and a second new one comes. Clients create and delete at all that run, all
the while. Without --from it is the commit before the schema changed last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.outages.alone import Tenant
from tests.ports import free_port
from tests.processes.cluster import PASSWORD
from tests.programs import Program, clean

from bench import clouds
from bench.soak import report
from bench.soak.load import Load

_SECRET = b"one secret, the same for every process"
_CLIENTS = 3
_HERE = Path(__file__).parents[2]


class Process(Program):
    """Of the code in `source`."""

    def __init__(self, folder: Path, name: str, database: str, source: Path) -> None:
        data = folder / name
        data.mkdir()
        # As a shared file system would be mounted on every machine.
        (folder / "blobs").mkdir(exist_ok=True)
        (data / "blobs").symlink_to(folder / "blobs")
        (data / "secret").write_bytes(_SECRET)
        port = free_port()
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        words = ["up", "--sim", "--data", str(data), "--listen", f"127.0.0.1:{port}", "--database", database]
        environment = clean() | {"TRIVET_ADMIN_PASSWORD": PASSWORD, "PYTHONPATH": str(source / "src")}
        super().__init__(data / "out", data / "log", *words, environment=environment)

    def bugs(self) -> int:
        return self.log().count("Traceback")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--from", dest="commit", default="", help="the earlier commit")
    words.add_argument("--seconds", type=float, default=20, help="between one step and the next")
    words.add_argument("--no-report", action="store_true", help="leave docs/reliability.md as it is")
    chosen = words.parse_args()
    commit = _git("rev-parse", "--short", chosen.commit or _before_the_last_schema())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trivet-upgrade-")))
        earlier = folder / "earlier"
        _git("worktree", "add", "--detach", str(earlier), commit)
        stack.callback(_git, "worktree", "remove", "--force", str(earlier))
        database = stack.enter_context(clouds.cluster()).new_database()
        figures, wrong = _upgrade(stack, folder, database, earlier, chosen.seconds)
    for line in wrong:
        report.say("WRONG", line)
    if not chosen.no_report:
        command = f"python -m bench.soak.upgrade {' '.join(sys.argv[1:])}".strip()
        report.write("upgrade", command, {"from": commit} | figures)
    return 1 if wrong else 0


def _upgrade(
    stack: ExitStack, folder: Path, database: str, earlier: Path, seconds: float
) -> tuple[report.Figures, list[str]]:
    processes = {
        name: Process(folder, name, database, earlier if name.startswith("old") else _HERE)
        for name in ("old-1", "old-2", "new-1", "new-2")
    }
    for process in processes.values():
        stack.callback(process.stop)
    serving: list[str] = []
    processes["old-1"].start()
    image = Tenant(processes["old-1"].url)
    image.login()
    load = Load(_CLIENTS, lambda: list(serving), image.image())
    figures: report.Figures = {}
    serving.append(processes["old-1"].url)
    load.start()
    try:
        for step in ("+old-2", "+new-1", "-old-1", "+new-2", "-old-2"):
            process = processes[step[1:]]
            if step[0] == "+":
                process.start()
                serving.append(process.url)
            else:
                # As a balancer would that is told first.
                serving.remove(process.url)
                time.sleep(1)
                process.stop()
            time.sleep(seconds)
            report.say(step, load.answers)
    finally:
        load.stop()
    tenant = Tenant(processes["new-2"].url)
    tenant.login()
    wrong = load.wrong(tenant)
    wrong += [f"{name} logged {process.bugs()} bugs" for name, process in processes.items() if process.bugs()]
    figures |= {"answers": load.answers, "lost, doubled, leaked or stuck": len(wrong)}
    return figures, wrong


def _before_the_last_schema() -> str:
    return _git("log", "-1", "--format=%H^", "--", "src/trivet/store/schema")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_HERE, capture_output=True, text=True, check=True, env=os.environ)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
