"""The register: 133 rows, each with its status and the tests that prove it.

`closed` means that the proof runs and passes in CI; `partly` that some of it does. A test holds the register to
that: evidence must name tests that exist, and a closed row without evidence fails.
"""

import tomllib
from importlib.resources import files
from typing import Literal

import msgspec

Status = Literal["closed", "partly", "open"]


class Gap(msgspec.Struct, frozen=True):
    id: str
    document: str
    wanted: str
    status: Status
    evidence: tuple[str, ...] = ()
    """pytest node ids, relative to the checkout."""
    missing: str = ""
    """What is not there yet, in a row that is partly closed."""
    probe: str | None = None
    """The name of a live probe (probes.py)."""


def read() -> list[Gap]:
    text = files("trivet.gaps").joinpath("register.toml").read_text()
    return msgspec.convert(tomllib.loads(text)["gap"], list[Gap])
