"""Numbers as clients write them."""

import pytest

from trivet.domain.numbers import whole_number


@pytest.mark.parametrize("text", ["", "²", "١٢", "1_0", "+1", "-1", " 1", "1\n", "0x1", "1.0", "9" * 19, "9" * 5000])
def test_what_looks_like_a_number_and_is_none(text: str) -> None:
    assert whole_number(text) is None


def test_numbers_are() -> None:
    assert [whole_number(text) for text in ("0", "007", "9" * 18)] == [0, 7, int("9" * 18)]
