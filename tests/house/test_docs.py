"""The reference pages agree with the code they are made from."""

from pathlib import Path

import pytest

from trivet.docs import decisions, pages

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", ["settings.md", "routes.md", "errors.md", "actions-by-kind.md"])
def test_a_reference_page_is_fresh(name: str) -> None:
    assert (REFERENCE / name).read_text() == pages()[name], "make docs"


def test_the_index_of_decisions_is_fresh() -> None:
    assert (REFERENCE.parent / "decisions" / "README.md").read_text() == decisions(), "make docs"
