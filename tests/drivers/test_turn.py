"""Two runs of the tests on one machine: whoever comes second to the engines waits, in runs of pytest of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.drivers.turn import NAME, Turn
from tests.programs import PATIENCE_S, until

pytestmark = pytest.mark.dataplane

ROOT = Path(__file__).parents[2]
TEST = """
import pathlib, time, pytest
@pytest.mark.dataplane
def test_with_engines():
    pathlib.Path("{name}.there").touch()
    while not pathlib.Path("{name}.go-on").exists():
        time.sleep(0.05)
"""


class Run:
    """One of pytest with a test that stays until it is let go on."""

    def __init__(self, folder: Path, name: str, *before: str, more: tuple[str, ...] = ()) -> None:
        self._folder, self._name = folder, name
        (folder / f"test_{name}.py").write_text(TEST.format(name=name))
        words = (sys.executable, "-m", "pytest", "-p", "tests.drivers.turn", "-p", "no:cacheprovider", *more)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
        with (folder / f"{name}.said").open("w") as said:
            self.process = subprocess.Popen(
                (*before, *words, "--rootdir", str(folder), f"test_{name}.py"),
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return (self._folder / f"{self._name}.said").read_text()

    @property
    def is_there(self) -> bool:
        assert self.process.poll() in (None, 0), self.said
        return (self._folder / f"{self._name}.there").exists()

    def go_on(self) -> int:
        (self._folder / f"{self._name}.go-on").touch()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def runs() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begun(runs: ExitStack, run: Run) -> Run:
    runs.callback(run.process.wait)
    runs.callback(run.process.kill)
    return run


def test_this_run_has_the_turn() -> None:
    assert Turn(NAME).holder() == os.getpid()


def test_a_second_run_waits_until_the_first_is_dead_and_one_elsewhere_does_not(tmp_path: Path, runs: ExitStack) -> None:
    first = begun(runs, Run(tmp_path, "first", "unshare", "--net"))
    until("the first is there", lambda: first.is_there, lambda: first.said)
    same = ("nsenter", f"--net=/proc/{first.process.pid}/ns/net")
    second = begun(runs, Run(tmp_path, "second", *same))
    elsewhere = begun(runs, Run(tmp_path, "elsewhere", "unshare", "--net"))
    until("the second waits", lambda: f"(process {first.process.pid})" in second.said, lambda: second.said)
    until("a third is elsewhere", lambda: elsewhere.is_there, lambda: elsewhere.said)
    assert not second.is_there

    first.process.kill()

    until("the second is there", lambda: second.is_there, lambda: second.said)
    assert second.go_on() == elsewhere.go_on() == 0


def test_workers_of_one_run_do_not_meet(tmp_path: Path, runs: ExitStack) -> None:
    run = begun(runs, Run(tmp_path, "worker", "unshare", "--net", more=("-n", "2")))
    assert run.process.wait(PATIENCE_S) == 1
    assert "leave out -n" in run.said


def test_who_has_waited_long_enough_is_told_for_whom(tmp_path: Path) -> None:
    said: list[str] = []
    mine, late = Turn(str(tmp_path)), Turn(str(tmp_path))
    assert mine.take(said.append) is None and mine.take(said.append) is None
    assert said == []
    refusal = late.take(said.append, patience_s=0)
    assert refusal is not None and f"(process {os.getpid()})" in refusal and f"(process {os.getpid()})" in said[0]
