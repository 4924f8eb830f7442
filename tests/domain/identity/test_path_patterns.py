"""The paths of access rules. The class: a pattern that a tenant says, held by everybody's process against a path that
he says as well. Whatever both are, the time is that of their lengths.
"""

import random
import re
import time

import pytest

from trivet.domain.identity.delegation import path_patterns
from trivet.domain.identity.delegation.path_patterns import PATH_MAX, PATTERN_MAX, matches
from trivet.errors import Invalid


@pytest.mark.parametrize(
    ("pattern", "path", "means"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2x1/servers", False),
        ("/v2.1/servers", "/v2.1/servers/", False),
        ("/v2.1/servers/*", "/v2.1/servers/1", True),
        ("/v2.1/servers/*", "/v2.1/servers/", False),
        ("/v2.1/servers/*", "/v2.1/servers/1/ips", False),
        ("/v2.1/servers/{server_id}/ips", "/v2.1/servers/1/ips", True),
        ("/v2.1/servers/{server_id}/ips", "/v2.1/servers//ips", False),
        ("/v2.1/**", "/v2.1/", True),
        ("/v2.1/**", "/v2.1/servers/1/ips", True),
        ("/v2.1/**", "/v2.1", False),
        ("/**/ips", "/v2.1/servers/1/ips", True),
        ("/**/ips", "/v2.1/servers/1/ips/x", False),
        ("/v2.1/s*s", "/v2.1/servers", True),
        ("/v2.1/s*s", "/v2.1/ss", False),
        ("/***", "/", False),
        ("/***", "/a/b", True),
        ("/****", "/", True),
        ("/a{", "/a{", True),
        ("/a{b/c}", "/ax", False),
    ],
)
def test_what_a_pattern_means(pattern: str, path: str, means: bool) -> None:
    assert matches(pattern, path) is means


def test_any_pattern_means_what_its_expression_says(chance: random.Random) -> None:
    for _ in range(3000):
        pattern = "/" + "".join(
            chance.choice(["a", "b", "/", "*", "**", "{x}", "."]) for _ in range(chance.randint(0, 6))
        )
        path = "/" + "".join(chance.choice("ab/.") for _ in range(chance.randint(0, 8)))
        assert matches(pattern, path) is (re.fullmatch(expression(pattern), path) is not None), (pattern, path)


def expression(pattern: str) -> str:
    words = {"**": ".*", "*": "[^/]+"}
    parts = re.split(r"(\*\*|\*|\{[^{}/]*\})", pattern)
    return "".join(words.get(part, "[^/]+") if n % 2 else re.escape(part) for n, part in enumerate(parts))


@pytest.mark.parametrize("repeated", ["**a", "*a", "**/", "{a}a", "**a*a", "a*"])
def test_the_dearest_pattern_takes_a_small_multiple_of_a_plain_one(repeated: str) -> None:
    plain = "/" + "a" * (PATTERN_MAX - 3) + "**"
    dear = ("/" + repeated * PATTERN_MAX)[: PATTERN_MAX - 1] + "b"
    path = "/" + "a" * (PATH_MAX - 1)
    assert least(dear, path) < 30 * least(plain, path)
    path = "/" + "a/" * (PATH_MAX // 2 - 1)
    assert least(dear, path) < 30 * least("/" + "a/" * (PATTERN_MAX // 2 - 2) + "**", path)


def least(pattern: str, path: str) -> float:
    """The least of a few: what the pattern takes, and not what else the machine does."""
    times = []
    for _ in range(5):
        began_at = time.perf_counter()
        matches(pattern, path)
        times.append(time.perf_counter() - began_at)
    return min(times)


def test_what_is_too_long_is_not_kept_and_means_nothing() -> None:
    with pytest.raises(Invalid):
        path_patterns.check("/" + "a" * PATTERN_MAX)
    assert not matches("/**", "/" + "a" * PATH_MAX)
    assert not matches("/" + "*" * PATTERN_MAX, "/a")
