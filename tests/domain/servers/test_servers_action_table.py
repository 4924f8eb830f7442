"""The table of actions: whole, worded for users, and the same as the page in the docs."""

from pathlib import Path

import pytest

from trivet.domain.servers.action_table import ACTIONS, as_page, reason_against
from trivet.domain.servers.kinds import KINDS, kind_of
from trivet.errors import Invalid

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "actions-by-kind.md"


def test_the_page_in_the_docs_is_fresh() -> None:
    assert PAGE.read_text() == as_page(), "write as_page() of trivet.domain.action_table to docs/reference"


def test_every_action_is_decided_for_every_kind_once() -> None:
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        for kind in KINDS:
            reason = reason_against(action.name, kind)
            assert reason is None or reason.endswith("."), "a reason is a sentence"


@pytest.mark.parametrize(
    ("spec", "container", "kind"),
    [
        (None, False, "vm"),
        (None, True, "container"),
        ("vm", False, "vm"),
        ("container", True, "container"),
        ("metal", False, "metal"),
    ],
)
def test_image_and_flavor_decide_the_kind(spec: str | None, container: bool, kind: str) -> None:
    specs = {} if spec is None else {"trivet:kind": spec}
    assert kind_of(specs, container=container) == kind


@pytest.mark.parametrize(("spec", "container"), [("vm", True), ("metal", True), ("container", False), ("boat", False)])
def test_image_and_flavor_that_contradict_are_refused(spec: str, container: bool) -> None:
    with pytest.raises(Invalid):
        kind_of({"trivet:kind": spec}, container=container)
