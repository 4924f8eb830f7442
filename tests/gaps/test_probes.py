"""The probes, tried against a cloud of ours through a stock client: what a user of `trivet gaps --cloud` sees."""

from collections.abc import Iterator
from typing import Any

import pytest

from trivet.gaps.probes import PROBES
from trivet.testing import SimCloud


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with SimCloud() as cloud:
        yield cloud.connect()


@pytest.mark.parametrize("name", sorted(PROBES))
@pytest.mark.filterwarnings("ignore")
def test_a_probe_finds_its_gap_closed(name: str, connection: Any) -> None:
    held, said = PROBES[name](connection)
    assert held, said
