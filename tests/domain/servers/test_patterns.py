"""Patterns of tenants: they mean what the library's mean, and none of them takes longer than its length says.

The class: every place where a tenant says a pattern (filters of servers by name, hostname, description and address).
What a pattern costs is counted in steps, so that no test looks at a clock.
"""

import random
import re

import pytest

from trivet.domain.servers import patterns
from trivet.domain.servers.patterns import Pattern
from trivet.errors import Invalid

TEXTS = ("", "a", "b", "aa", "ab", "ba", "aab", "abab", "pre-1", "pre-11", "10.0.0.7", "a.b", "A_9", "x\ny", "(a)", "é")


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a", "^a", "b$", "^a$", "^$", "a|b", "^(a|b)+$", "(a+)+$", "(?:ab){2}", "a{2}", "a{1,}", "^a{,1}$",
        "[ab]c?", "[^a]", "[a-c]+b", r"\d+$", r"^\w+$", r"\S\s\S", r"\D", r"10\.0\.0\..", "a*?b", "x.y", "a{", "a{x}",
        "[]a]", "[a-]", r"[\d.]+$", r"\(a\)", "(a|)b", "()", "a||b", "^^a", r"\Aa\Z", "(a*)*b", "[A-Z]_", "^a|b$",
        "e.*1",
    ],
)  # fmt: skip
def test_a_pattern_finds_what_the_library_finds(pattern: str) -> None:
    ours, theirs = Pattern(pattern), re.compile(pattern)
    assert [text for text in TEXTS if ours.found_in(text)] == [text for text in TEXTS if theirs.search(text)]


def test_patterns_put_together_by_chance_find_what_the_library_finds(chance: random.Random) -> None:
    atoms = ["a", "b", ".", "[ab]", "[^b]", "(a|b)", "(ab)", "^", "$", "(a?b)", "(|a)"]
    for _ in range(400):
        pattern = "".join(
            chance.choice(atoms) + chance.choice(["", "", "?", "{0,2}"]) for _ in range(chance.randint(1, 5))
        )
        pattern = pattern.replace("^?", "^").replace("$?", "$").replace("^{0,2}", "^").replace("${0,2}", "$")
        ours, theirs = Pattern(pattern), re.compile(pattern)
        for text in TEXTS[:8]:
            assert ours.found_in(text) == bool(theirs.search(text)), (pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        "a?" * 28 + "a" * 28,
        "(a+)+$",
        "(a|a)*b",
        "(a|aa)+$",
        "(.*a){12}$",
        "([a-z]+)*!",
        "(a*)*b",
        "(x+x+)+y",
        "a*" * 100 + "b",
    ],
)
def test_what_runs_away_elsewhere_takes_a_bounded_number_of_steps(pattern: str) -> None:
    ours = Pattern(pattern)
    try:
        for _ in range(1000):
            ours.found_in("a" * 255)
    except Invalid as refusal:
        assert refusal.code == "filter.too_complex"
    assert ours._work <= patterns._WORK_MAX + 1
    assert len(ours._steps) <= patterns._KNOWN_MAX + 1
