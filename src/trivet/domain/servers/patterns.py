"""Patterns that a tenant says: regular expressions, matched in a time that the pattern cannot choose.

The library's `re` goes back and tries again, which a few characters (`a?` thirty times) turn into hours. Here all
ways through the pattern are followed at once, and sets of ways that were met before are remembered. What a filter
may cost in all is counted, and a filter that costs more is refused.
"""

from collections.abc import Callable
from string import digits
from typing import NamedTuple

from trivet.domain.numbers import whole_number
from trivet.errors import Invalid

LENGTH_MAX = 255
_STATES_MAX = 1000
_DEPTH_MAX = 30
_WORK_MAX = 300_000
"""Steps from one place in a pattern to the next: some tenths of a second, once for the whole list."""
_KNOWN_MAX = 2000

Test = Callable[[str], bool]
_CLASSES: dict[str, Test] = {
    "d": frozenset(digits).__contains__,
    "w": lambda letter: letter.isalnum() or letter == "_",
    "s": str.isspace,
}
_NAMED: dict[str, Test] = {
    "alpha": str.isalpha,
    "digit": frozenset(digits).__contains__,
    "alnum": str.isalnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": str.isspace,
    "punct": lambda letter: letter.isprintable() and not letter.isalnum() and not letter.isspace(),
}
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}


class _Letter(NamedTuple):
    fits: Test


class _Edge(NamedTuple):
    """Nothing is read here, but the text must begin or end."""

    begins: bool


class _Row(NamedTuple):
    parts: list["_Node"]


class _Choice(NamedTuple):
    ways: list["_Node"]


class _Repeat(NamedTuple):
    part: "_Node"
    least: int
    most: int | None


_Node = _Letter | _Edge | _Row | _Choice | _Repeat


