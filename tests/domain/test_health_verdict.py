"""The rule by which a host is judged, as a table, and the limits of fencing."""

import pytest

from trivet.domain.health.limits import Scene, forbids
from trivet.domain.health.verdict import Value, Verdict, is_dead, judge

WORDS: dict[str, Value] = {"+": "up", "-": "down", "?": "unknown"}
TABLE: list[tuple[str, Verdict]] = [
    # agent, management, tenant, power
    ("++++", "up"),
    ("+???", "up"),
    ("+-++", "impaired"),
    ("++-+", "impaired"),
    ("+--+", "impaired"),
    ("+--?", "impaired"),
    ("-+++", "agent_down"),
    ("-+??", "agent_down"),
    ("-+-+", "agent_down"),
    ("-?+?", "agent_down"),
    ("?+??", "up"),
    ("--++", "isolated"),
    ("?-++", "isolated"),
    ("?-?+", "suspect"),
    ("?-??", "suspect"),
    ("-???", "suspect"),
    ("-??+", "suspect"),
    ("??-?", "suspect"),
    ("?--+", "lost"),
    ("---+", "lost"),
    ("--??", "lost"),
    ("---?", "lost"),
    ("?--?", "lost"),
    ("---x".replace("x", "-"), "off"),
    ("???-", "off"),
    ("-??-", "off"),
    # A BMC that says off while the host answers is not believed.
    ("+++-", "impaired"),
    ("-++-", "agent_down"),
    ("?+?-", "up"),
    ("????", "unknown"),
]


@pytest.mark.parametrize(("signals", "verdict"), TABLE, ids=[signals for signals, _ in TABLE])
def test_a_host_is_judged_by_the_table(signals: str, verdict: Verdict) -> None:
    names = ("agent", "management", "tenant", "power")
    assert judge(dict(zip(names, (WORDS[sign] for sign in signals), strict=True))).verdict == verdict


def test_no_single_silence_makes_a_host_dead() -> None:
    for name in ("agent", "management", "tenant"):
        values: dict[str, Value] = {name: "down"}
        assert not is_dead(judge(values).verdict)


def test_whatever_hears_of_a_host_keeps_it_from_being_dead() -> None:
    for name in ("agent", "management", "tenant"):
        values: dict[str, Value] = dict.fromkeys(("agent", "management", "tenant", "power"), "down")
        assert is_dead(judge(values).verdict)
        assert not is_dead(judge(values | {name: "up"}).verdict)


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        (Scene(hosts=3, dead=1, fenced_lately=0), None),
        (Scene(hosts=2, dead=1, fenced_lately=0), None),
        (Scene(hosts=3, dead=2, fenced_lately=0), "cut off"),
        (Scene(hosts=1, dead=1, fenced_lately=0), "cut off"),
        (Scene(hosts=30, dead=4, fenced_lately=2), None),
        (Scene(hosts=30, dead=1, fenced_lately=3), "fencing_most"),
    ],
)
def test_fencing_has_limits(scene: Scene, word: str | None) -> None:
    why = forbids(scene, 3)
    assert (why is None) == (word is None)
    assert word is None or word in str(why)
