"""What is built, what is cleaned, and what a release calls itself."""

import shutil
import subprocess
import tomllib
from pathlib import Path

from trivet.reading_settings import load
from trivet.release import RELEASE

ROOT = Path(__file__).parents[2]


def test_the_package_and_the_program_are_the_same_release() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == RELEASE
    assert f"## {RELEASE}" in (ROOT / "docs" / "releases.md").read_text()
    assert f"trivet_{RELEASE}_" in (ROOT / "docs" / "install.md").read_text()


def test_nothing_that_cleans_touches_data(tmp_path: Path) -> None:
    """The class: what tasks build goes by its name; a folder that may hold somebody's cloud is never removed whole."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = ("cloud/trivet.db", "build/cloud/trivet.db", "build/mine/x", "copy/trivet.db")
    gone = ("build/guest/x", "build/container/x", "build/novnc/x", "build/lib/x", "dist/x")
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, timeout=60)
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []


def test_the_example_of_a_settings_file_is_one(tmp_path: Path) -> None:
    """Also with every line that it only suggests."""
    text = (ROOT / "packaging" / "trivet.toml").read_text()
    assert load(ROOT / "packaging" / "trivet.toml", {}, {}).leave_running
    lines = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()]
    (tmp_path / "all.toml").write_text("\n".join(lines))
    assert load(tmp_path / "all.toml", {}, {}).http_redirect == "0.0.0.0:80"


def test_units_start_what_there_is() -> None:
    for unit in (ROOT / "packaging" / "systemd").glob("*.service"):
        words = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")).split()
        assert words[0] == "ExecStart=/usr/bin/trivet" and words[1] in ("up", "api")
        assert words[2:] == ["--config", "/etc/trivet/trivet.toml"]
