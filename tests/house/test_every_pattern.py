"""Patterns that are held against what strangers say. Two classes: one that goes back and forth costs the square of the
text, or worse, in the event loop that all share; and `$` lets a line feed in behind what was checked.

Each that repeats without bound inside another repeat, or that is not held to the beginning and so starts anew at every
character, is named here with the reason why it is linear, or why nobody can make the text long.
"""

import ast
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from tests.house.house import SOURCE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_constants
    import sre_parse

_USES = frozenset(("compile", "match", "fullmatch", "search", "sub", "findall", "finditer", "split"))
_REPEATS = (sre_constants.MAX_REPEAT, sre_constants.MIN_REPEAT)
JUDGED = {
    "/dev/x?[a-z]?d?[a-z]+[0-9]*": "for a whole text of 255 characters; what may be left out is a letter each",
    # Of errors of msgspec, which name a field of ours or one that was said; each repeat ends where another would start.
    r" - at `([\w.\[\]-]+)`": "a space starts it, and ends it",
    r"missing required field `([^`]+)`": "what it misses is a field of ours",
    r"unknown field `([^`]+)`": "the next one would start at a mark that ends it",
    r"/openstack/[a-z0-9.-]+/password/?": "used from the beginning only",
    r"(?im)^content-length: *(\d{1,6}) *\r?$": "starts at lines, and no part takes what the next one does",
    r"[$%]\((\w+)\)s": "ends where the next one would start; and operators say it",
    r"[$%]\(([^()]*)\)s": "ends where the next one would start; and operators say it",
    r"(\*\*|\*|\{[^{}/]*\})": "ends where the next one would start",
    r"\*{3,}": "takes all that there are, and needs nothing behind them",
    r"traitx:(\w+)": "used for the whole text only, and operators say it",
    r"[A-Z]{1,16} (/[!-~]*) HTTP/1\.[01]\r\n": "used from the beginning only, and a space ends it",
}


def patterns() -> Iterator[tuple[str, int, str, str]]:
    """(file, line, how it is used, pattern), with an x for what is filled in."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            how = _use(node.func)
            said = node.args[0] if how is not None and node.args else None
            said = next((word.value for word in node.keywords if word.arg == "pattern"), said)
            text = _text(said)
            if text is not None:
                yield path.relative_to(SOURCE).as_posix(), node.lineno, how or "meta", text


def _use(of: ast.expr) -> str | None:
    """Of the module re."""
    if isinstance(of, ast.Attribute) and isinstance(of.value, ast.Name) and of.value.id == "re" and of.attr in _USES:
        return of.attr
    return None


def _text(said: ast.expr | None) -> str | None:
    if isinstance(said, ast.Constant) and isinstance(said.value, str | bytes):
        return said.value.decode() if isinstance(said.value, bytes) else said.value
    if isinstance(said, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in said.values)
    return None


def _repeats(tree: Any, *, inside: bool = False) -> Iterator[bool]:
    """For each repeat without bound, whether it stands in another."""
    for kind, said in tree:
        if kind in _REPEATS:
            _, most, inner = said
            endless = most == sre_constants.MAXREPEAT
            if endless:
                yield inside
            yield from _repeats(inner, inside=inside or endless)
        elif kind == sre_constants.SUBPATTERN:
            yield from _repeats(said[3], inside=inside)
        elif kind == sre_constants.BRANCH:
            for branch in said[1]:
                yield from _repeats(branch, inside=inside)


def _costs(how: str, pattern: str) -> bool:
    found = list(_repeats(sre_parse.parse(pattern)))
    held = pattern.startswith(("^", "(?!")) or how in ("match", "fullmatch")
    return any(found) or (bool(found) and not held)


@pytest.mark.parametrize("pattern", [r"(\w+)=\"", r"^(a+)+\Z", r"x.*y"])
def test_the_look_at_patterns_finds_what_is_dear(pattern: str) -> None:
    assert _costs("compile", pattern)


def test_every_pattern_is_linear_or_was_judged() -> None:
    dear = {pattern: f"{file}:{line}" for file, line, how, pattern in patterns() if _costs(how, pattern)}
    assert {pattern: at for pattern, at in dear.items() if pattern not in JUDGED} == {}
    assert set(JUDGED) <= set(dear), "judged, and not there any more"


def test_no_pattern_lets_a_line_feed_in_behind_what_it_checks() -> None:
    r"""`$` also stands before a last line feed, \Z does not. So a port had the MAC address of another, and a line."""
    assert [at for *at, pattern in patterns() if pattern.endswith("$") and pattern not in JUDGED] == []
