"""Tempest in an environment of its own: its requirements are not ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.tempest.workspace import Workspace

PACKAGES = ("tempest==47.0.0", "keystone-tempest-plugin==0.22.0")


@pytest.fixture(scope="session")
def tempest() -> Path:
    """The folder of its virtual environment: the one that TRIVET_TEMPEST names, or ours, made once."""
    named = os.environ.get("TRIVET_TEMPEST")
    if named is not None:
        return Path(named)
    folder = Path(__file__).parents[3] / "build" / "tempest"
    ready = folder / f".{'-'.join(PACKAGES)}"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *PACKAGES], check=True)
        ready.touch()
    return folder


@pytest.fixture
def workspace(tempest: Path, tmp_path: Path) -> Workspace:
    return Workspace(tempest, tmp_path)
