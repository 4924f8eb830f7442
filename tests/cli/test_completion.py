"""What `trivet completion` prints completes commands, their flags and files, in a shell as people have it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import trivet
from tests.programs import PATIENCE_S, clean


def completed(folder: Path, *words: str) -> set[str]:
    script = trivet(folder, "completion", "bash").stdout
    script += f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
    script += "_trivet; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    made = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=clean(), capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    return set(made.stdout.split())


def test_bash_completes_commands_flags_and_folders(tmp_path: Path) -> None:
    (tmp_path / "cloud").mkdir()
    (tmp_path / "clouds.txt").touch()
    assert completed(tmp_path, "trivet", "st") == {"status"}
    assert completed(tmp_path, "trivet", "up", "--tls") == {"--tls-certificate", "--tls-key"}
    assert completed(tmp_path, "trivet", "up", "--data", "clo") == {"cloud"}
    assert completed(tmp_path, "trivet", "completion", "") >= {"bash", "zsh", "fish"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(shell: str, tmp_path: Path) -> None:
    made = trivet(tmp_path, "completion", shell)
    assert made.returncode == 0 and "status" in made.stdout
    if shutil.which(shell):
        (tmp_path / "script").write_text(made.stdout)
        subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True, timeout=PATIENCE_S)