class _Reader:
    """Reads the text of a pattern into a tree."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> _Node:
        node = self._choice()
        if self._at < len(self._text):
            raise _bad(self._text, "a parenthesis closes what none has opened")
        return node

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, what: str) -> str:
        letter = self._peek()
        if not letter:
            raise _bad(self._text, f"it ends within {what}")
        self._at += 1
        return letter

    def _has(self, word: str) -> bool:
        if self._text.startswith(word, self._at):
            self._at += len(word)
            return True
        return False

    def _choice(self) -> _Node:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise _bad(self._text, f"parentheses nest at most {_DEPTH_MAX} deep")
        ways = [self._row()]
        while self._has("|"):
            ways.append(self._row())
        self._depth -= 1
        return ways[0] if len(ways) == 1 else _Choice(ways)

    def _row(self) -> _Node:
        parts: list[_Node] = []
        while (letter := self._peek()) and letter not in "|)":
            parts.append(self._repeated(self._one()))
        return _Row(parts)

    def _repeated(self, part: _Node) -> _Node:
        times = 0
        while (span := self._span()) is not None:
            self._has("?")  # As few as will do: whether it matches is the same.
            part = _Repeat(part, *span)
            times += 1
            if times > _DEPTH_MAX:
                raise _bad(self._text, "one part is repeated too often")
        return part

    def _span(self) -> tuple[int, int | None] | None:
        for word, span in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._has(word):
                return span
        end = self._text.find("}", self._at)
        if self._peek() != "{" or end < 0:
            return None
        least, comma, most = self._text[self._at + 1 : end].partition(",")
        first = whole_number(least or "0")
        last = whole_number(most) if most else None if comma else first
        if first is None or (most and last is None) or not (least or most):
            return None
        self._at = end + 1
        if first > LENGTH_MAX or (last is not None and not first <= last <= LENGTH_MAX):
            raise _bad(self._text, f"a count is at most {LENGTH_MAX}, and the smaller one comes first")
        return first, last

    def _one(self) -> _Node:
        letter = self._take("a part")
        if letter in "*+?":
            raise _bad(self._text, f"there is nothing that {letter} could repeat")
        if letter == "^":
            return _Edge(begins=True)
        if letter == "$":
            return _Edge(begins=False)
        if letter == ".":
            return _Letter(lambda other: other != "\n")
        if letter == "(":
            return self._group()
        if letter == "[":
            return _Letter(self._class())
        if letter == "\\":
            return self._escaped()
        return _Letter(letter.__eq__)

    def _group(self) -> _Node:
        if self._peek() == "?" and not self._has("?:"):
            raise _bad(self._text, "(? is not known here")
        node = self._choice()
        if not self._has(")"):
            raise _bad(self._text, "a parenthesis is not closed")
        return node

    def _escaped(self) -> _Node:
        letter = self._take("an escape")
        if letter in "AZz":
            return _Edge(begins=letter == "A")
        return _Letter(self._meant(letter))

    def _meant(self, letter: str) -> Test:
        known = _CLASSES.get(letter.lower())
        if known is not None:
            return known if letter.islower() else _none_of(known)
        if letter.isalnum() and letter not in _LETTERS:
            raise _bad(self._text, f"\\{letter} is not known here")
        return _LETTERS.get(letter, letter).__eq__

    def _class(self) -> Test:
        other = self._has("^")
        tests: list[Test] = []
        first = True
        while first or self._peek() != "]":
            tests.append(self._member())
            first = False
        self._take("a class")
        return _none_of(_any_of(tests)) if other else _any_of(tests)

    def _member(self) -> Test:
        for name, test in _NAMED.items():
            if self._has(f"[:{name}:]"):
                return test
        low = self._take("a class")
        if low == "\\":
            letter = self._take("a class")
            test = self._meant(letter)
            if letter.lower() in _CLASSES:
                return test
            low = _LETTERS.get(letter, letter)
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return low.__eq__
        self._at += 1
        high = self._take("a class")
        if high == "\\":
            high = self._take("a class")
        if high < low:
            raise _bad(self._text, f"the range {low}-{high} runs backwards")
        return lambda letter: low <= letter <= high


def _any_of(tests: list[Test]) -> Test:
    return lambda letter: any(test(letter) for test in tests)


def _none_of(test: Test) -> Test:
    return lambda letter: not test(letter)


class _Place:
    """A place in a pattern: what may come here, and where that leads. Without a test it is at each of `then` at
    once."""

    __slots__ = ("edge", "fits", "then")

    def __init__(self, fits: Test | None = None, edge: _Edge | None = None) -> None:
        self.fits = fits
        self.edge = edge
        self.then: list[int] = []


class Pattern:
    """Matches anywhere in a text, unless it says ^ or $."""

    def __init__(self, text: str) -> None:
        if len(text) > LENGTH_MAX:
            raise Invalid("filter.too_long", f"A filter may be at most {LENGTH_MAX} characters long.")
        self._text = text
        self._places: list[_Place] = []
        self._work = 0
        begin, end = self._lay(_Reader(text).whole())
        self._begin, self._end = begin, end
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._first: frozenset[int] | None = None

    def found_in(self, text: str) -> bool:
        if self._first is None:
            self._first = self._reach({self._begin}, begins=True, ends=False)
        if not text:
            return self._end in self._reach({self._begin}, begins=True, ends=True)
        now = self._first
        if self._end in now:
            return True
        for letter in text:
            before = now
            now = self._step(before, letter)
            if self._end in now:
                return True
        return self._end in self._reach(now, begins=False, ends=True)

    def _step(self, now: frozenset[int], letter: str) -> frozenset[int]:
        known = self._steps.get((now, letter))
        if known is None:
            landed = {self._begin}
            for n in now:
                self._count()
                fits = self._places[n].fits
                if fits is not None and fits(letter):
                    landed.update(self._places[n].then)
            known = self._reach(landed, begins=False, ends=False)
            if len(self._steps) > _KNOWN_MAX:
                self._steps.clear()
            self._steps[now, letter] = known
        return known

    def _reach(self, places: set[int] | frozenset[int], *, begins: bool, ends: bool) -> frozenset[int]:
        """Wherever one may be without reading on."""
        found, left = set(places), list(places)
        while left:
            self._count()
            place = self._places[left.pop()]
            if place.fits is not None or (place.edge is not None and not (begins if place.edge.begins else ends)):
                continue
            for n in place.then:
                if n not in found:
                    found.add(n)
                    left.append(n)
        return frozenset(found)

    def _count(self) -> None:
        self._work += 1
        if self._work > _WORK_MAX:
            raise Invalid(
                "filter.too_complex", f"The filter {self._text[:64]!r} is too complex: use a shorter or plainer one."
            )

    # -- from a tree to places

    def _new(self, fits: Test | None = None, edge: _Edge | None = None) -> int:
        if len(self._places) >= _STATES_MAX:
            raise Invalid("filter.too_complex", f"The filter {self._text[:64]!r} is too complex: repeat less.")
        self._places.append(_Place(fits, edge))
        return len(self._places) - 1

    def _lay(self, node: _Node) -> tuple[int, int]:
        """(where it begins, where it ends)"""
        match node:
            case _Letter(fits):
                return self._pair(self._new(fits))
            case _Edge():
                return self._pair(self._new(edge=node))
            case _Row(parts):
                begin = end = self._new()
                for part in parts:
                    first, last = self._lay(part)
                    self._places[end].then.append(first)
                    end = last
                return begin, end
            case _Choice(ways):
                begin, end = self._new(), self._new()
                for way in ways:
                    first, last = self._lay(way)
                    self._places[begin].then.append(first)
                    self._places[last].then.append(end)
                return begin, end
            case _Repeat():
                return self._lay_repeat(node)

    def _pair(self, begin: int) -> tuple[int, int]:
        end = self._new()
        self._places[begin].then.append(end)
        return begin, end

    def _lay_repeat(self, node: _Repeat) -> tuple[int, int]:
        begin = at = self._new()
        for _ in range(node.least):
            first, last = self._lay(node.part)
            self._places[at].then.append(first)
            at = last
        end = self._new()
        self._places[at].then.append(end)
        if node.most is None:
            first, last = self._lay(node.part)
            self._places[at].then.append(first)
            self._places[last].then += [first, end]
        for _ in range(0 if node.most is None else node.most - node.least):
            first, last = self._lay(node.part)
            self._places[at].then.append(first)
            self._places[last].then.append(end)
            at = last
        return begin, end


def _bad(text: str, why: str) -> Invalid:
    return Invalid("filter.invalid", f"The filter {text[:64]!r} is no regular expression: {why}.")
