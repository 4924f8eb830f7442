"""Other people's tests: the identity, image, network and compute part of Tempest's smoke list, guest logins included.

`smoke.txt` names them, one a line. What needs volumes, the dashboard or a second host waits for those.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.conftest import RealCloud
from tests.contract.tempest.conf import write_conf

pytestmark = [pytest.mark.contract, pytest.mark.dataplane]

VERSION = "47.0.0"
WORKERS = "2"
LIMIT_S = 1500
WANTED = set((Path(__file__).parent / "smoke.txt").read_text().split())


@pytest.fixture(scope="module")
def tempest() -> Path:
    """Tempest in an environment of its own: its requirements are not ours."""
    folder = Path(os.environ.get("TRIVET_TEMPEST", Path(__file__).parents[3] / "build" / "tempest"))
    if not (folder / "bin" / "tempest").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", f"tempest=={VERSION}"], check=True)
    return folder


def test_the_smoke_tests_of_tempest_pass(cloud: RealCloud, tempest: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment |= {"HOME": str(tmp_path), "PATH": f"{tempest / 'bin'}:{os.environ['PATH']}"}

    def run(*words: str, check: bool = True) -> str:
        made = subprocess.run(
            words, cwd=tmp_path if words[1] == "init" else workspace, env=environment, capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert made.returncode == 0 or not check, made.stdout[-3000:] + made.stderr[-3000:]
        return made.stdout

    workspace = tmp_path / "ws"
    run("tempest", "init", str(workspace))
    write_conf(cloud, workspace / "etc" / "tempest.conf")
    installed = run("stestr", "list").split()
    chosen = [id for id in installed if id.partition("[")[0] in WANTED]
    assert {id.partition("[")[0] for id in chosen} == WANTED, "the list names tests that this Tempest does not have"
    (workspace / "chosen.txt").write_text("\n".join(chosen))
    said = run("tempest", "run", "--load-list", "chosen.txt", "--concurrency", WORKERS, check=False)
    failing = run("stestr", "failing", "--list", check=False).split()
    assert not failing, said[-8000:]
    passed = int(said.rpartition(" - Passed: ")[2].split()[0])
    assert passed == len(WANTED), said[-2000:]
