"""The command `trivet` as a shell runs it, in a folder of its own."""

import subprocess
from pathlib import Path

from tests.programs import BIN, PATIENCE_S, Program, clean

TRIVET = BIN / "trivet"


def trivet(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [str(TRIVET), *words],
        cwd=folder,
        env=clean() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
    )


class Up(Program):
    """A command that stays, begun at once; all that it says is in one file."""

    def __init__(self, folder: Path, *words: str) -> None:
        said = folder / f"said{len(list(folder.glob('said*')))}"
        super().__init__(said, said, *words, folder=folder)
        self.begin()
