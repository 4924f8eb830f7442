"""The register is held to what it says: a row is closed only by tests that exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from trivet.gaps import register
from trivet.gaps.probes import PROBES

ROOT = Path(__file__).parents[2]
GAPS = register.read()


def test_there_are_133_rows_each_once() -> None:
    assert len(GAPS) == 133
    assert len({gap.id for gap in GAPS}) == 133


@pytest.mark.parametrize("gap", [gap for gap in GAPS if gap.status != "open"], ids=lambda gap: gap.id)
def test_what_is_not_open_has_evidence_and_says_what_is_missing(gap: register.Gap) -> None:
    assert gap.evidence, "a row without evidence is open"
    assert bool(gap.missing) == (gap.status == "partly")


@pytest.mark.parametrize("gap", [gap for gap in GAPS if gap.evidence], ids=lambda gap: gap.id)
def test_evidence_names_tests_that_exist(gap: register.Gap) -> None:
    for node in gap.evidence:
        path, _, name = node.partition("::")
        function, _, case = name.rstrip("]").partition("[")
        text = (ROOT / path).read_text()
        assert f"def {function}(" in text, node
        assert not case or case == gap.probe, "the case of a probe is the row's own"


def test_every_probe_belongs_to_a_row() -> None:
    assert {gap.probe for gap in GAPS if gap.probe} == set(PROBES)


def test_the_command_prints_ids_statuses_and_evidence_as_json() -> None:
    import json  # noqa: PLC0415

    made = subprocess.run(
        [sys.executable, "-m", "trivet.cli.main", "gaps", "--json"], capture_output=True, text=True, check=True
    )
    rows = json.loads(made.stdout)
    assert len(rows) == 133
    assert all({"id", "status", "evidence"} <= row.keys() for row in rows)
