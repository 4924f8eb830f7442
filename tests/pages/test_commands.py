"""Every command of every page is typed as it stands there, against a simulated cloud; what fails is a page that lies.

The class: what a page says is true only as long as somebody types it. A block that needs what a simulation has not
(real engines, the internet, another machine) says why in a mark beside it (page.py); nothing is left out by accident.
Addresses, ports and the database are the test's own.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.pages.page import Step, steps
from tests.pages.stock_client import client_script
from tests.ports import free_port
from tests.postgres import PostgresCluster
from tests.programs import BIN, PATIENCE_S, clean, until

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = [page for page in PAGES if any(not step.text.startswith("cloud") for step in steps(page))]
PAGE_S = 900
POSTGRESQL = "/usr/lib/postgresql/15/bin"
_POSTGRES_URL = re.compile(r"postgresql://(?:trivet:PASSWORD@db/(\w+)|\.\.\.)")

PRELUDE = """\
set -eEuo pipefail
trap 'echo "FAILED: $BASH_COMMAND" >&2' ERR
exec 0<&-
stop() { for pid in $(cat "$PIDS" 2>/dev/null); do kill "$pid" 2>/dev/null && tail --pid="$pid" -f /dev/null; done
    rm -f "$PIDS"; true; }
cloud() { trivet up --sim --data ./cloud; export OS_CLIENT_CONFIG_FILE=$PWD/cloud/clouds.yaml OS_CLOUD=trivet; }
"""

# A command that stays runs beside the page, as in another terminal; the page goes on when it says `ready`.
TRIVET = """\
#!/bin/bash
real={bin}/trivet
case "$1" in
    up) [[ " $* " == *" --sim "* ]] || set -- "$@" --sim ;;
    api|agent) ;;
    *) exec $real "$@" ;;
esac
[ "$1" = agent ] || [[ " $* " == *" --listen "* ]] || set -- "$@" --listen 127.0.0.1:{port}
said=$(mktemp)
$real "$@" >"$said" 2>&1 & pid=$!
echo $pid >> "$PIDS"
for _ in $(seq 2400); do
    grep -q ^ready "$said" && {{ cat "$said"; exit 0; }}
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
done
cat "$said" >&2
exit 1
"""

# Packages and environments are proved by tools/test-packages.sh; here everything is in place.
PYTHON = """\
#!/bin/bash
if [ "${{1:-}} ${{2:-}}" = "-m venv" ]; then mkdir -p "$3/bin"; : > "$3/bin/activate"; exit 0; fi
exec {python} "$@"
"""
NOTHING = "#!/bin/sh\nexit 0\n"


@pytest.fixture(scope="session")
def stock_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("client") / "door"
    serving = subprocess.Popen([sys.executable, str(ROOT / "tests/pages/stock_client.py"), str(path)], env=clean())
    try:
        until("the client is loaded", path.exists)
        yield path
    finally:
        serving.kill()
        serving.wait(PATIENCE_S)


class Desk:
    """Where the page is typed: a folder of its own, with what a new user has at hand in PATH."""

    def __init__(self, folder: Path, client: Path) -> None:
        self.folder = folder / "desk"
        self._bin = folder / "bin"
        self._pids = folder / "pids"
        self.port, self.other = free_port(), free_port()
        self.folder.mkdir()
        self._bin.mkdir()
        shutil.copy(ROOT / "README.md", self.folder)
        shutil.copytree(ROOT / "packaging", self.folder / "packaging")
        self._tool("trivet", TRIVET.format(bin=BIN, port=self.port))
        self._tool("openstack", client_script(client))
        self._tool("python3", PYTHON.format(python=sys.executable))
        for name in ("pip", "createuser", "createdb"):
            self._tool(name, NOTHING)

    def _tool(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    def typed(self, page: Path, database: str) -> str:
        (self.folder / "docs.md").write_text(self._adapted(Step("", page.read_text()), database))
        script = PRELUDE
        for number, step in enumerate(steps(page)):
            text = self._adapted(step, database)
            if step.language == "python":
                (self.folder / f"block{number}.py").write_text(text)
                text = f"python3 block{number}.py\n"
            script += text
        return script

    def _adapted(self, step: Step, database: str) -> str:
        text = re.sub(r"https?://cloud\.example:8774", f"http://127.0.0.1:{self.port}", step.text)
        text = text.replace("127.0.0.1:8774", f"127.0.0.1:{self.port}").replace(
            "127.0.0.1:9774", f"127.0.0.1:{self.other}"
        )
        text = re.sub(r"\b10\.0\.0\.\d:8774", lambda _: f"127.0.0.1:{free_port()}", text)
        text = _POSTGRES_URL.sub(lambda _: database, text)
        return text.replace("--password-prompt", "--password 'Much longer, 1 secret'")

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = clean() | {"PIDS": str(self._pids), "PATH": f"{self._bin}:{os.environ['PATH']}:{POSTGRESQL}"}
        return subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=environment, check=False, timeout=PAGE_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def clear(self) -> None:
        for pid in self._pids.read_text().split() if self._pids.exists() else ():
            try:
                os.kill(int(pid), signal.SIGTERM)
                until("it has stopped", partial(_is_dead, int(pid)))
            except ProcessLookupError:
                pass


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.pages
@pytest.mark.timeout(PAGE_S + 60)
@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_says(
    page: Path, tmp_path: Path, stock_client: Path, request: pytest.FixtureRequest
) -> None:
    database = ""
    if _POSTGRES_URL.search(page.read_text()):
        cluster: PostgresCluster = request.getfixturevalue("postgres_cluster")
        database = cluster.new_database()
    desk = Desk(tmp_path, stock_client)
    try:
        made = desk.run(desk.typed(page, database))
    finally:
        desk.clear()
    assert made.returncode == 0, made.stdout[-6000:]
    assert "Traceback" not in made.stdout, made.stdout[-6000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_that_is_not_typed_says_why(page: Path) -> None:
    for reason in re.findall(r"<!-- not run: (.*?) -->", page.read_text()):
        assert len(reason.split()) >= 3, reason
