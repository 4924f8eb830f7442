"""A run of Tempest: its folder, its configuration, and what came of it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.contract.tempest import conf

_WORKERS = "2"
_LIMIT_S = 1500


class Workspace:
    def __init__(self, tempest: Path, home: Path) -> None:
        self._home = home
        self._folder = home / "ws"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        self._environment = clean | {"HOME": str(home), "PATH": f"{tempest / 'bin'}:{os.environ['PATH']}"}

    def begin(self, sections: conf.Sections, wanted: Callable[[str], bool]) -> set[str]:
        """The names of the tests that will run: those installed ones that are `wanted`."""
        self._run(self._home, "tempest", "init", str(self._folder))
        conf.write(sections, self._folder / "etc" / "tempest.conf")
        installed = self._run(self._folder, "stestr", "list").split()
        chosen = {id: id.partition("[")[0] for id in installed if wanted(id.partition("[")[0])}
        (self._folder / "chosen.txt").write_text("\n".join(chosen))
        return set(chosen.values())

    def finish(self) -> int:
        """Run them, and none may fail: the number of those that passed."""
        words = ("tempest", "run", "--load-list", "chosen.txt", "--concurrency", _WORKERS)
        said = self._run(self._folder, *words, check=False)
        failing = self._run(self._folder, "stestr", "failing", "--list", check=False).split()
        assert not failing, f"{failing}\n{said[-8000:]}"
        assert " - Passed: " in said, said[-3000:]
        return int(said.rpartition(" - Passed: ")[2].split()[0])

    def _run(self, where: Path, *words: str, check: bool = True) -> str:
        made = subprocess.run(
            words, cwd=where, env=self._environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        assert made.returncode == 0 or not check, made.stdout[-3000:] + made.stderr[-3000:]
        return made.stdout
