"""The pytest fixture that `pip install trivet` brings."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trivet.testing.sim_cloud import SimCloud


@pytest.fixture
def trivet_cloud() -> "Iterator[SimCloud]":
    """A fresh simulated cloud; gone after the test."""
    from trivet.testing.sim_cloud import SimCloud  # noqa: PLC0415 - other tests need not wait for it

    with SimCloud() as cloud:
        yield cloud
