"""Sets of CPUs as operators and kernels write them: 0-3,8,^2."""

import re
from collections.abc import Iterable

NUMBER_MAX = 65_535
"""No machine has a CPU of a higher number; a longer range would only be a way to fill memory."""
_DIGITS = re.compile("[0-9]{1,5}")


def parsed(text: str) -> frozenset[int] | None:
    """None: it says no set. What has a caret before it is left out, wherever it stands."""
    within, without = set[int](), set[int]()
    for part in filter(None, (word.strip() for word in text.split(","))):
        numbers = _range(part.removeprefix("^"))
        if numbers is None:
            return None
        (without if part.startswith("^") else within).update(numbers)
    return frozenset(within - without)


def written(cpus: Iterable[int]) -> str:
    """The shortest words for it, lowest first: 0-3,8."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1][1:] = [cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(map(str, run)) for run in runs)


def _range(text: str) -> range | None:
    first, dash, last = (word.strip() for word in text.partition("-"))
    ends = [_number(first), _number(last if dash else first)]
    if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    return range(ends[0], ends[1] + 1)


def _number(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= NUMBER_MAX else None
