"""Path patterns: how an access rule says which paths it means, and whether a path is one of them.

`*` and `{name}` stand for something within one segment, `**` for anything, also for nothing. Whoever writes a
pattern also chooses the paths that it is held against, so nothing here tries one way after another: all places of
the pattern that a path may have reached are kept at once, as the bits of one number, and each character of the path
moves them together. That takes the same time for every pattern and every path of the same lengths.
"""

import re
from functools import lru_cache

from trivet.errors import Invalid

PATTERN_MAX = 255
PATH_MAX = 2_048
"""A longer path is none that a rule means."""

_WORDS = re.compile(r"(\*\*|\*|\{[^{}/]*\})")


class _Pattern:
    """Bit n is the place before the n-th step: a character, something within a segment (stays where it is and goes
    on), or anything."""

    def __init__(self, text: str) -> None:
        self._of: dict[str, int] = {}
        self._within = 0
        self._anything = 0
        at = 0
        for n, part in enumerate(_WORDS.split(text)):
            if n % 2 == 0:
                for character in part:
                    self._of[character] = self._of.get(character, 0) | 1 << at
                    at += 1
            elif part == "**":
                self._anything |= 1 << at
                at += 1
            else:
                self._within |= 1 << at
                at += 1
        self._end = 1 << at

    def matches(self, path: str) -> bool:
        here = self._skipped(1)
        for character in path:
            within = self._within if character != "/" else 0
            moved = (here & (self._of.get(character, 0) | within)) << 1
            here = self._skipped(moved | here & (within | self._anything))
            if not here:
                return False
        return here & self._end != 0

    def _skipped(self, here: int) -> int:
        """Anything may also be nothing. Two of them side by side are one, so one look is enough."""
        return here | (here & self._anything) << 1


@lru_cache(maxsize=512)
def _pattern(text: str) -> _Pattern:
    return _Pattern(re.sub(r"\*{3,}", lambda stars: "**" + "*" * (len(stars[0]) % 2), text))


def check(text: str) -> None:
    """Before it is kept."""
    if not text.startswith("/") or len(text) > PATTERN_MAX:
        raise Invalid(
            "access_rule.path", f"The path of an access rule begins with / and has at most {PATTERN_MAX} characters."
        )


def matches(pattern: str, path: str) -> bool:
    """A pattern that could not be kept today, in a token or a row from earlier, means nothing."""
    return len(pattern) <= PATTERN_MAX and len(path) <= PATH_MAX and _pattern(pattern).matches(path)
