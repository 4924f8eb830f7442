"""What a real engine needs to be tested: its programs, and the small image that a variable of the environment names."""

import os
from pathlib import Path

import pytest


def image_named(variable: str) -> str:
    return os.environ.get(variable, "")


def need(what: str, missing: list[str], variable: str, made_by: str) -> None:
    lacks = list(missing)
    if not Path(image_named(variable)).is_file():
        lacks.append(f"the image that {variable} should name ({made_by} makes it)")
    if lacks:
        reason = f"no {what} here: missing {', '.join(lacks)}"
        pytest.skip(reason)
